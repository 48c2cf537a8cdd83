import { byteOrder } from '../../sdk/lib/files.ts';
import type { Entry, Tree } from './entry.ts';
import { inlineContent } from './overlay.ts';

/** Makers of trees and ELF files for tests. */

type Options = Partial<Pick<Entry, 'mode' | 'uid' | 'gid' | 'xattrs' | 'origin'>>;

export function file(path: string, data: string | Uint8Array = '', options: Options = {}): Entry {
  return {
    path,
    type: 'file',
    mode: 0o644,
    uid: 0,
    gid: 0,
    origin: 'test',
    content: inlineContent(data),
    ...options,
  };
}

export function dir(path: string, options: Options = {}): Entry {
  return { path, type: 'dir', mode: 0o755, uid: 0, gid: 0, origin: 'test', ...options };
}

export function symlink(path: string, target: string, options: Options = {}): Entry {
  return { path, type: 'symlink', target, mode: 0o777, uid: 0, gid: 0, origin: 'test', ...options };
}

export function hardlink(path: string, target: string, options: Options = {}): Entry {
  return { path, type: 'hardlink', target, mode: 0o644, uid: 0, gid: 0, origin: 'test', ...options };
}

export function treeOf(...entries: Entry[]): Tree {
  return { entries: [...entries].sort((a, b) => byteOrder(a.path, b.path)) };
}

/** `type path` of each entry, with ` -> target` for links. */
export function listing(tree: Tree): string[] {
  return tree.entries.map((entry) => {
    const target = entry.type === 'symlink' || entry.type === 'hardlink' ? ` -> ${entry.target}` : '';
    return `${entry.type} ${entry.path}${target}`;
  });
}

export interface ElfParts {
  readonly interpreter?: string;
  readonly needed?: readonly string[];
  readonly runpath?: string;
  readonly soname?: string;
  /** JSON of one `.note.dlopen` note. */
  readonly dlopen?: string;
}

const BASE = 0x400000;
const HEADER = 64;
const SEGMENT = 56;

/** A minimal 64-bit little-endian ELF file: program headers, string table, dynamic section and notes. */
export function makeElf({ interpreter, needed = [], runpath, soname, dlopen }: ElfParts): Buffer {
  let strings = '\0';
  const string = (text: string) => {
    const at = strings.length;
    strings += `${text}\0`;
    return at;
  };
  const tags: [number, number][] = needed.map((name) => [1, string(name)]);
  if (runpath !== undefined) tags.push([29, string(runpath)]);
  if (soname !== undefined) tags.push([14, string(soname)]);

  const body: Buffer[] = [];
  let at = HEADER + 4 * SEGMENT;
  const place = (data: Buffer): [offset: number, size: number] => {
    const padded = Buffer.concat([data, Buffer.alloc((8 - (data.length % 8)) % 8)]);
    body.push(padded);
    at += padded.length;
    return [at - padded.length, data.length];
  };
  const segments: [type: number, offset: number, size: number, align: number][] = [];
  const [table, tableSize] = place(Buffer.from(strings));
  tags.push([5, BASE + table], [10, tableSize], [0, 0]);
  const dynamic = Buffer.alloc(tags.length * 16);
  for (const [index, [tag, value]] of tags.entries()) {
    dynamic.writeBigUInt64LE(BigInt(tag), index * 16);
    dynamic.writeBigUInt64LE(BigInt(value), index * 16 + 8);
  }
  segments.push([2, ...place(dynamic), 8]);
  if (interpreter !== undefined) segments.push([3, ...place(Buffer.from(`${interpreter}\0`)), 1]);
  if (dlopen !== undefined) {
    const other = note('GNU\0', 3, Buffer.from('a build id'));
    segments.push([
      4,
      ...place(Buffer.concat([other, note('FDO\0', 0x407c0c0a, Buffer.from(`${dlopen}\0`))])),
      4,
    ]);
  }
  segments.unshift([1, 0, at, 4096]);

  const head = Buffer.alloc(HEADER + 4 * SEGMENT);
  head.write('\x7fELF\x02\x01\x01', 'latin1');
  head.writeBigUInt64LE(BigInt(HEADER), 32);
  head.writeUInt16LE(SEGMENT, 54);
  head.writeUInt16LE(segments.length, 56);
  for (const [index, [type, offset, size, align]] of segments.entries()) {
    const start = HEADER + index * SEGMENT;
    head.writeUInt32LE(type, start);
    head.writeBigUInt64LE(BigInt(offset), start + 8);
    head.writeBigUInt64LE(BigInt(BASE + offset), start + 16);
    head.writeBigUInt64LE(BigInt(size), start + 32);
    head.writeBigUInt64LE(BigInt(align), start + 48);
  }
  return Buffer.concat([head, ...body]);
}

function note(name: string, type: number, body: Buffer): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt32LE(name.length, 0);
  head.writeUInt32LE(body.length, 4);
  head.writeUInt32LE(type, 8);
  return Buffer.concat([head, Buffer.from(name), body, Buffer.alloc((4 - (body.length % 4)) % 4)]);
}
