import { closeSync, fstatSync, futimesSync, openSync, readFileSync } from 'node:fs';
import { errorCode } from '../../sdk/lib/errors.ts';
import type { Sha256 } from '../../sdk/lib/files.ts';
import { warn } from '../../sdk/lib/log.ts';
import { blobPath, checkBlob } from './blobs.ts';
import { checkDir, dirPath } from './dirs.ts';
import { isDigest, isReadOnly, putFile, type Store, shard, storeFailure } from './store.ts';
import type { Output, OutputKind } from './target.ts';

/** The output of an action, kept under the action's key. */
export interface ActionRecord {
  /** The target that was built first with this key. */
  readonly name: string;
  readonly kind: OutputKind;
  /** SHA-256 of the file, or of the folder's contents (`folderDigest`). */
  readonly digest: Sha256;
  /** Bytes; 0 for a folder. */
  readonly size: number;
  /** Blobs that the action added besides its output. */
  readonly refs: readonly Sha256[];
  /** Duration in milliseconds. */
  readonly ms: number;
}

/**
 * The mtime of a record is the time of its last use, to the day. So a build with nothing to do writes
 * nothing.
 */
const USED_PRECISION_MS = 24 * 3600 * 1000;

/**
 * The record of an action. It is marked as used, unless it is only looked at. Undefined if there is none, if
 * it is damaged, if it belongs to another action, or if it is of a download with another digest than the
 * pinned one.
 */
export function readRecord(
  store: Store,
  { key, pinned }: { readonly key: Sha256; readonly pinned?: Sha256 },
  use = true,
): ActionRecord | undefined {
  let file: number;
  try {
    file = openSync(shard(store, 'actions', key), 'r');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw storeFailure(store.root, error);
  }
  try {
    const record = parseRecord(readFileSync(file, 'utf8'), key);
    if (record === undefined || (pinned !== undefined && record.digest !== pinned)) {
      warn(`store: the record of action ${key.slice(0, 12)} is damaged; ignored`);
      return undefined;
    }
    if (use && Date.now() - fstatSync(file).mtimeMs > USED_PRECISION_MS) noteUse(file);
    return record;
  } catch (error) {
    throw storeFailure(store.root, error);
  } finally {
    closeSync(file);
  }
}

function noteUse(file: number): void {
  try {
    futimesSync(file, new Date(), new Date());
  } catch (error) {
    if (!isReadOnly(error)) throw error; // no garbage collection happens there either
  }
}

/** Keeps the output of an action under its key. */
export async function writeRecord(store: Store, key: Sha256, record: ActionRecord): Promise<void> {
  await putFile(store, shard(store, 'actions', key), JSON.stringify({ ...record, key }));
}

/** Whether the store has the output of a record, intact. */
export async function checkOutput(store: Store, key: Sha256, record: ActionRecord): Promise<boolean> {
  return record.kind === 'file' ? await checkBlob(store, record.digest) : await checkDir(store, key);
}

/** Files are kept by their content, folders by the action that made them. */
export function outputOf(store: Store, key: Sha256, record: ActionRecord): Output {
  const { kind, digest, size } = record;
  return { kind, digest, size, path: kind === 'file' ? blobPath(store, digest) : dirPath(store, key) };
}

/**
 * The record in the file of `key`; undefined for any other content. Earlier versions did not write the key.
 */
export function parseRecord(text: string, key: Sha256): ActionRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined; // a power failure truncated it, so it counts as missing
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { name, kind, digest, size, refs, ms } = value as Partial<Record<keyof ActionRecord, unknown>>;
  if ('key' in value && value.key !== key) return undefined;
  if (typeof name !== 'string' || (kind !== 'file' && kind !== 'dir')) return undefined;
  if (!isDigest(digest)) return undefined;
  if (typeof size !== 'number' || typeof ms !== 'number') return undefined;
  if (!Array.isArray(refs) || !refs.every(isDigest)) return undefined;
  return { name, kind, digest, size, refs, ms };
}
