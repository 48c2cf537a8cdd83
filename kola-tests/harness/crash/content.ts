import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import type { CrashDisk, Region } from './disk.ts';
import { hasData } from './order.ts';
import type { Recording } from './survey.ts';

/**
 * Tells states of a region apart by its bytes alone: many power cuts leave the same bytes, by other writes. Only sectors
 * that the recording writes are looked at, and the bytes of a write are read once.
 */
export class ContentKeys {
  readonly #recording: Recording;
  /** Sectors of the region that the recording writes, ascending. */
  readonly #touched: Int32Array;
  /** Numbers of different contents of a sector, by digest. */
  readonly #numbers = new Map<string, number>();
  /** By request: the number of the content of each of its sectors. */
  readonly #writes = new Map<number, Int32Array>();
  /** Of the disk before the recording: the same for each touched sector. */
  readonly #base: Int32Array;

  constructor(recording: Recording, region: Region) {
    this.#recording = recording;
    const { entries, sectorSize } = recording.log;
    const [first, end] = [region.offset / sectorSize, (region.offset + region.length) / sectorSize];
    const touched = new Set<number>();
    for (const entry of entries.filter(hasData))
      for (let at = Math.max(first, entry.sector); at < Math.min(end, entry.sector + entry.sectors); at += 1)
        touched.add(at);
    this.#touched = Int32Array.from(touched).sort();
    const { fd } = recording.base;
    this.#base = Int32Array.from(this.#touched, (sector) => {
      const bytes = Buffer.alloc(sectorSize);
      if (fd !== undefined) readSync(fd, bytes, 0, sectorSize, sector * sectorSize);
      return this.#numberOf(bytes);
    });
  }

  /** Two states of the disk have the same key exactly when their bytes of the region are the same. */
  keyOf(disk: CrashDisk): string {
    const { entries } = this.#recording.log;
    const sources = disk.sourcesAt(this.#touched);
    const contents = sources.map((source, at) => {
      if (source === 0) return this.#base[at]!;
      return this.#contentsOf(source - 1)[this.#touched[at]! - entries[source - 1]!.sector]!;
    });
    return createHash('sha256').update(new Uint8Array(contents.buffer)).digest('base64');
  }

  #contentsOf(index: number): Int32Array {
    const known = this.#writes.get(index);
    if (known) return known;
    const { log, logFd } = this.#recording;
    const { kind, sectors, data } = log.entries[index]!;
    const bytes = Buffer.alloc(kind === 'write' ? sectors * log.sectorSize : log.sectorSize);
    if (kind === 'write') readSync(logFd, bytes, 0, bytes.length, data);
    // A discard reads as zeros (disk.ts).
    const numbers = Int32Array.from({ length: sectors }, (_, at) =>
      this.#numberOf(
        kind === 'write' ? bytes.subarray(at * log.sectorSize, (at + 1) * log.sectorSize) : bytes,
      ),
    );
    this.#writes.set(index, numbers);
    return numbers;
  }

  #numberOf(bytes: Uint8Array): number {
    const digest = createHash('sha256').update(bytes).digest('base64');
    const number = this.#numbers.get(digest) ?? this.#numbers.size;
    this.#numbers.set(digest, number);
    return number;
  }
}
