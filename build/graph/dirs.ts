import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { errorCode, ifThereSync } from '../../sdk/lib/errors.ts';
import { byteOrder, type Sha256, sha256 } from '../../sdk/lib/files.ts';
import { warn } from '../../sdk/lib/log.ts';
import { moveInto, putFile, removeTreeAsync, type Store, storeFailure, temporaryPath } from './store.ts';

/** The path of the folder that the action with this key made, if the store has it. */
export function dirPath(store: Store, key: Sha256): string {
  return join(store.root, 'dirs', key);
}

/** Moves a finished folder into the store. An existing good one is kept, because tools may run in it. */
export async function commitDir(store: Store, key: Sha256, path: string): Promise<void> {
  try {
    store.checkedDirs.delete(key);
    if (await checkDir(store, key)) {
      await removeTreeAsync(path);
      return;
    }
    await discard(store, key);
    // The listing comes first: a folder without its listing is not trusted, and a listing without a folder is
    // harmless.
    await putFile(store, join(store.root, 'listings', key), listing(path));
    await moveInto(path, dirPath(store, key));
    store.checkedDirs.set(key, true);
  } catch (error) {
    throw storeFailure(store.root, error);
  }
}

/** Whether this folder is in the store, unchanged (names, types, sizes, modes, times). Checked once per process. */
export async function checkDir(store: Store, key: Sha256): Promise<boolean> {
  const known = store.checkedDirs.get(key);
  if (known !== undefined) return known;
  const good = await isIntact(store, key);
  store.checkedDirs.set(key, good);
  return good;
}

async function isIntact(store: Store, key: Sha256): Promise<boolean> {
  const path = dirPath(store, key);
  if (!lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) return false;
  const recorded = readListing(store, key);
  const found = listing(path);
  if (recorded === found) return true;
  warn(
    `store: folder ${key.slice(0, 12)} is not as it was made (${firstDifference(recorded ?? '', found)}); evicted`,
  );
  await discard(store, key);
  return false;
}

/** Renamed first, so that no process sees a half-removed folder. */
async function discard(store: Store, key: Sha256): Promise<void> {
  const evicted = await temporaryPath(store);
  try {
    await rename(dirPath(store, key), evicted);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw error;
  }
  await removeTreeAsync(evicted);
}

/** Number of entries between two turns of the event loop. */
const BATCH = 256;

/**
 * SHA-256 of a folder's contents: paths, types, modes, contents and targets of links, without times, owners
 * and hard links between names. Two actions with the same folder have the same output, as with files.
 */
export async function folderDigest(root: string): Promise<Sha256> {
  const lines: string[] = [];
  for (const { path, shown, mode, stat, target } of walk(root)) {
    if (lines.length % BATCH === 0) await setImmediate();
    lines.push(`${mode} ${shown}${target}${stat.isFile() ? ` ${sha256(readFileSync(path))}` : ''}`);
  }
  return sha256(lines.join('\n'));
}

/**
 * One line for each entry, sorted by path: type and mode in octal, size, mtime in ns, path, target of a
 * symbolic link.
 */
function listing(root: string): string {
  const lines: string[] = [];
  for (const { shown, mode, stat, target } of walk(root))
    lines.push(`${mode} ${stat.isDirectory() ? '' : `${stat.size} ${stat.mtimeNs} `}${shown}${target}`);
  return `${lines.join('\n')}\n`;
}

interface Walked {
  readonly path: string;
  /** Path from the root, as a JSON string. */
  readonly shown: string;
  /** Type and mode, octal. */
  readonly mode: string;
  readonly stat: BigIntStats;
  /** ` -> "target"` of a symbolic link; else empty. */
  readonly target: string;
}

/** Everything below a folder, sorted by name, each folder before its contents. */
function* walk(folder: string, prefix = ''): Generator<Walked> {
  for (const name of readdirSync(folder).sort(byteOrder)) {
    const path = join(folder, name);
    const stat = lstatSync(path, { bigint: true });
    const target = stat.isSymbolicLink() ? ` -> ${JSON.stringify(readlinkSync(path))}` : '';
    yield { path, shown: JSON.stringify(prefix + name), mode: stat.mode.toString(8), stat, target };
    if (stat.isDirectory()) yield* walk(path, `${prefix}${name}/`);
  }
}

function readListing(store: Store, key: Sha256): string | undefined {
  return ifThereSync(() => readFileSync(join(store.root, 'listings', key), 'utf8'));
}

function firstDifference(recorded: string, found: string): string {
  if (recorded === '') return 'it has no listing';
  const before = recorded.split('\n');
  const after = found.split('\n');
  const at = after.findIndex((line, index) => line !== before[index]);
  return `first difference: ${after[at] || before[at] || before[after.length] || 'its end'}`;
}
