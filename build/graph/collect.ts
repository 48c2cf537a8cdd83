import { lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { rm, rmdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Failure, ifThereSync } from '../../sdk/lib/errors.ts';
import type { Sha256 } from '../../sdk/lib/files.ts';
import { noted } from '../../sdk/lib/json.ts';
import { CLEANING } from './hold.ts';
import { tryLock } from './key-lock.ts';
import { liveness, parseOwnedName } from './owner.ts';
import { parseRecord } from './record.ts';
import { closeStore, FACTS, FOLDERS, removeTreeAsync, type Store, storeFailure } from './store.ts';

/** Folders of the cache beside the store: Debian's indexes, and partial downloads (build/debian/). */
const BESIDE = ['indexes', 'downloads'] as const;

/**
 * Work in progress: no living process leaves such a file untouched for so long. `lock` and `resolve` write indexes
 * without a claim on the store.
 */
const UNFINISHED = /\.(tmp|part)-/;
const UNFINISHED_MS = 24 * 3600 * 1000;

/** The result of a collection. */
export interface Collected {
  /** Number of removed records, blobs and folders. */
  readonly removed: number;
  /** Bytes of the removed files. */
  readonly bytes: number;
}

/**
 * Removes records that were not used for `olderThanMs`, and then blobs and folders of the same age that no
 * remaining record names. 0 removes all. Fails while another process builds. It also removes Debian's indexes, partial
 * downloads and lists of modules of that age.
 */
export async function collectGarbage(store: Store, olderThanMs: number): Promise<Collected> {
  return await alone(store, async () => {
    const before = Date.now() - olderThanMs;
    const { kept, removed } = await sweepRecords(store, before);
    const blobs = await sweepBlobs(store, before, kept);
    const folders = await sweepFolders(store, before, kept);
    const workspaces = await sweepWorkspaces(store, before);
    const files = [
      await sweepFiles(store, 'codes', before, explained(store)),
      ...(await Promise.all(BESIDE.map((folder) => sweepFiles(store, folder, before)))),
    ];
    return {
      removed: removed + folders + workspaces + sum([blobs, ...files].map((swept) => swept.removed)),
      bytes: sum([blobs, ...files].map((swept) => swept.bytes)),
    };
  });
}

/**
 * Removes parts of the store while no other process uses it. A process that begins meanwhile waits (`useStore`).
 * @throws if another process uses it
 */
async function alone<T>(store: Store, work: () => Promise<T>): Promise<T> {
  const unlock = await tryLock(store, CLEANING, 'clean');
  try {
    const user = unlock ? othersIn(store)[0] : 'another clean';
    if (user !== undefined)
      throw new Failure(`${user} is using this store`, {
        where: store.root,
        hint: 'wait for its end, or stop it',
      });
    return await work();
  } catch (error) {
    throw storeFailure(store.root, error);
  } finally {
    await unlock?.();
    closeStore(store);
  }
}

/** Living processes that use the store, without this one. */
function othersIn(store: Store): string[] {
  return readdirSync(join(store.root, 'tmp')).flatMap((name) => {
    const owner = parseOwnedName(name);
    return owner && owner.pid !== process.pid && liveness(owner) === 'alive' ? [`process ${owner.pid}`] : [];
  });
}

/** The records that stay, and the names of the blobs and folders in them. */
async function sweepRecords(store: Store, before: number): Promise<{ kept: Set<Sha256>; removed: number }> {
  const kept = new Set<Sha256>();
  let removed = 0;
  for (const path of sharded(store, 'actions')) {
    const record = parseRecord(readFileSync(path, 'utf8'), basename(path));
    if (record && statSync(path).mtimeMs > before) {
      for (const name of [basename(path), record.digest, ...record.refs]) kept.add(name);
    } else {
      await rm(path, { force: true });
      removed++;
    }
  }
  return { kept, removed };
}

async function sweepBlobs(store: Store, before: number, kept: ReadonlySet<Sha256>): Promise<Collected> {
  let removed = 0;
  let bytes = 0;
  for (const path of sharded(store, 'blobs')) {
    const digest = path.slice(-64);
    const stat = lstatSync(path);
    if (kept.has(digest) || stat.ctimeMs > before) continue;
    await rm(path, { force: true });
    await rm(join(store.root, 'stamps', digest.slice(0, 2), digest), { force: true });
    removed++;
    bytes += stat.blocks * 512;
  }
  return { removed, bytes };
}

async function sweepFolders(store: Store, before: number, kept: ReadonlySet<Sha256>): Promise<number> {
  let removed = 0;
  for (const key of readdirSync(join(store.root, 'dirs'))) {
    const path = join(store.root, 'dirs', key);
    if (kept.has(key) || lstatSync(path).ctimeMs > before) continue;
    await removeTreeAsync(path);
    await rm(join(store.root, 'listings', key), { force: true });
    removed++;
  }
  return removed;
}

async function sweepWorkspaces(store: Store, before: number): Promise<number> {
  const root = join(store.root, 'workspaces');
  const old = readdirSync(root).filter((key) => lstatSync(join(root, key)).ctimeMs <= before);
  for (const key of old) await removeTreeAsync(join(root, key));
  return old.length;
}

/**
 * Removes the files of a folder that are older than `before`, except for those that `kept` names. The age counts from
 * the last write, rename or use (ctime).
 */
async function sweepFiles(
  store: Store,
  folder: 'codes' | (typeof BESIDE)[number],
  before: number,
  kept: ReadonlySet<string> = new Set(),
): Promise<Collected> {
  let removed = 0;
  let bytes = 0;
  for (const name of ifThereSync(() => readdirSync(join(store.root, folder))) ?? []) {
    const path = join(store.root, folder, name);
    const stat = lstatSync(path, { throwIfNoEntry: false }); // another process may have finished or replaced it
    const last = UNFINISHED.test(name) ? Math.min(before, Date.now() - UNFINISHED_MS) : before;
    if (kept.has(name) || !stat?.isFile() || stat.ctimeMs > last) continue;
    await rm(path, { force: true });
    removed++;
    bytes += stat.blocks * 512;
  }
  return { removed, bytes };
}

/** The code digests by which `--explain` tells why a target runs. */
function explained(store: Store): Set<string> {
  const root = join(store.root, 'last');
  return new Set(readdirSync(root).map((name) => String(noted(join(root, name))?.code)));
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);

function sharded(store: Store, folder: 'actions' | 'blobs'): string[] {
  const root = join(store.root, folder);
  return readdirSync(root).flatMap((part) =>
    readdirSync(join(root, part)).map((name) => join(root, part, name)),
  );
}

/**
 * Removes the whole store except for its mark, and no other files of the same folder. Fails while another
 * process builds.
 */
export async function wipeStore(store: Store): Promise<void> {
  await alone(store, async () => {
    for (const folder of FOLDERS.filter((name) => name !== 'tmp' && name !== 'locks'))
      await removeTreeAsync(join(store.root, folder));
    const tmp = join(store.root, 'tmp');
    for (const name of readdirSync(tmp)) {
      const owner = parseOwnedName(name);
      if (!owner) continue; // A folder named tmp/ may belong to somebody else.
      const waits = owner.pid !== process.pid && liveness(owner) === 'alive';
      if (!waits) await removeTreeAsync(join(tmp, name));
    }
    if (readdirSync(tmp).length === 0) await rmdir(tmp);
    await rm(join(store.root, FACTS), { force: true });
    await removeTreeAsync(join(store.root, 'locks')); // last: others wait for the lock in it
  });
}
