import { Readable } from 'node:stream';
import { Failure } from '../../sdk/lib/errors.ts';
import { gatherChunks } from './chunks.ts';
import { openContents } from './content.ts';
import type { Entry, Tree } from './entry.ts';
import type { TarOptions } from './tar.ts';

const ALIGNMENT = 4;
const BLOCK = 512;
const TRAILER = 'TRAILER!!!';
/** Of the header of a member, and where in it are the sizes of its content and of its name. */
const HEADER = { size: 110, contentSize: 54, nameSize: 94 } as const;
const FILE_TYPES = { file: 0o100000, hardlink: 0o100000, dir: 0o040000, symlink: 0o120000 } as const;

/**
 * A tree as an initramfs: an uncompressed cpio archive in "newc" format (kernel documentation,
 * driver-api/early-userspace, buffer format). Its length is a multiple of 512. Inode numbers are positions, and equal
 * trees give equal bytes. As with cpio(1), files with several names come last, with the content at the last name.
 * The format has no extended attributes, so an entry with some is a Failure.
 */
export function treeToCpio(tree: Tree, options: TarOptions): Readable {
  return Readable.from(cpioChunks(tree, options), { objectMode: false, highWaterMark: 4 << 20 });
}

/** Cuts a file of several archives, one after the other as `treeToCpio` makes them. */
export function cutArchives(bytes: Buffer): Buffer[] {
  const archives: Buffer[] = [];
  const round = (at: number, to: number) => Math.ceil(at / to) * to;
  let start = 0;
  for (let at = 0; at < bytes.length; ) {
    const number = (from: number) => Number.parseInt(bytes.toString('latin1', from, from + 8), 16);
    const nameAt = at + HEADER.size;
    const nameEnd = nameAt + number(at + HEADER.nameSize);
    const name = bytes.toString('latin1', nameAt, nameEnd - 1);
    at = round(round(nameEnd, ALIGNMENT) + number(at + HEADER.contentSize), ALIGNMENT);
    if (name !== TRAILER) continue;
    at = round(at, BLOCK);
    archives.push(bytes.subarray(start, at));
    start = at;
  }
  if (start !== bytes.length) throw new Failure('this is no row of cpio archives');
  return archives;
}

async function* cpioChunks(tree: Tree, { blobPath, mtime }: TarOptions): AsyncGenerator<Buffer> {
  const contents = await openContents(tree, blobPath);
  const chunks = gatherChunks();
  const links = namesByFile(tree);
  let inode = 0;
  function* member(entry: Entry, data: Entry | undefined, nlink: number): Generator<Buffer> {
    const size =
      data?.type === 'file'
        ? data.content.size
        : data?.type === 'symlink'
          ? Buffer.byteLength(data.target)
          : 0;
    yield* chunks.bytes(header(entry, inode, nlink, size, mtime));
    yield* chunks.pad(ALIGNMENT);
    if (data?.type === 'file') yield* chunks.content(data.content, contents);
    else if (data?.type === 'symlink') yield* chunks.bytes(Buffer.from(data.target));
    yield* chunks.pad(ALIGNMENT);
  }
  try {
    for (const entry of tree.entries) {
      if (entry.type === 'hardlink' || links.has(entry.path)) continue;
      inode += 1;
      yield* member(entry, entry, entry.type === 'dir' ? 2 : 1);
    }
    for (const entry of tree.entries) {
      const names = links.get(entry.path);
      if (!names) continue;
      inode += 1;
      for (const name of names) yield* member({ ...entry, path: name.path }, undefined, names.length + 1);
      yield* member(entry, entry, names.length + 1);
    }
    yield* chunks.bytes(newc(TRAILER, [0, 0, 0, 0, 1, 0, 0]));
    yield* chunks.pad(BLOCK);
    yield* chunks.rest();
  } finally {
    contents.close();
  }
}

/** Hard links by the path of their file. */
function namesByFile(tree: Tree): Map<string, Entry[]> {
  const names = new Map<string, Entry[]>();
  for (const entry of tree.entries) {
    if (entry.type !== 'hardlink') continue;
    const known = names.get(entry.target);
    if (known) known.push(entry);
    else names.set(entry.target, [entry]);
  }
  return names;
}

function header(entry: Entry, inode: number, nlink: number, size: number, mtime: number): Buffer {
  if (entry.xattrs)
    throw new Failure(`/${entry.path} has extended attributes, which an initramfs cannot hold`, {
      where: entry.origin,
    });
  if (size > 0xffffffff)
    throw new Failure(`/${entry.path} is too large for an initramfs`, { where: entry.origin });
  return newc(entry.path, [
    inode,
    FILE_TYPES[entry.type] | entry.mode,
    entry.uid,
    entry.gid,
    nlink,
    mtime,
    size,
  ]);
}

/** `fields`: inode, mode, uid, gid, nlink, mtime, size. Device numbers and checksum are 0. */
function newc(name: string, fields: readonly number[]): Buffer {
  const nameSize = Buffer.byteLength(name) + 1;
  const hex = [...fields, 0, 0, 0, 0, nameSize, 0].map((value) => value.toString(16).padStart(8, '0'));
  return Buffer.from(`070701${hex.join('')}${name}\0`);
}
