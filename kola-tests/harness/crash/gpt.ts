import { crc32 } from 'node:zlib';
import type { Region, View } from './disk.ts';

/** A partition of a GPT (UEFI specification 2.10, 5.3). */
export interface Partition extends Region {
  readonly type: string;
  readonly uuid: string;
  readonly label: string;
}

/** A partition table, read in the way of firmware. */
export interface Table {
  /** The copy that counts. The firmware and Linux use the backup if the primary is not valid. */
  readonly copy: 'primary' | 'backup';
  readonly partitions: readonly Partition[];
}

const HEADER = 92;
const ENTRY = 128;

/** The regions of the disk with the two copies of a table with 128 entries. */
export function tableRegions(
  size: number,
  block: number,
): { readonly primary: Region; readonly backup: Region } {
  const entries = Math.ceil((ENTRY * 128) / block) * block;
  return {
    primary: { offset: 0, length: 2 * block + entries },
    backup: { offset: size - block - entries, length: entries + block },
  };
}

/** Reads the table of a disk with blocks of `block` bytes. Undefined if neither copy is valid. */
export function readTable(primary: View, backup: View, block: number): Table | undefined {
  const first = readCopy(primary, block, 2 * block);
  if (first) return { copy: 'primary', partitions: first };
  const second = readCopy(backup, backup.length - block, 0);
  return second && { copy: 'backup', partitions: second };

  function readCopy(view: View, headerAt: number, entriesAt: number): Partition[] | undefined {
    const header = view.read(headerAt, block);
    const size = header.readUInt32LE(12);
    if (header.toString('latin1', 0, 8) !== 'EFI PART' || size < HEADER || size > block) return undefined;
    const sum = header.readUInt32LE(16);
    const blank = Buffer.from(header.subarray(0, size));
    blank.writeUInt32LE(0, 16);
    const count = header.readUInt32LE(80);
    const entrySize = header.readUInt32LE(84);
    if (crc32(blank) !== sum || entrySize < ENTRY || entriesAt + count * entrySize > view.length)
      return undefined;
    const entries = view.read(entriesAt, count * entrySize);
    if (crc32(entries) !== header.readUInt32LE(88)) return undefined;
    return Array.from({ length: count }, (_, index) =>
      entries.subarray(index * entrySize, (index + 1) * entrySize),
    )
      .map((entry) => partitionOf(entry, block))
      .filter(({ type }) => !/^[0-]*$/.test(type));
  }
}

function partitionOf(entry: Buffer, block: number): Partition {
  const first = Number(entry.readBigUInt64LE(32));
  const last = Number(entry.readBigUInt64LE(40));
  return {
    type: guid(entry.subarray(0, 16)),
    uuid: guid(entry.subarray(16, 32)),
    label: entry.toString('utf16le', 56, 128).replace(/\0.*$/s, ''),
    offset: first * block,
    length: (last - first + 1) * block,
  };
}

/** A GUID as text. Its first three fields are little-endian (UEFI specification, appendix A). */
function guid(bytes: Buffer): string {
  const swapped = [bytes.subarray(0, 4), bytes.subarray(4, 6), bytes.subarray(6, 8)].map((part) =>
    Buffer.from(part).reverse().toString('hex'),
  );
  return [...swapped, bytes.toString('hex', 8, 10), bytes.toString('hex', 10, 16)].join('-');
}
