import { BoxError, type RandomAccess } from '../io/box.ts';
import { hex, sha256Bytes } from '../io/sha256.ts';

/** Bytes of a block of dm-verity. */
export const BLOCK = 4096;

/** Bytes of a hash of the tree (SHA-256). */
export const HASH = 32;
const PER_BLOCK = BLOCK / HASH;

/** The leaves of a dm-verity hash tree: one hash for each block of 4096 bytes of data. */
export interface Leaves {
  /** Salt in hexadecimal. Trees with different salts cannot be compared. */
  readonly salt: string;
  readonly rootHash: string;
  /** Number of data blocks. */
  readonly blocks: number;
  /** The hashes, 32 bytes for each block. */
  readonly hashes: Uint8Array;
}

/** Blocks of each level of a tree above `blocks` of data, the leaves first (the kernel's verity.rst, "Hash Tree"). */
export function levelsOf(blocks: number): number[] {
  const levels: number[] = [];
  for (let count = blocks; count > 1 || levels.length === 0; ) {
    count = Math.ceil(count / PER_BLOCK);
    levels.push(count);
  }
  return levels;
}

/** Bytes of a hash tree with its superblock. */
export function treeSize(blocks: number): number {
  return BLOCK * levelsOf(blocks).reduce((sum, count) => sum + count, 1);
}

/**
 * Reads the leaves of the tree whose superblock (cryptsetup's "DMVerity", version 1, type 1, SHA-256, blocks
 * of 4096) is at `offset` of a file. Only a complete verification shows that they belong to a root hash.
 */
export function readLeaves(file: RandomAccess, offset: number, where: string): Leaves {
  const bytes = file.read(offset, 512);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const text = (from: number, length: number) =>
    String.fromCharCode(...bytes.subarray(from, from + length)).replace(/\0+$/, '');
  const ours =
    text(0, 8) === 'verity' &&
    view.getUint32(8, true) === 1 &&
    view.getUint32(12, true) === 1 &&
    text(32, 32) === 'sha256' &&
    view.getUint32(64, true) === BLOCK &&
    view.getUint32(68, true) === BLOCK &&
    view.getUint16(80, true) <= 256;
  if (!ours) throw new BoxError('not a dm-verity hash tree in the format of a release', { where });
  const blocks = Number(view.getBigUint64(72, true));
  const salt = bytes.slice(88, 88 + view.getUint16(80, true));
  if (blocks < 2 || offset + treeSize(blocks) > file.size)
    throw new BoxError('a truncated hash tree', { where });
  // The topmost level comes first, the leaves last.
  const above = levelsOf(blocks)
    .slice(1)
    .reduce((sum, count) => sum + count, 0);
  const top = file.read(offset + BLOCK, BLOCK);
  const salted = new Uint8Array(salt.length + BLOCK);
  salted.set(salt);
  salted.set(top, salt.length);
  return {
    salt: hex(salt),
    rootHash: hex(sha256Bytes(salted)),
    blocks,
    hashes: file.read(offset + BLOCK * (1 + above), blocks * HASH),
  };
}
