import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { badInput } from '../../sdk/lib/errors.ts';
import { blobPath, checkBlob } from '../graph/blobs.ts';
import { isDigest, type Store } from '../graph/store.ts';
import type { Content, Entry, Tree } from '../tree/entry.ts';
import { TREE } from './manifest.ts';

/** The tree of an image as build/image writes it. */
export interface TreeDocument extends Tree {
  readonly trims?: readonly { readonly reason: string; readonly count: number; readonly bytes: number }[];
}

/** The tree document beside a manifest; undefined when there is none, as in a download. */
export function readTreeDocument(folder: string): TreeDocument | undefined {
  const path = join(folder, TREE);
  if (!existsSync(path)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw badInput(`not a tree document: ${cause.message}`, { where: path, cause });
  }
  const entries =
    typeof value === 'object' && value !== null && 'entries' in value ? value.entries : undefined;
  if (!Array.isArray(entries))
    throw badInput('not a tree document: .entries must be a list', { where: path });
  const odd = entries.findIndex((entry) => !isEntry(entry));
  if (odd >= 0) throw badInput(`not a tree document: .entries[${odd}] is no entry`, { where: path });
  const { trims } = value as { trims?: unknown };
  if (trims !== undefined && !(Array.isArray(trims) && trims.every(isTrim)))
    throw badInput('not a tree document: .trims must be a list of {reason, count, bytes}', { where: path });
  return value as TreeDocument;
}

/** Checks of the shape what reports rely on: the file may come from anywhere. */
function isEntry(value: unknown): boolean {
  const { path, type, mode, uid, gid, origin, target, content } = (value ?? {}) as Record<string, unknown>;
  if (![path, type, origin].every((each) => typeof each === 'string')) return false;
  if (![mode, uid, gid].every((each) => typeof each === 'number')) return false;
  if (type === 'symlink' || type === 'hardlink') return typeof target === 'string';
  if (type !== 'file') return type === 'dir';
  return isContent(content);
}

/** `blob` names a file of the store, which is evicted when its bytes are not what the name says. */
function isContent(value: unknown): boolean {
  const { size, sha256, blob, offset, inline, encoding } = (value ?? {}) as Record<string, unknown>;
  if (!isCount(size) || typeof sha256 !== 'string') return false;
  if (inline === undefined) return isDigest(blob) && isCount(offset);
  return typeof inline === 'string' && (encoding === 'utf8' || encoding === 'base64');
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isTrim(value: unknown): boolean {
  const { reason, count, bytes } = (value ?? {}) as Record<string, unknown>;
  return typeof reason === 'string' && typeof count === 'number' && typeof bytes === 'number';
}

/** The bytes of a content; undefined when its blob is not in this store. */
export async function readContent(store: Store, content: Content): Promise<Buffer | undefined> {
  if ('inline' in content) return Buffer.from(content.inline, content.encoding);
  if (!(await checkBlob(store, content.blob))) return undefined;
  const short = badInput('a blob of the store is shorter than the tree says', { where: content.blob });
  const file = openSync(blobPath(store, content.blob), 'r');
  try {
    if (content.offset + content.size > fstatSync(file).size) throw short; // before memory is taken for it
    const bytes = Buffer.alloc(content.size);
    for (let done = 0; done < bytes.length; ) {
      const count = readSync(file, bytes, done, bytes.length - done, content.offset + done);
      if (count === 0) throw short;
      done += count;
    }
    return bytes;
  } finally {
    closeSync(file);
  }
}

export type FileEntry = Extract<Entry, { type: 'file' }>;
