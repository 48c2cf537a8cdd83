import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import { Failure } from '../../../sdk/lib/errors.ts';
import type { WriteLog } from './log.ts';
import type { CrashState, Torn } from './order.ts';

/** A part of the disk, in bytes. */
export interface Region {
  readonly offset: number;
  readonly length: number;
}

/** The content of a region in one state. Offsets are within the region, in bytes. */
export interface View {
  readonly length: number;
  /** Equal keys mean equal bytes. Different keys do not mean different bytes. */
  readonly key: string;
  read(offset: number, length: number): Buffer;
  /** The origin of each sector: 0 is the disk before the log, else the number of a write, from 1. */
  sources(offset: number, length: number): Int32Array;
}

/** The disk's bytes from before the log began. */
export interface Base {
  /** Undefined for a blank disk. */
  readonly fd?: number;
  readonly size: number;
}

/** The states of a disk, one after the other. A sector has the data of the newest write to it that reached the disk. */
export class CrashDisk {
  readonly size: number;
  readonly #base: Base;
  readonly #log: WriteLog;
  readonly #fd: number;
  /** By sector: the newest durable write, from 1. */
  readonly #durable: Int32Array;
  /** By region: the number of durable writes to it. */
  readonly #epochs = new Map<string, { readonly region: Region; epoch: number }>();
  #applied: readonly number[] = [];
  #torn: Torn | undefined;

  constructor(base: Base, log: WriteLog, logFd: number) {
    this.size = base.size;
    this.#base = base;
    this.#log = log;
    this.#fd = logFd;
    this.#durable = new Int32Array(Math.ceil(base.size / log.sectorSize));
  }

  /** Changes the disk to the next state of `crashStates`. */
  goTo({ settled, applied, torn }: CrashState): void {
    for (const index of settled) this.#settle(index);
    this.#applied = applied;
    this.#torn = torn;
  }

  view(region: Region): View {
    const { sectorSize } = this.#log;
    if (region.offset % sectorSize !== 0 || region.offset + region.length > this.size)
      throw new Failure(`not a region of the disk: ${region.length} bytes at ${region.offset}`);
    const applied = this.#applied.filter((index) => this.#touches(index, region));
    const torn = this.#torn && this.#touches(this.#torn.entry, region) ? this.#torn : undefined;
    const known = `${region.offset}+${region.length}`;
    const epoch = this.#epochs.get(known) ?? { region, epoch: 0 };
    this.#epochs.set(known, epoch);
    const key = `${known} ${epoch.epoch}:${listed(applied)}${torn ? `/${torn.entry}.${torn.from}` : ''}`;
    return {
      length: region.length,
      key,
      sources: (offset, length) => this.#sources(region.offset + offset, length, applied, torn),
      read: (offset, length) => this.#read(region.offset + offset, length, applied, torn),
    };
  }

  /** Whether these bytes are surely zeros: nothing was written there, and the disk was blank. */
  isBlank(offset: number, length: number): boolean {
    const { sectorSize } = this.#log;
    const end = Math.ceil((offset + length) / sectorSize);
    for (let at = Math.floor(offset / sectorSize); at < end; at += 1) if (this.#durable[at]) return false;
    const loose = this.#torn ? [...this.#applied, this.#torn.entry] : this.#applied;
    return (
      !loose.some((index) => this.#touches(index, { offset, length })) && isHole(this.#base, offset, length)
    );
  }

  /** The origins of some sectors of the disk, in the form of `View.sources`. `sectors` are in ascending order. */
  sourcesAt(numbers: Int32Array): Int32Array {
    const sources = Int32Array.from(numbers, (sector) => this.#durable[sector] ?? 0);
    const put = (index: number, from: number, to: number): void => {
      for (let at = firstFrom(numbers, from); at < numbers.length && numbers[at]! < to; at += 1)
        if (sources[at]! <= index) sources[at] = index + 1;
    };
    for (const index of this.#applied) {
      const { sector, sectors } = this.#entry(index);
      put(index, sector, sector + sectors);
    }
    if (this.#torn) {
      const { sector } = this.#entry(this.#torn.entry);
      put(this.#torn.entry, sector + this.#torn.from, sector + this.#torn.to);
    }
    return sources;
  }

  #settle(index: number): void {
    const { sector, sectors } = this.#entry(index);
    for (let at = sector; at < sector + sectors; at += 1)
      if ((this.#durable[at] ?? 0) <= index) this.#durable[at] = index + 1;
    for (const known of this.#epochs.values()) if (this.#touches(index, known.region)) known.epoch += 1;
  }

  #entry(index: number) {
    const entry = this.#log.entries[index];
    if (!entry) throw new Failure(`the log has no entry ${index}`);
    return entry;
  }

  #touches(index: number, { offset, length }: Region): boolean {
    const { sector, sectors } = this.#entry(index);
    const { sectorSize } = this.#log;
    return sector * sectorSize < offset + length && (sector + sectors) * sectorSize > offset;
  }

  #sources(offset: number, length: number, applied: readonly number[], torn: Torn | undefined): Int32Array {
    const { sectorSize } = this.#log;
    const first = Math.floor(offset / sectorSize);
    const end = Math.ceil((offset + length) / sectorSize);
    const sources = this.#durable.slice(first, end);
    const put = (index: number, from: number, to: number): void => {
      for (let at = Math.max(from, first); at < Math.min(to, end); at += 1)
        if ((sources[at - first] ?? 0) <= index) sources[at - first] = index + 1;
    };
    for (const index of applied) {
      const { sector, sectors } = this.#entry(index);
      put(index, sector, sector + sectors);
    }
    if (torn) {
      const { sector } = this.#entry(torn.entry);
      put(torn.entry, sector + torn.from, sector + torn.to);
    }
    return sources;
  }

  #read(offset: number, length: number, applied: readonly number[], torn: Torn | undefined): Buffer {
    const { sectorSize } = this.#log;
    const first = Math.floor(offset / sectorSize);
    const sources = this.#sources(offset, length, applied, torn);
    const bytes = Buffer.alloc(sources.length * sectorSize);
    for (let from = 0; from < sources.length; ) {
      let to = from + 1;
      while (to < sources.length && sources[to] === sources[from]) to += 1;
      this.#fill(bytes.subarray(from * sectorSize, to * sectorSize), sources[from] ?? 0, first + from);
      from = to;
    }
    const skip = offset - first * sectorSize;
    return bytes.subarray(skip, skip + length);
  }

  #fill(bytes: Buffer, source: number, sector: number): void {
    const { sectorSize } = this.#log;
    if (source > 0) {
      const entry = this.#entry(source - 1);
      if (entry.kind === 'discard') return; // The sectors read as zeros, as in QEMU's qcow2.
      readSync(this.#fd, bytes, 0, bytes.length, entry.data + (sector - entry.sector) * sectorSize);
    } else if (this.#base.fd !== undefined) {
      readSync(this.#base.fd, bytes, 0, bytes.length, sector * sectorSize);
    }
  }
}

const PIECE = 1 << 20;
const ZEROS = Buffer.alloc(PIECE);
/** By piece of a base: whether it has data. A whole disk is read once only. */
const pieces = new WeakMap<Base, readonly boolean[]>();

function isHole(base: Base, offset: number, length: number): boolean {
  const { fd, size } = base;
  if (fd === undefined) return true;
  let known = pieces.get(base);
  if (!known) {
    const bytes = Buffer.alloc(PIECE);
    known = Array.from({ length: Math.ceil(size / PIECE) }, (_, piece) => {
      const read = readSync(fd, bytes, 0, PIECE, piece * PIECE);
      return !bytes.subarray(0, read).equals(ZEROS.subarray(0, read));
    });
    pieces.set(base, known);
  }
  return !known.slice(Math.floor(offset / PIECE), Math.ceil((offset + length) / PIECE)).includes(true);
}

/** Numbers as a short text: equal texts, equal numbers. */
function listed(numbers: readonly number[]): string {
  const text = numbers.join();
  return text.length <= 64 ? text : createHash('sha256').update(text).digest('base64');
}

/** Index of the first of ascending numbers that is at least `least`. */
function firstFrom(numbers: Int32Array, least: number): number {
  let [low, high] = [0, numbers.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle]! < least) low = middle + 1;
    else high = middle;
  }
  return low;
}
