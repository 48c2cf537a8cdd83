import { readSync } from 'node:fs';
import { Failure } from '../../../sdk/lib/errors.ts';

/*
 * The log of QEMU's blklogwrites driver, in the format of dm-log-writes
 * (Documentation/admin-guide/device-mapper/log-writes.rst, drivers/md/dm-log-writes.c). All numbers are little-endian.
 */

/** A request of the guest to the disk. Sectors have the size that the log states. */
export interface LogEntry {
  readonly kind: 'write' | 'discard' | 'flush' | 'mark';
  readonly sector: number;
  readonly sectors: number;
  /** The write is durable when it is done, independent of the disk's cache (FUA). */
  readonly fua: boolean;
  /** Earlier writes are durable when this request begins. */
  readonly preflush: boolean;
  /** Offset of its data in the log, in bytes. */
  readonly data: number;
}

/** All writes and flushes of a disk, in their order (dm-log-writes). */
export interface WriteLog {
  readonly sectorSize: number;
  readonly entries: readonly LogEntry[];
}

const MAGIC = 0x6a736677736872n;
const VERSION = 1n;
const FLUSH = 1;
const FUA = 2;
const DISCARD = 4;
const MARK = 8;

/** The number of requests in a log, from its head. QEMU updates the number at each flush of the guest. */
export function logLength(fd: number, where: string): number {
  return Number(readAt(fd, 16, 8, where).readBigUInt64LE(0));
}

/** Reads all entries of a log, without their data. */
export function readLog(fd: number, where: string): WriteLog {
  const head = readAt(fd, 0, 28, where);
  if (head.readBigUInt64LE(0) !== MAGIC) throw new Failure('not a log of writes: wrong magic', { where });
  if (head.readBigUInt64LE(8) !== VERSION)
    throw new Failure(`a log of writes of version ${head.readBigUInt64LE(8)}`, { where });
  const count = Number(head.readBigUInt64LE(16));
  const sectorSize = head.readUInt32LE(24);
  if (sectorSize < 512 || (sectorSize & (sectorSize - 1)) !== 0)
    throw new Failure(`a log of writes with sectors of ${sectorSize} bytes`, { where });
  const entries: LogEntry[] = [];
  let at = sectorSize;
  for (let index = 0; index < count; index += 1) {
    const bytes = readAt(fd, at, 32, where);
    const flags = Number(bytes.readBigUInt64LE(16));
    const length = Number(bytes.readBigUInt64LE(24));
    const sectors = Number(bytes.readBigUInt64LE(8));
    entries.push({
      kind: kindOf(flags, sectors),
      sector: Number(bytes.readBigUInt64LE(0)),
      sectors,
      fua: (flags & FUA) !== 0,
      preflush: (flags & FLUSH) !== 0,
      data: at + sectorSize,
    });
    // A discard has a length, but no data in the log; a mark has its text.
    const data = (flags & MARK) !== 0 ? length : (flags & DISCARD) !== 0 ? 0 : sectors * sectorSize;
    at += sectorSize + Math.ceil(data / sectorSize) * sectorSize;
  }
  return { sectorSize, entries };
}

function kindOf(flags: number, sectors: number): LogEntry['kind'] {
  if ((flags & MARK) !== 0) return 'mark';
  if ((flags & DISCARD) !== 0) return 'discard';
  return sectors === 0 ? 'flush' : 'write';
}

function readAt(fd: number, offset: number, length: number, where: string): Buffer {
  const bytes = Buffer.alloc(length);
  if (readSync(fd, bytes, 0, length, offset) < length)
    throw new Failure(`the log of writes ends before byte ${offset + length}`, { where });
  return bytes;
}
