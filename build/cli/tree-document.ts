import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { checked } from '../../sdk/lib/checked.ts';
import { badInput } from '../../sdk/lib/errors.ts';
import { parseJson } from '../../sdk/lib/json.ts';
import { blobPath, checkBlob } from '../graph/blobs.ts';
import type { Store } from '../graph/store.ts';
import { TREE } from '../product/manifest.ts';
import type { Content, Entry, Tree } from '../tree/entry.ts';
import { validate } from './tree-document.schema.ts';

/** The tree of an image, as build/image writes it. */
export interface TreeDocument extends Tree {
  readonly trims?: readonly { readonly reason: string; readonly count: number; readonly bytes: number }[];
}

/** The tree document beside a manifest. Undefined if there is none, as in a download. */
export function readTreeDocument(folder: string): TreeDocument | undefined {
  const path = join(folder, TREE);
  if (!existsSync(path)) return undefined;
  const hint = 'make it again: ./draisine build';
  const value = parseJson(readFileSync(path, 'utf8'), 'the tree document', path, hint);
  return checked<TreeDocument>(validate, value, (place, what) =>
    badInput(`not a tree document: ${place} ${what}`, { where: path, hint }),
  );
}

/** The bytes of a content; undefined if the store does not have its blob. */
export async function readContent(store: Store, content: Content): Promise<Buffer | undefined> {
  if ('inline' in content) return Buffer.from(content.inline, content.encoding);
  if (!(await checkBlob(store, content.blob))) return undefined;
  const short = badInput('a blob of the store is shorter than the tree says', { where: content.blob });
  const file = openSync(blobPath(store, content.blob), 'r');
  try {
    if (content.offset + content.size > fstatSync(file).size) throw short; // checked before memory is allocated for it
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

/** Whether an entry has contents. */
export type FileEntry = Extract<Entry, { type: 'file' }>;
