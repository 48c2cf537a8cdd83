import { join } from 'node:path';
import { Failure } from '../../sdk/lib/errors.ts';
import { isPublished, publishBlob } from '../graph/publish.ts';
import { runBuild } from '../graph/run.ts';
import type { Store } from '../graph/store.ts';
import type { Target } from '../graph/target.ts';
import { deb } from './fetch.ts';
import type { Lock } from './lock.ts';
import type { PoolFile } from './origins.ts';

/** All files that a lock pins, without repetition: packages of all sets, and files of source packages. */
export function pinnedFiles({ sets, sources }: Lock): PoolFile[] {
  const files = new Map<string, PoolFile>();
  const add = ({ archive, path, size, sha256 }: PoolFile) =>
    files.set(`${archive}/${path}`, { archive, path, size, sha256 });
  for (const { packages } of sets.values()) for (const each of packages) add(each);
  for (const { archive, directory, files: of } of sources)
    for (const { name, size, sha256 } of of) add({ archive, path: `${directory}/${name}`, size, sha256 });
  return [...files.values()];
}

/** The result of `keepPinned`. */
export interface Kept {
  readonly files: number;
  /** Files that were missing, or differed from the lock. */
  readonly placed: number;
  /** Bytes of all files. */
  readonly bytes: number;
}

/**
 * Makes a folder with all files that a lock pins, in the layout of a mirror: `debian/pool/…`, `debian-security/pool/…`.
 * Correct files in the folder stay, and need no source. Files of the store are linked; missing ones are fetched first.
 * The Failure names each file that no source has. All other files are in the folder even then.
 */
export async function keepPinned(lock: Lock, folder: string, store: Store): Promise<Kept> {
  const files = pinnedFiles(lock);
  const targets = new Map<Target, PoolFile>();
  let bytes = 0;
  for (const file of files) {
    if (await isPublished(store, file, join(folder, file.archive, file.path))) bytes += file.size;
    else targets.set(deb(`keep:${file.archive}/${file.path}`, { ...file }), file);
  }
  const { outputs, failures } = await runBuild([...targets.keys()], { store, keepGoing: true });
  let placed = 0;
  for (const [target, { archive, path, size, sha256 }] of targets) {
    if (!outputs.has(target.name)) continue;
    await publishBlob(store, sha256, join(folder, archive, path));
    placed++;
    bytes += size;
  }
  if (failures.length === 0) return { files: files.length, placed, bytes };
  const [first] = failures;
  throw new Failure(
    `${failures.length} of ${files.length} files cannot be fetched: ${failures.map(({ name }) => name.slice(5)).join(', ')}`,
    {
      where: folder,
      hint:
        (first?.error instanceof Failure ? first.error.hint : undefined) ??
        'run it again: it continues where it stopped',
      cause: first?.error,
    },
  );
}
