import { closeSync, openSync, readSync } from 'node:fs';
import { Failure } from '../../sdk/lib/errors.ts';
import type { Sha256 } from '../../sdk/lib/files.ts';
import type { Content, Tree } from './entry.ts';

/** Reads contents of a tree. It keeps files open until `close` is called. */
export interface ContentReader {
  /** Copies bytes `[from, from + length)` of the content to `target` at `at`. */
  copy(content: Content, from: number, length: number, target: Buffer, at: number): void;
  read(content: Content): Buffer;
  close(): void;
}

/** Gives the path of a blob of the store: `Context.blob`. */
export type BlobPath = (digest: Sha256) => Promise<string> | string;

const OPEN_FILES = 128;

/** A reader for all contents of `tree`. It asks for the path of each blob once. */
export async function openContents(tree: Tree, blobPath: BlobPath): Promise<ContentReader> {
  const paths = new Map<Sha256, string>();
  for (const entry of tree.entries) {
    if (entry.type !== 'file' || !('blob' in entry.content) || paths.has(entry.content.blob)) continue;
    paths.set(entry.content.blob, await blobPath(entry.content.blob));
  }
  const open = new Map<Sha256, number>();

  const descriptor = (blob: Sha256): number => {
    const known = open.get(blob);
    if (known !== undefined) return known;
    const path = paths.get(blob);
    if (path === undefined) throw new Error(`blob ${blob} is not of this tree`);
    const oldest = open.entries().next();
    if (open.size >= OPEN_FILES && !oldest.done) {
      closeSync(oldest.value[1]);
      open.delete(oldest.value[0]);
    }
    const file = openSync(path, 'r');
    open.set(blob, file);
    return file;
  };

  const copy: ContentReader['copy'] = (content, from, length, target, at) => {
    if ('inline' in content) {
      inlineBytes(content).copy(target, at, from, from + length);
      return;
    }
    const file = descriptor(content.blob);
    for (let done = 0; done < length; ) {
      const count = readSync(file, target, at + done, length - done, content.offset + from + done);
      if (count === 0)
        throw new Failure('a blob of the store is shorter than its entries say', { where: content.blob });
      done += count;
    }
  };

  return {
    copy,
    read: (content) => {
      const target = Buffer.allocUnsafe(content.size);
      copy(content, 0, content.size, target, 0);
      return target;
    },
    close: () => {
      for (const file of open.values()) closeSync(file);
      open.clear();
    },
  };
}

/** Bytes of an inline content, checked against its size. */
export function inlineBytes(content: Extract<Content, { inline: string }>): Buffer {
  const bytes = Buffer.from(content.inline, content.encoding);
  if (bytes.length !== content.size)
    throw new Failure(`inline content has ${bytes.length} bytes, its entry says ${content.size}`);
  return bytes;
}
