import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseManifest } from '../../../build/for-kola.ts';
import { badInput, errorCode, ifThere } from '../../../sdk/lib/errors.ts';
import { type Sha256, sha256 } from '../../../sdk/lib/files.ts';
import { digestOf } from './digest.ts';

/** A file of a built image, from the manifest. */
export interface Artifact {
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  readonly size: number;
  readonly sha256: Sha256;
}

/** The contents of `out/IMAGE/manifest.json`, checked against the files. */
export interface ImageArtifacts {
  readonly image: string;
  readonly version: string;
  /** Root hash of dm-verity over `/usr`. */
  readonly usrHash: string;
  /** SHA-256 of the text of the manifest: it tells two builds of an image apart. */
  readonly manifest: Sha256;
  /** Finds an artifact. Throws if the image does not have it, or if its file differs from the manifest. */
  get(name: string): Promise<Artifact>;
  has(name: string): boolean;
}

/** Arguments of the command that makes `out/IMAGE`. `n100-dev` is the development build of n100. */
export const buildArguments = (image: string): readonly string[] =>
  image.endsWith('-dev') ? ['build', image.replace(/-dev$/, ''), '--dev'] : ['build', image];

/** Reads the manifest of `image` in `outDir` (`out/`). */
export async function readArtifacts(outDir: string, image: string): Promise<ImageArtifacts> {
  const dir = join(outDir, image);
  const path = join(dir, 'manifest.json');
  const build = `./draisine ${buildArguments(image).join(' ')}`;
  const text = await readManifest(path, image, build);
  const manifest = parseManifest(text, path, build);
  if (manifest.name !== image.replace(/-dev$/, '')) {
    throw badInput(`this is the manifest of ${manifest.name}, not of ${image}`, { where: path, hint: build });
  }
  return {
    image,
    version: manifest.version,
    usrHash: manifest.usrHash,
    manifest: sha256(text),
    has: (name) => manifest.artifacts.some((artifact) => artifact.name === name),
    get: async (name) => {
      const artifact = manifest.artifacts.find((candidate) => candidate.name === name);
      if (!artifact) throw badInput(`${image} has no artifact named ${name}`, { where: path, hint: build });
      const found = { ...artifact, path: resolve(dir, artifact.path) };
      await check(found, build);
      return found;
    },
  };
}

async function readManifest(path: string, image: string, build: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'ENOTDIR') throw error;
    throw badInput(`${image} is not built: it has no manifest`, { where: path, hint: build });
  }
}

async function check(artifact: Artifact, build: string): Promise<void> {
  const size = (await ifThere(stat(artifact.path)))?.size;
  if (size === undefined)
    throw badInput(`the artifact ${artifact.name} is missing`, { where: artifact.path, hint: build });
  if (size !== artifact.size) {
    const what = size < artifact.size ? 'truncated' : 'not the one that was built';
    throw badInput(
      `the artifact ${artifact.name} is ${what}: ${size} bytes, its manifest says ${artifact.size}`,
      {
        where: artifact.path,
        hint: build,
      },
    );
  }
  const digest = await digestOf(artifact.path);
  if (digest !== artifact.sha256) {
    throw badInput(
      `the artifact ${artifact.name} is not the one that was built: its SHA-256 is ${digest}, its manifest says ${artifact.sha256}`,
      { where: artifact.path, hint: build },
    );
  }
}
