import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { Sha256 } from '../../sdk/lib/files.ts';

/** Bytes `[offset, offset + length)` of an image or a disk. */
export interface Range {
  readonly offset: number;
  readonly length: number;
}

/** The map works in blocks of this size in bytes. It is a multiple of all block sizes of the file systems. */
const GRAIN = 1 << 20;
/** Bytes at both ends of a partition that are always written, because old signatures could be there. */
const EDGE = 1 << 20;
const SECTOR = 512;
const zeros = Buffer.alloc(GRAIN);

/**
 * The ranges of an image that must be written to a used medium. The other ranges may keep their old data. Only blocks of
 * zeros that no program reads are left out: free clusters of a FAT32 (a cluster is written before it is read, also that
 * of a new directory), and the space behind the end of an erofs in its partition. Zeros elsewhere (in a FAT, in a file,
 * between partitions) have a meaning and are written.
 */
export async function mappedRanges(image: FileHandle, size: number): Promise<readonly Range[]> {
  const holes: Range[] = [];
  for (const { offset, length } of await unusedRanges(image, size)) {
    const end = offset + length;
    for (let at = Math.ceil(offset / GRAIN) * GRAIN; at + GRAIN <= end; at += GRAIN) {
      if ((await readAt(image, at, GRAIN)).equals(zeros)) add(holes, { offset: at, length: GRAIN });
    }
  }
  const mapped: Range[] = [];
  let at = 0;
  for (const hole of holes) {
    if (hole.offset > at) mapped.push({ offset: at, length: hole.offset - at });
    at = hole.offset + hole.length;
  }
  if (at < size) mapped.push({ offset: at, length: size - at });
  return mapped;
}

/** Ranges that need not be written, in order, without overlap; empty if the layout is not known here. */
async function unusedRanges(image: FileHandle, size: number): Promise<readonly Range[]> {
  const unused: Range[] = [];
  for (const partition of await gptPartitions(image, size)) {
    const { offset, length } = partition;
    if (length <= 2 * EDGE) continue;
    const first = await readAt(image, offset, 4096);
    const inside = (await freeClusters(image, partition, first)) ?? behindErofs(partition, first) ?? [];
    for (const range of inside) {
      const from = Math.max(range.offset, offset + EDGE);
      const to = Math.min(range.offset + range.length, offset + length - EDGE);
      if (to > from) unused.push({ offset: from, length: to - from });
    }
  }
  return unused;
}

/** The partitions of a GPT (UEFI specification 2.10, section 5.3); empty if the table has any fault. */
async function gptPartitions(image: FileHandle, size: number): Promise<readonly Range[]> {
  if (size < 34 * SECTOR) return [];
  const header = await readAt(image, SECTOR, SECTOR);
  if (header.toString('latin1', 0, 8) !== 'EFI PART') return [];
  const entriesAt = Number(header.readBigUInt64LE(72)) * SECTOR;
  const count = header.readUInt32LE(80);
  const entrySize = header.readUInt32LE(84);
  if (entrySize < 128 || count > 1024 || entriesAt + count * entrySize > size) return [];
  const entries = await readAt(image, entriesAt, count * entrySize);
  const partitions: Range[] = [];
  for (let index = 0; index < count; index++) {
    const entry = entries.subarray(index * entrySize, (index + 1) * entrySize);
    if (entry.subarray(0, 16).every((byte) => byte === 0)) continue;
    const first = Number(entry.readBigUInt64LE(32));
    const last = Number(entry.readBigUInt64LE(40));
    if (last < first || (last + 1) * SECTOR > size) return [];
    partitions.push({ offset: first * SECTOR, length: (last - first + 1) * SECTOR });
  }
  partitions.sort((a, b) => a.offset - b.offset);
  const overlap = partitions.some(({ offset, length }, index) => {
    const next = partitions[index + 1];
    return next !== undefined && next.offset < offset + length;
  });
  return overlap ? [] : partitions;
}

/** Free clusters of a FAT32 (Microsoft's fatgen103). A cluster is free if all copies of the FAT mark it as free. */
async function freeClusters(
  image: FileHandle,
  partition: Range,
  boot: Buffer,
): Promise<readonly Range[] | undefined> {
  if (boot.readUInt16LE(510) !== 0xaa55 || boot.toString('latin1', 82, 90) !== 'FAT32   ') return undefined;
  const sectorSize = boot.readUInt16LE(11);
  const clusterSize = boot.readUInt8(13) * sectorSize;
  const reserved = boot.readUInt16LE(14);
  const copies = boot.readUInt8(16);
  const tableSize = boot.readUInt32LE(36) * sectorSize;
  const total = boot.readUInt32LE(32) * sectorSize;
  const dataAt = reserved * sectorSize + copies * tableSize;
  if (sectorSize < SECTOR || clusterSize === 0 || copies === 0) return undefined;
  if (total > partition.length || dataAt >= total) return undefined;
  const clusters = Math.floor((total - dataAt) / clusterSize);
  if ((clusters + 2) * 4 > tableSize) return undefined;
  const tables: Buffer[] = [];
  for (let copy = 0; copy < copies; copy++)
    tables.push(
      await readAt(image, partition.offset + reserved * sectorSize + copy * tableSize, (clusters + 2) * 4),
    );
  const free: Range[] = [];
  for (let cluster = 2; cluster < clusters + 2; cluster++) {
    if (tables.some((table) => (table.readUInt32LE(cluster * 4) & 0x0fffffff) !== 0)) continue;
    add(free, {
      offset: partition.offset + dataAt + (cluster - 2) * clusterSize,
      length: clusterSize,
    });
  }
  return free;
}

/** The space behind an erofs in its partition, from the superblock (fs/erofs/erofs_fs.h). */
function behindErofs(partition: Range, first: Buffer): readonly Range[] | undefined {
  if (first.readUInt32LE(1024) !== 0xe0f5e1e2) return undefined;
  const length = first.readUInt32LE(1024 + 36) * 2 ** first.readUInt8(1024 + 12);
  if (length === 0 || length >= partition.length) return undefined;
  return [{ offset: partition.offset + length, length: partition.length - length }];
}

/** Appends a range, or extends the last range if it ends where this one begins. */
function add(ranges: Range[], range: Range): void {
  const last = ranges.at(-1);
  if (last && last.offset + last.length === range.offset)
    ranges[ranges.length - 1] = { offset: last.offset, length: last.length + range.length };
  else ranges.push(range);
}

/** Reads exactly these bytes. The file must have them. */
export async function readAt(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(buffer, done, length - done, offset + done);
    if (bytesRead === 0) throw new Error(`the file ends at ${offset + done}, before ${offset + length}`);
    done += bytesRead;
  }
  return buffer;
}

/** SHA-256 of a range of a file. */
export async function hashRange(file: FileHandle, { offset, length }: Range): Promise<Sha256> {
  const hash = createHash('sha256');
  for (let at = 0; at < length; at += GRAIN)
    hash.update(await readAt(file, offset + at, Math.min(GRAIN, length - at)));
  return hash.digest('hex');
}
