import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Failure } from '../../sdk/lib/errors.ts';
import { writeAtomic } from '../../sdk/lib/files.ts';
import { warn } from '../../sdk/lib/log.ts';
import { outFailure, publishBlob } from '../graph/publish.ts';
import type { Store } from '../graph/store.ts';
import type { Output } from '../graph/target.ts';
import type { LoadedImage } from '../product/images.ts';
import {
  type Artifact,
  formatManifest,
  MANIFEST,
  type Manifest,
  readManifest,
  TREE,
} from '../product/manifest.ts';
import { wholeTargets } from './wanted.ts';

type Outputs = ReadonlyMap<string, Output>;

/**
 * Puts the artifacts and the manifest into `folder`, and removes the artifacts of an older manifest. If some
 * targets were not built, it does nothing and returns undefined.
 */
export async function publishImage(
  store: Store,
  image: LoadedImage,
  outputs: Outputs,
  folder: string,
  signal?: AbortSignal,
): Promise<Manifest | undefined> {
  const usrHash = outputs.get(image.usrHash.name);
  const tree = outputs.get(image.tree.name);
  if (!usrHash || !tree || !wholeTargets(image).every(({ name }) => outputs.has(name))) return undefined;
  const path = join(folder, MANIFEST);
  const older = olderManifest(path);
  const artifacts: Artifact[] = [];
  for (const [name, { target, file, byDefault }] of Object.entries(image.artifacts)) {
    const output = outputs.get(target.name);
    if (!output || !byDefault) continue;
    await publishBlob(store, output.digest, join(folder, file), signal);
    artifacts.push({ name, path: file, size: output.size, sha256: output.digest });
  }
  await publishBlob(store, tree.digest, join(folder, TREE), signal);
  const { name, version, lock, commandLines, packages } = image;
  const fresh: Manifest = {
    name,
    version,
    lock,
    usrHash: (await readFile(usrHash.path, 'utf8')).trim(),
    commandLines,
    artifacts,
    packages,
  };
  const manifest = { ...fresh, artifacts: [...artifacts, ...stillGood(older, fresh)] };
  const text = formatManifest(manifest);
  if (!existsSync(path) || (await readFile(path, 'utf8')) !== text) await writeManifest(path, text);
  const kept = new Set(manifest.artifacts.map((artifact) => artifact.path));
  for (const artifact of older?.artifacts ?? []) {
    if (!kept.has(artifact.path)) await rm(join(folder, basename(artifact.path)), { force: true });
  }
  return manifest;
}

async function writeManifest(path: string, text: string): Promise<void> {
  try {
    await writeAtomic(path, text);
  } catch (error) {
    throw outFailure(path, error);
  }
}

/** Artifacts of the same image that earlier builds put there by name. */
function stillGood(older: Manifest | undefined, fresh: Manifest): Artifact[] {
  if (older?.usrHash !== fresh.usrHash || older.version !== fresh.version || older.lock !== fresh.lock)
    return [];
  const names = new Set(fresh.artifacts.map(({ name }) => name));
  const paths = new Set(fresh.artifacts.map(({ path }) => path));
  return older.artifacts.filter(({ name, path }) => !names.has(name) && !paths.has(path));
}

function olderManifest(path: string): Manifest | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return readManifest(path);
  } catch (error) {
    if (!(error instanceof Failure)) throw outFailure(path, error);
    warn(`${error.message} (${path}); written anew`);
    return undefined;
  }
}

/**
 * Puts one artifact into `folder`, and updates its entry in the manifest there. A manifest of another version or lock
 * stays as it is, because it would name files of two builds. Returns the artifact's path.
 */
export async function publishSingle(
  store: Store,
  image: LoadedImage,
  name: string,
  outputs: Outputs,
  folder: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const artifact = image.artifacts[name];
  const output = artifact && outputs.get(artifact.target.name);
  if (!artifact || !output) return undefined;
  const file = join(folder, artifact.file);
  await publishBlob(store, output.digest, file, signal);
  const path = join(folder, MANIFEST);
  const manifest = olderManifest(path);
  if (manifest && (manifest.version !== image.version || manifest.lock !== image.lock))
    warn(
      `${path} is of another build (version ${manifest.version}) and stays so: ./draisine build ${image.name}`,
    );
  else if (manifest) {
    const others = manifest.artifacts.filter((item) => item.name !== name);
    const entry: Artifact = { name, path: artifact.file, size: output.size, sha256: output.digest };
    await writeManifest(path, formatManifest({ ...manifest, artifacts: [...others, entry] }));
  }
  return file;
}
