import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { probeAcceleration } from '../harness/qemu/accel.ts';
import { readArtifacts } from '../harness/qemu/artifacts.ts';
import { emulatorOf } from '../harness/qemu/emulator.ts';
import type { Ground } from './vm.ts';

/** What the VM tests of an image run on. Each artifact is checked against its manifest. */
export async function groundOf({
  image,
  out,
  toolTree,
}: {
  readonly image: string;
  readonly out: string;
  readonly toolTree: string;
}): Promise<Ground> {
  const artifacts = await readArtifacts(out, image);
  const manifest = JSON.parse(await readFile(join(out, image, 'manifest.json'), 'utf8')) as {
    readonly artifacts: readonly { readonly name: string }[];
  };
  const digests = await Promise.all(
    manifest.artifacts.map(async ({ name }) => [name, (await artifacts.get(name)).sha256] as const),
  );
  const accel = await probeAcceleration(await emulatorOf(toolTree), await artifacts.get('kernel'));
  return { image, artifacts: Object.fromEntries(digests), toolTree, accel };
}
