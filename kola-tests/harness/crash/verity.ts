import { createHash } from 'node:crypto';
import type { View } from './disk.ts';

/** The superblock of cryptsetup's veritysetup (Documentation/admin-guide/device-mapper/verity.rst of Linux). */
interface Superblock {
  readonly dataBlock: number;
  readonly hashBlock: number;
  readonly dataBlocks: number;
  readonly salt: Buffer;
}

const DIGEST = 32;

/** Checks whether data belongs to a root hash. It remembers each block's digest by the origins of its sectors. */
export class Verity {
  readonly #digests = new Map<string, Buffer>();
  readonly #verdicts = new Map<string, string | undefined>();

  /**
   * The reason why the content of the partitions does not match the root hash `root` (hexadecimal); undefined if it
   * matches.
   */
  fault(data: View, hashes: View, root: string): string | undefined {
    const known = `${root} ${data.key} ${hashes.key}`;
    if (!this.#verdicts.has(known)) this.#verdicts.set(known, this.#check(data, hashes, root));
    return this.#verdicts.get(known);
  }

  #check(data: View, hashes: View, root: string): string | undefined {
    const block = readSuperblock(hashes);
    if (typeof block === 'string') return block;
    const levels = layOut(block);
    if (block.dataBlocks * block.dataBlock > data.length)
      return 'the hash tree covers more data than the partition has';
    const top = levels.at(-1);
    if (!top || top.at + top.blocks * block.hashBlock > hashes.length)
      return 'the hash tree does not fit its partition';
    const [sum] = this.#sums(hashes, { at: top.at, count: 1, size: block.hashBlock }, block.salt);
    if (sum?.toString('hex') !== root) return 'the root hash differs';
    for (let number = levels.length - 1; number >= 0; number -= 1) {
      const level = levels[number]!;
      const below = levels[number - 1];
      const under = below
        ? this.#sums(hashes, { at: below.at, count: below.blocks, size: block.hashBlock }, block.salt)
        : this.#sums(data, { at: 0, count: block.dataBlocks, size: block.dataBlock }, block.salt);
      const expected = hashes.read(level.at, level.blocks * block.hashBlock);
      const wrong = under.findIndex(
        (digest, index) => !digest.equals(expectedAt(expected, index, block.hashBlock)),
      );
      if (wrong >= 0)
        return `block ${wrong} of ${below ? `level ${number - 1} of the hash tree` : '/usr'} has a wrong digest`;
    }
    return undefined;
  }

  #sums(
    view: View,
    { at, count, size }: { at: number; count: number; size: number },
    salt: Buffer,
  ): Buffer[] {
    const sources = view.sources(at, count * size);
    const perBlock = sources.length / count;
    const area = view.key.slice(0, view.key.indexOf(' '));
    return Array.from({ length: count }, (_, index) => {
      const from = sources.subarray(index * perBlock, (index + 1) * perBlock);
      const same = from.every((source) => source === from[0]);
      const key = `${area} ${at + index * size} ${same ? from[0] : from.join()} ${salt.toString('hex')}`;
      const known = this.#digests.get(key);
      if (known) return known;
      const digest = createHash('sha256')
        .update(salt)
        .update(view.read(at + index * size, size))
        .digest();
      this.#digests.set(key, digest);
      return digest;
    });
  }
}

function expectedAt(level: Buffer, index: number, hashBlock: number): Buffer {
  const perBlock = hashBlock / DIGEST;
  const at = Math.floor(index / perBlock) * hashBlock + (index % perBlock) * DIGEST;
  return level.subarray(at, at + DIGEST);
}

function readSuperblock(hashes: View): Superblock | string {
  const bytes = hashes.read(0, 512);
  if (bytes.toString('latin1', 0, 8) !== 'verity\0\0') return 'there is no hash tree';
  const algorithm = bytes.toString('latin1', 32, 64).replace(/\0.*$/s, '');
  if (bytes.readUInt32LE(8) !== 1 || bytes.readUInt32LE(12) !== 1 || algorithm !== 'sha256')
    return 'the hash tree is of another format';
  const [dataBlock, hashBlock] = [bytes.readUInt32LE(64), bytes.readUInt32LE(68)];
  const saltSize = bytes.readUInt16LE(80);
  if (dataBlock < 512 || hashBlock < 512 || saltSize > 256)
    return 'the superblock of the hash tree is damaged';
  return {
    dataBlock,
    hashBlock,
    dataBlocks: Number(bytes.readBigUInt64LE(72)),
    salt: Buffer.from(bytes.subarray(88, 88 + saltSize)),
  };
}

/**
 * The positions of a tree's levels, the lowest first. On the disk the highest level comes first, after the superblock.
 */
function layOut({ hashBlock, dataBlocks }: Superblock): { at: number; blocks: number }[] {
  const perBlock = hashBlock / DIGEST;
  const sizes: number[] = [];
  for (let below = dataBlocks; below > 1 || sizes.length === 0; below = sizes.at(-1)!)
    sizes.push(Math.ceil(below / perBlock));
  let at = hashBlock;
  const levels = new Array<{ at: number; blocks: number }>(sizes.length);
  for (let number = sizes.length - 1; number >= 0; number -= 1) {
    const blocks = sizes[number]!;
    levels[number] = { at, blocks };
    at += blocks * hashBlock;
  }
  return levels;
}
