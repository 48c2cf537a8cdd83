import type { LogEntry } from './log.ts';

/** A write of which only a part reached the disk before the power cut: its sectors from `from` up to `to`. */
export interface Torn {
  readonly entry: number;
  readonly from: number;
  readonly to: number;
}

/** The content of a disk after a power cut, as indices into the log. */
export interface CrashState {
  /** The last entry that the disk got. -1: none. */
  readonly at: number;
  /** Writes that have become durable since the previous state, in that order. */
  readonly settled: readonly number[];
  /** Writes that were in the cache, but reached the disk nevertheless, in ascending order. */
  readonly applied: readonly number[];
  readonly torn?: Torn;
}

/** Limits for the number of checked combinations of lost writes. Only unflushed writes can be lost. */
export interface Bounds {
  /** For up to this number of unflushed writes before the newest one, every combination is checked. */
  readonly every: number;
  /** For more writes: each of the last `single` writes is lost alone, … */
  readonly single: number;
  /** … each two of the last `pairs` writes are lost together, … */
  readonly pairs: number;
  /** … and `random` random combinations are lost. */
  readonly random: number;
}

/** The default bounds. A test may set others. */
export const BOUNDS: Bounds = { every: 6, single: 64, pairs: 12, random: 8 };

/**
 * All possible states of a disk after a power cut, each once. Until a flush has ended, a disk may write the contents of
 * its cache at any time and in any order (block/writeback_cache_control.rst of Linux). A write with FUA is on the disk
 * when it has ended. If the cache has more writes than `bounds.every`, the random choice is the same in each run. The
 * first `from` entries are durable in every state, because power cuts happen after them.
 */
export function* crashStates(
  entries: readonly LogEntry[],
  bounds: Bounds = BOUNDS,
  from = 0,
): Generator<CrashState> {
  let pending: number[] = [];
  const random = generator(0x5eed);
  const before = [...entries.slice(0, from).keys()].filter((index) => hasData(entries[index]!));
  yield { at: from - 1, settled: before, applied: [] };
  for (const [at, entry] of entries.entries()) {
    if (entry.kind === 'mark' || at < from) continue;
    let settled: number[] = [];
    if (entry.preflush || entry.kind === 'flush') {
      settled = pending;
      pending = [];
    }
    if (entry.kind === 'flush') {
      if (settled.length > 0) yield { at, settled, applied: [] };
      continue;
    }
    // Durable writes are reported once, and first.
    if (settled.length > 0) yield { at: at - 1, settled, applied: [] };
    if (entry.kind === 'write') yield* torn(at, entry, pending);
    let newly = entry.fua ? [at] : [];
    for (const applied of subsets(pending, bounds, random)) {
      yield { at, settled: newly, applied: entry.fua ? applied : [...applied, at] };
      newly = [];
    }
    if (!entry.fua) pending.push(at);
  }
}

/** Whether a request changes sectors. */
export const hasData = ({ kind }: LogEntry): boolean => kind === 'write' || kind === 'discard';

/** States in which half of the newest write is on the disk, and all earlier writes in the cache. */
function* torn(at: number, { sectors }: LogEntry, pending: readonly number[]): Generator<CrashState> {
  const half = sectors >> 1;
  if (half === 0) return;
  for (const [from, to] of [
    [0, half],
    [half, sectors],
  ] as const)
    yield { at, settled: [], applied: [...pending], torn: { entry: at, from, to } };
}

/** Combinations of writes of `pending` that reached the disk. The first one has all of them. */
function* subsets(pending: readonly number[], bounds: Bounds, random: () => number): Generator<number[]> {
  const count = pending.length;
  if (count <= bounds.every) {
    for (let mask = 2 ** count - 1; mask >= 0; mask -= 1)
      yield pending.filter((_, index) => (mask >> index) & 1);
    return;
  }
  yield [...pending];
  yield [];
  for (let lost = Math.max(0, count - bounds.single); lost < count; lost += 1)
    yield pending.filter((_, index) => index !== lost);
  for (let one = Math.max(0, count - bounds.pairs); one < count; one += 1)
    for (let other = one + 1; other < count; other += 1)
      yield pending.filter((_, index) => index !== one && index !== other);
  const seen = new Set<string>();
  for (let round = 0; round < bounds.random; round += 1) {
    const chosen = pending.filter(() => random() < 0.5);
    const lost = count - chosen.length;
    const key = chosen.join();
    // The combinations with none, one, two or all writes lost have been yielded already.
    if (lost <= 2 || chosen.length === 0 || seen.has(key)) continue;
    seen.add(key);
    yield chosen;
  }
}

/** Random numbers from 0 to 1, the same in every run (mulberry32). */
export function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
