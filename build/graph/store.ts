import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { chmod, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cacheDir } from '../../sdk/lib/cache.ts';
import { badInput, errorCode, Failure } from '../../sdk/lib/errors.ts';
import type { Sha256 } from '../../sdk/lib/files.ts';
import { liveness, ownedName, parseOwnedName } from './owner.ts';

/**
 * The content-addressed store, outside the checkout. Its folders:
 *
 *     blobs/AA/DIGEST     content by SHA-256, mode 0444          stamps/AA/DIGEST    stat(2) of it when it was hashed
 *     dirs/KEY/           unpacked folders by action key         listings/KEY        what is in them
 *     actions/AA/KEY      record: what an action made            codes/DIGEST        the modules behind a code digest
 *     last/NAME           each target's last inputs              locks/KEY           the process that makes it now
 *     published/PATH      files of the store in out/             tmp/OWNER/          work in progress
 *     facts.json          digests and imports of source files    workspaces/KEY/     kept folders of long recipes
 *     .draisine-store     the mark of a store of Draisine
 *
 * Everything is written in tmp/ and renamed, so each name appears complete or not at all. Only blobs are fsynced
 * before. Other files need no fsync: if a power cut loses or truncates one, it counts as missing.
 */
export interface Store {
  readonly root: string;
  /** This process's folder in tmp/. It is made at first use, and removed by `closeStore`. */
  readonly tmp: string;
  /** By key: whether this process has found the folder intact. */
  readonly checkedDirs: Map<string, boolean>;
}

/** The folders of a store. */
export const FOLDERS: readonly string[] = [
  'blobs',
  'stamps',
  'dirs',
  'listings',
  'actions',
  'codes',
  'last',
  'locks',
  'published',
  'tmp',
  'workspaces',
];

/** The table of facts about files of checkouts (facts.ts). */
export const FACTS = 'facts.json';

/**
 * A folder with contents but without this mark is not a store: it belongs to somebody else, whatever its
 * files are called.
 */
const MARK = '.draisine-store';
const MARK_TEXT =
  'The store of Draisine (docs/store.md). Everything in this folder can be made or fetched again.\n';

/**
 * Names that may be in the folder before the store is: other caches of ours, and files of file systems and
 * backups.
 */
const NEIGHBOURS: readonly string[] = [
  ...['indexes', 'downloads', 'snapshots', 'kola', 'probe'],
  ...['lost+found', 'CACHEDIR.TAG'],
];

/**
 * After this time, unfinished work of a process that this one cannot see (another container) is removed as
 * well.
 */
const FOREIGN_TMP_MS = 24 * 3600 * 1000;

/**
 * Opens the store, makes it if it is missing, and removes leftovers of dead processes in tmp/.
 * @throws badInput for a folder with other contents
 */
export function openStore(root: string = cacheDir()): Store {
  try {
    makeFolder(root);
    if (!existsSync(join(root, MARK))) mark(root);
    for (const folder of FOLDERS) makeFolder(join(root, folder));
    sweep(join(root, 'tmp'));
  } catch (error) {
    throw storeFailure(root, error);
  }
  return { root, tmp: join(root, 'tmp', ownedName()), checkedDirs: new Map() };
}

/** Removes this process's unfinished work. Synchronous, so that it can run when the process exits. */
export function closeStore(store: Store): void {
  removeTree(store.tmp);
}

/** A path in this process's tmp/ that does not exist. */
export async function temporaryPath(store: Store): Promise<string> {
  try {
    makeFolder(store.tmp);
  } catch (error) {
    throw storeFailure(store.root, error);
  }
  return join(store.tmp, randomBytes(6).toString('hex'));
}

/** Writes a file of the store atomically. */
export async function putFile(store: Store, path: string, data: string | Uint8Array): Promise<void> {
  const temporary = await temporaryPath(store);
  try {
    const file = await open(temporary, 'wx', 0o644);
    try {
      await file.writeFile(data);
    } finally {
      await file.close();
    }
    await moveInto(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw storeFailure(store.root, error);
  }
}

/** The same as `putFile`, for files that only save time. On a read-only medium it writes nothing. */
export async function putNote(store: Store, path: string, data: string): Promise<void> {
  try {
    await putFile(store, path, data);
  } catch (error) {
    if (!isReadOnly(error)) throw error;
  }
}

/** rename(2); makes the parent folder if it is missing. */
export async function moveInto(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' || !existsSync(from)) throw error;
    await mkdir(dirname(to), { recursive: true });
    await rename(from, to);
  }
}

/** SHA-256 in the form of the store's names. */
export function isDigest(value: unknown): value is Sha256 {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
}

/** `blobs/ab/abcd…`: 256 folders, so that none grows too long. */
export function shard(store: Store, folder: 'blobs' | 'stamps' | 'actions', name: Sha256): string {
  // A path made of this name may be renamed or removed, so a name from outside must not lead out of the
  // store.
  if (!isDigest(name)) throw new Error(`${JSON.stringify(name)} is no digest`);
  return join(store.root, folder, name.slice(0, 2), name);
}

/** Removes a tree, read-only folders included. A missing tree is no error. */
function removeTree(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (error) {
    if (errorCode(error) !== 'EACCES' && errorCode(error) !== 'EPERM') throw error;
    throw new Failure(`cannot remove ${path}`, {
      hint: `chmod -R u+rwx ${path}, then remove it`,
      cause: error,
    });
  }
}

/**
 * The same as `removeTree`, without blocking. Read-only folders are made writable if they stop the removal.
 */
export async function removeTreeAsync(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if (errorCode(error) !== 'EACCES' && errorCode(error) !== 'EPERM') throw error;
    await makeWritable(path);
    await rm(path, { recursive: true, force: true });
  }
}

async function makeWritable(folder: string): Promise<void> {
  await chmod(folder, 0o700);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await makeWritable(join(folder, entry.name));
  }
}

/** The same as mkdir -p. Node's own `recursive` reports ENOENT where mkdir(2) reports EROFS. */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  try {
    mkdirSync(path);
  } catch (error) {
    if (errorCode(error) !== 'EEXIST' || !statSync(path).isDirectory()) throw error; // another process was quicker
  }
}

/** Turns an empty folder, or the store of an early version, into a store by writing the mark. */
function mark(root: string): void {
  const names = readdirSync(root).filter((name) => !NEIGHBOURS.includes(name));
  const old = ['blobs', 'actions', 'stamps'].every((name) => names.includes(name));
  // Another process may have begun to make it meanwhile.
  if (names.length > 0 && !old && !existsSync(join(root, MARK))) {
    throw badInput(`not the store of Draisine, but a folder with something else (${names[0]}, …)`, {
      where: root,
      hint: 'set DRAISINE_CACHE to an empty folder, or to one that does not exist yet',
    });
  }
  try {
    writeFileSync(join(root, MARK), MARK_TEXT);
  } catch (error) {
    // The store may be complete, on a read-only medium.
    if (!old || !isReadOnly(error)) throw error;
  }
}

/**
 * Whether an error comes from a write to a read-only place, as the system reports it or as `storeFailure`
 * words it.
 */
export function isReadOnly(error: unknown): boolean {
  const code = errorCode(error instanceof Failure ? error.cause : error);
  return ['EROFS', 'EACCES', 'EPERM'].includes(code ?? '');
}

function sweep(tmp: string): void {
  for (const name of readdirSync(tmp)) {
    const owner = parseOwnedName(name);
    if (!owner) continue; // not one of our files
    const path = join(tmp, name);
    const state = liveness(owner);
    if (state === 'alive') continue;
    if (
      state === 'foreign' &&
      Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) < FOREIGN_TMP_MS
    )
      continue;
    try {
      removeTree(path);
    } catch (error) {
      if (!isReadOnly(error)) throw error; // it only takes room
    }
  }
}

const HINTS: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  ENOSPC: [
    'no space left for the store',
    'free space there, run `./draisine clean --older-than 7d`, or set DRAISINE_CACHE',
  ],
  EDQUOT: [
    'the disk quota for the store is used up',
    'free space there, or set DRAISINE_CACHE to another disk',
  ],
  EROFS: ['the store is on a read-only file system', 'set DRAISINE_CACHE to a writable folder'],
  EACCES: ['the store is not writable', 'set DRAISINE_CACHE to a writable folder, or correct its owner'],
  EPERM: ['the store is not writable', 'set DRAISINE_CACHE to a writable folder, or correct its owner'],
  ENOTDIR: ['the path of the store leads through a file', 'set DRAISINE_CACHE to a folder'],
  EEXIST: ['the path of the store leads through a file', 'set DRAISINE_CACHE to a folder'],
  EISDIR: [
    'a folder lies where the store has a file',
    'remove files that are not of the store, or run ./draisine clean --store',
  ],
  EIO: [
    'the disk of the store reports an I/O error',
    'look at the kernel log; set DRAISINE_CACHE to another disk',
  ],
};

/** A system error in the store, with a hint; any other error unchanged. */
export function storeFailure(root: string, error: unknown): unknown {
  if (error instanceof Failure) return error;
  const [what, hint] = HINTS[errorCode(error) ?? ''] ?? [];
  return what === undefined || hint === undefined
    ? error
    : new Failure(what, { where: root, hint, cause: error });
}
