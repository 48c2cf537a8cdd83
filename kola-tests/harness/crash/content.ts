import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import type { CrashDisk, Region } from './disk.ts';
import { hasData } from './order.ts';
import type { Recording } from './survey.ts';

/**
 * Identifies states of a region by its bytes, because many power cuts leave the same bytes by different writes. It
 * reads only sectors that the recording writes, and each write once.
 */
export class ContentKeys {
  readonly #recording: Recording;
  /** Sectors of the region that the recording writes, in ascending order. */
  readonly #touched: Int32Array;
  /** Numbers of the different contents of sectors, by digest. */
  readonly #numbers = new Map<string, number>();
  /** By request: the content numbers of its sectors. */
  readonly #writes = new Map<number, Int32Array>();
  /** The content numbers of the written sectors before the recording. */
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

  /** The key of the current state. Two states have the same key exactly if the region has the same bytes. */
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
