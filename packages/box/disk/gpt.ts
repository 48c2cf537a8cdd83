import { BoxError, type RandomAccess } from '../io/box.ts';
import { crc32 } from './crc32.ts';
import { guidBytes, guidText } from './guid.ts';

/*
 * The partition table of a disk (UEFI specification 2.10, 5.3). It is read from the disk itself, because the tables of udev and of the kernel may be older. sgdisk(8) and sfdisk(8) write both copies without a flush in between, so a power cut may damage both. The code here keeps one intact copy on the disk at every moment.
 */

/** An entry in use. Offsets and sizes in bytes. */
export interface GptEntry {
  /** From 1, as in `vda4`. */
  readonly number: number;
  /** UUID of its type, and its own UUID. */
  readonly type: string;
  readonly uuid: string;
  /** The GPT name, at most 36 UTF-16 units. */
  readonly label: string;
  readonly offset: number;
  readonly size: number;
}

/** A partition table (UEFI specification, 5.3). */
export interface Gpt {
  readonly entries: readonly GptEntry[];
  /** The copies that were intact when the table was read. The next write repairs the other one. */
  readonly whole: readonly Copy[];
}

/** New values for an entry; absent values stay. */
export interface GptChange {
  readonly number: number;
  readonly label?: string;
  readonly uuid?: string;
}

type Copy = 'main' | 'backup';

interface Table {
  readonly header: Uint8Array;
  readonly array: Uint8Array;
}

const SIGNATURE = 'EFI PART';
const LEAST_HEADER = 92;
const MOST_ENTRIES = 1024;
const LABEL_AT = 56;
/** Number of UTF-16 units of a name. */
const LABEL_LENGTH = 36;

const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const numberAt = (bytes: Uint8Array, at: number) => Number(view(bytes).getBigUint64(at, true));

/** The header at a sector with its entries; undefined if it is not intact. */
function readTable(disk: RandomAccess, sector: number, sectorSize: number): Table | undefined {
  const at = sector * sectorSize;
  if (sector < 1 || at + sectorSize > disk.size) return undefined;
  const block = disk.read(at, sectorSize);
  if (String.fromCharCode(...block.subarray(0, 8)) !== SIGNATURE) return undefined;
  const fields = view(block);
  const length = fields.getUint32(12, true);
  if (length < LEAST_HEADER || length > sectorSize) return undefined;
  const header = block.slice(0, length);
  const sum = fields.getUint32(16, true);
  view(header).setUint32(16, 0, true);
  if (crc32(header) !== sum || numberAt(header, 24) !== sector) return undefined;
  const count = fields.getUint32(80, true);
  const entrySize = fields.getUint32(84, true);
  const start = numberAt(block, 72) * sectorSize;
  const size = count * entrySize;
  if (entrySize < 128 || entrySize % 8 !== 0 || count > MOST_ENTRIES || start + size > disk.size)
    return undefined;
  const array = disk.read(start, size);
  return crc32(array) === fields.getUint32(88, true) ? { header: block, array } : undefined;
}

function readBoth(disk: RandomAccess, sectorSize: number): { main?: Table; backup?: Table } {
  const main = readTable(disk, 1, sectorSize);
  const last = Math.floor(disk.size / sectorSize) - 1;
  const backup = readTable(disk, main ? numberAt(main.header, 32) : last, sectorSize);
  return { ...(main ? { main } : {}), ...(backup ? { backup } : {}) };
}

/** The table of an open disk. Undefined if no copy of it is intact. */
export function readGpt(disk: RandomAccess, sectorSize: number): Gpt | undefined {
  const { main, backup } = readBoth(disk, sectorSize);
  const table = main ?? backup;
  if (!table) return undefined;
  const size = view(table.header).getUint32(84, true);
  const entries: GptEntry[] = [];
  for (let at = 0; at < table.array.length; at += size) {
    const bytes = table.array.subarray(at, at + size);
    if (bytes.subarray(0, 16).every((byte) => byte === 0)) continue;
    const first = numberAt(bytes, 32);
    const last = numberAt(bytes, 40);
    entries.push({
      number: at / size + 1,
      type: guidText(bytes),
      uuid: guidText(bytes.subarray(16)),
      label: labelOf(bytes),
      offset: first * sectorSize,
      size: (last - first + 1) * sectorSize,
    });
  }
  return { entries, whole: [...(main ? ['main' as const] : []), ...(backup ? ['backup' as const] : [])] };
}

function labelOf(entry: Uint8Array): string {
  const units: number[] = [];
  for (let at = LABEL_AT; at < LABEL_AT + 2 * LABEL_LENGTH; at += 2) {
    const unit = view(entry).getUint16(at, true);
    if (unit === 0) break;
    units.push(unit);
  }
  return String.fromCharCode(...units);
}

/**
 * Changes entries of the table: one copy after the other, each flushed before the next. A damaged copy is
 * written first, because until then the other one is the only one. `where`: the disk, for errors.
 */
export function changeGpt(
  disk: RandomAccess,
  sectorSize: number,
  changes: readonly GptChange[],
  where: string,
): void {
  const { main, backup } = readBoth(disk, sectorSize);
  const table = main ?? backup;
  if (!table) throw new BoxError('the disk has no intact partition table', { where });
  const array = changed(table, changes, where);
  const size = Math.floor(disk.size / sectorSize);
  // A damaged copy has no valid position, so it goes to the position of the specification.
  const other = numberAt(table.header, 32);
  const lastSector = main ? other : size - 1;
  const arraySectors = Math.ceil(array.length / sectorSize);
  const places = {
    main: { sector: 1, entries: main ? numberAt(main.header, 72) : 2, alternate: lastSector },
    backup: {
      sector: lastSector,
      entries: backup ? numberAt(backup.header, 72) : lastSector - arraySectors,
      alternate: 1,
    },
  };
  const order: readonly Copy[] = main ? ['backup', 'main'] : ['main', 'backup'];
  for (const copy of order) {
    const { sector, entries, alternate } = places[copy];
    disk.write(entries * sectorSize, array);
    disk.write(
      sector * sectorSize,
      headerFor(table.header, { sector, entries, alternate, sum: crc32(array) }),
    );
    disk.sync();
  }
}

function changed({ header, array }: Table, changes: readonly GptChange[], where: string): Uint8Array {
  const size = view(header).getUint32(84, true);
  const copy = array.slice();
  for (const { number, label, uuid } of changes) {
    const entry = copy.subarray((number - 1) * size, number * size);
    if (entry.length === 0 || entry.subarray(0, 16).every((byte) => byte === 0))
      throw new BoxError(`the disk has no partition ${number}`, { where });
    if (uuid !== undefined) entry.set(guidBytes(uuid), 16);
    if (label === undefined) continue;
    if (label.length > LABEL_LENGTH)
      throw new BoxError(`the partition label ${label} has more than ${LABEL_LENGTH} characters`, { where });
    for (let at = 0; at < LABEL_LENGTH; at++)
      view(entry).setUint16(LABEL_AT + 2 * at, at < label.length ? label.charCodeAt(at) : 0, true);
  }
  return copy;
}

function headerFor(
  from: Uint8Array,
  { sector, entries, alternate, sum }: { sector: number; entries: number; alternate: number; sum: number },
): Uint8Array {
  const header = from.slice();
  const fields = view(header);
  fields.setBigUint64(24, BigInt(sector), true);
  fields.setBigUint64(32, BigInt(alternate), true);
  fields.setBigUint64(72, BigInt(entries), true);
  fields.setUint32(88, sum, true);
  fields.setUint32(16, 0, true);
  fields.setUint32(16, crc32(header.subarray(0, fields.getUint32(12, true))), true);
  return header;
}
