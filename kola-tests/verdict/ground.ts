import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stampOf } from '../../build/for-kola.ts';
import { Failure } from '../../sdk/lib/errors.ts';
import { type Sha256, sha256 } from '../../sdk/lib/files.ts';
import { probeAcceleration } from '../harness/qemu/accel.ts';
import { type ImageArtifacts, readArtifacts } from '../harness/qemu/artifacts.ts';
import { emulatorOf } from '../harness/qemu/emulator.ts';
import type { Ground } from './vm.ts';

/**
 * The digest of an artifact, or `none` if the artifact differs from its manifest: then only the tests that use it fail.
 */
async function digestOf(artifacts: ImageArtifacts, name: string): Promise<Sha256> {
  try {
    return (await artifacts.get(name)).sha256;
  } catch (error) {
    if (error instanceof Failure) return 'none';
    throw error;
  }
}

/** The digests of an image's manifest and of all files that it names. Each file is checked. */
export async function artifactDigests(out: string, image: string): Promise<Readonly<Record<string, Sha256>>> {
  const artifacts = await readArtifacts(out, image);
  const text = await readFile(join(out, image, 'manifest.json'), 'utf8');
  const { artifacts: named } = JSON.parse(text) as {
    readonly artifacts: readonly { readonly name: string }[];
  };
  const digests = await Promise.all(
    named.map(async ({ name }) => [name, await digestOf(artifacts, name)] as const),
  );
  return { ...Object.fromEntries(digests), 'manifest.json': sha256(text) };
}

/** The artifacts and tools that the VM tests of an image run on. */
export async function groundOf({ image, out, toolTree }: Place): Promise<Ground> {
  const manifest = join(out, image, 'manifest.json');
  const stamp = stampOf(manifest);
  const artifacts = await artifactDigests(out, image);
  const kernel = await (await readArtifacts(out, image)).get('kernel');
  const accel = await probeAcceleration(await emulatorOf(toolTree), kernel);
  return { image, artifacts, toolTree, accel, unchanged: () => stampOf(manifest) === stamp };
}

interface Place {
  readonly image: string;
  /** Folder that holds `IMAGE/manifest.json`. */
  readonly out: string;
  readonly toolTree: string;
}
