import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CrashDisk } from './disk.ts';
import { readLog } from './log.ts';
import { BOUNDS, type Bounds, crashStates } from './order.ts';
import type { Recording } from './survey.ts';

/** A request in a test: data for a sector. */
export interface Request {
  readonly sector?: number;
  readonly data?: string | Buffer;
  /** Sectors. */
  readonly discard?: number;
  readonly flush?: true;
  readonly fua?: true;
}

export const SECTOR = 512;

/** Makes a sector of each letter, filled with it. */
function sectors(letters: string): Buffer {
  return Buffer.concat([...letters].map((letter) => Buffer.alloc(SECTOR, letter)));
}

/** Makes a log in QEMU's format. */
export function logOf(requests: readonly Request[]): Buffer {
  const head = Buffer.alloc(SECTOR);
  head.writeBigUInt64LE(0x6a736677736872n, 0);
  head.writeBigUInt64LE(1n, 8);
  head.writeBigUInt64LE(BigInt(requests.length), 16);
  head.writeUInt32LE(SECTOR, 24);
  const entries = requests.flatMap(({ sector = 0, data = '', discard = 0, flush, fua }) => {
    const bytes = typeof data === 'string' ? sectors(data) : data;
    const entry = Buffer.alloc(SECTOR);
    entry.writeBigUInt64LE(BigInt(sector), 0);
    entry.writeBigUInt64LE(BigInt(discard || bytes.length / SECTOR), 8);
    entry.writeBigUInt64LE(BigInt((flush ? 1 : 0) + (fua ? 2 : 0) + (discard ? 4 : 0)), 16);
    return [entry, bytes];
  });
  return Buffer.concat([head, ...entries]);
}

/** Opens bytes as a file without a name. */
export function opened(bytes: Buffer): number {
  const folder = mkdtempSync(join(tmpdir(), 'crash-test-'));
  const fd = openSync(join(folder, 'file'), 'w+');
  rmSync(folder, { recursive: true });
  writeSync(fd, bytes);
  return fd;
}

/** The possible contents of a small disk after a power cut, as letters, in the order of the states. */
export function found(requests: readonly Request[], size = 4, bounds?: Bounds, base?: string): string[] {
  const fd = opened(logOf(requests));
  const log = readLog(fd, 'test');
  const baseFd = base === undefined ? undefined : opened(sectors(base));
  const disk = new CrashDisk(
    { size: size * SECTOR, ...(baseFd === undefined ? {} : { fd: baseFd }) },
    log,
    fd,
  );
  const states: string[] = [];
  for (const state of crashStates(log.entries, bounds)) {
    disk.goTo(state);
    const view = disk.view({ offset: 0, length: size * SECTOR });
    states.push(
      Array.from({ length: size }, (_, index) =>
        String.fromCharCode(view.read(index * SECTOR, 1)[0] || 45),
      ).join(''),
    );
  }
  closeSync(fd);
  return states;
}

/** Requests that turn one disk into another: a write for each run of sectors of `area` that differ. */
export function difference(
  from: Buffer,
  to: Buffer,
  area: { readonly offset: number; readonly length: number },
): Request[] {
  const found: Request[] = [];
  const differs = (at: number): boolean =>
    !from.subarray(at, at + SECTOR).equals(to.subarray(at, at + SECTOR));
  for (let at = area.offset; at < area.offset + area.length; at += SECTOR) {
    if (!differs(at)) continue;
    const begin = at;
    while (at < area.offset + area.length && differs(at)) at += SECTOR;
    found.push({ sector: begin / SECTOR, data: Buffer.from(to.subarray(begin, at)) });
  }
  return found;
}

/** A recording of `requests` on a disk of `size` bytes, which begins as `base`; default blank. */
export function recordingOf(size: number, base: Buffer | undefined, requests: readonly Request[]): Recording {
  const logFd = opened(logOf(requests));
  const from = base === undefined ? {} : { fd: opened(base) };
  const log = readLog(logFd, 'test');
  return { base: { ...from, size }, log, logFd, block: SECTOR, from: 0, bounds: BOUNDS };
}
