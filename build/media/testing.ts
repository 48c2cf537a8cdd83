import type { Range } from './image-map.ts';

export const MiB = 1 << 20;

/** The range from MiB `from` to MiB `to`. */
export const mib = (from: number, to: number): Range => ({ offset: from * MiB, length: (to - from) * MiB });

export const ESP = mib(1, 33);
const USR = mib(33, 49);
export const SIZE = 50 * MiB;
/** Bytes of a cluster. The data area of the FAT begins a little behind its first mebibyte. */
export const CLUSTER = 4096;
export const TABLE_AT = ESP.offset + 64 * 512;
export const TABLE_SIZE = 1008 * 512;
export const DATA_AT = TABLE_AT + 2 * TABLE_SIZE;

/** A disk image with a FAT32 and an erofs: only the structures that the map reads, and the given used clusters. */
export function diskImage({ used = [] as number[], erofsBlocks = 512 } = {}): Buffer {
  const image = Buffer.alloc(SIZE);
  image.writeUInt16LE(0xaa55, 510);
  image.write('EFI PART', 512, 'latin1');
  image.writeBigUInt64LE(BigInt(SIZE / 512 - 1), 512 + 32);
  image.writeBigUInt64LE(2n, 512 + 72);
  image.writeUInt32LE(128, 512 + 80);
  image.writeUInt32LE(128, 512 + 84);
  for (const [index, { offset, length }] of [ESP, USR].entries()) {
    const at = 1024 + index * 128;
    image.fill(0x11, at, at + 16);
    image.writeBigUInt64LE(BigInt(offset / 512), at + 32);
    image.writeBigUInt64LE(BigInt((offset + length) / 512 - 1), at + 40);
  }
  const boot = image.subarray(ESP.offset);
  boot.writeUInt16LE(512, 11);
  boot.writeUInt8(CLUSTER / 512, 13);
  boot.writeUInt16LE(64, 14);
  boot.writeUInt8(2, 16);
  boot.writeUInt32LE(ESP.length / 512, 32);
  boot.writeUInt32LE(TABLE_SIZE / 512, 36);
  boot.write('FAT32   ', 82, 'latin1');
  boot.writeUInt16LE(0xaa55, 510);
  for (const cluster of used) image.writeUInt32LE(0x0fffffff, TABLE_AT + cluster * 4);
  image.writeUInt32LE(0xe0f5e1e2, USR.offset + 1024);
  image.writeUInt8(12, USR.offset + 1024 + 12);
  image.writeUInt32LE(erofsBlocks, USR.offset + 1024 + 36);
  return image;
}
