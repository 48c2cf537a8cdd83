import {
  chmodSync,
  closeSync,
  fchmodSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { join, posix } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { type BlobPath, openContents } from './content.ts';
import type { Content, Entry, Tree } from './entry.ts';
import { linkTarget, parentOf } from './paths.ts';

const CHUNK = 1 << 20;
/** Entries written between two turns of the event loop. */
const BATCH = 256;

/**
 * Unpacks a tree to the new folder `out`, for tools that need real files. Owners, extended attributes and times
 * are not kept. Modes lose setuid and setgid, and the owner can read and write. Absolute symlinks become relative, so
 * that they work below any root.
 */
export async function writeFolder(
  tree: Tree,
  out: string,
  blobPath: BlobPath,
  signal?: AbortSignal,
): Promise<void> {
  const contents = await openContents(tree, blobPath);
  const buffer = Buffer.allocUnsafe(CHUNK);
  const writeFile = (path: string, content: Content, mode: number): void => {
    const file = openSync(path, 'wx');
    try {
      for (let done = 0; done < content.size; ) {
        const count = Math.min(CHUNK, content.size - done);
        contents.copy(content, done, count, buffer, 0);
        for (let written = 0; written < count; ) written += writeSync(file, buffer, written, count - written);
        done += count;
      }
      fchmodSync(file, mode); // open() applied the umask
    } finally {
      closeSync(file);
    }
  };
  const write = (entry: Entry): void => {
    const path = join(out, entry.path);
    switch (entry.type) {
      case 'dir':
        mkdirSync(path);
        chmodSync(path, (entry.mode & 0o777) | 0o700);
        break;
      case 'file':
        writeFile(path, entry.content, (entry.mode & 0o777) | 0o600);
        break;
      case 'symlink':
        symlinkSync(relativeTarget(entry.path, entry.target), path);
        break;
      case 'hardlink':
        linkSync(join(out, entry.target), path);
    }
  };
  try {
    mkdirSync(out);
    chmodSync(out, 0o755);
    const ordered = [
      ...tree.entries.filter(({ type }) => type !== 'hardlink'),
      ...tree.entries.filter(({ type }) => type === 'hardlink'),
    ];
    for (const [index, entry] of ordered.entries()) {
      if (index % BATCH === 0) {
        await setImmediate();
        signal?.throwIfAborted();
      }
      write(entry);
    }
  } finally {
    contents.close();
  }
}

function relativeTarget(path: string, target: string): string {
  if (!target.startsWith('/')) return target;
  const from = parentOf(path);
  return posix.relative(`/${from}`, `/${linkTarget(path, target)}`) || '.';
}
