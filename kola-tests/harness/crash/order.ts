import type { LogEntry } from './log.ts';

/** The part of one write that reached the disk before the power cut: its own sectors, from `from` up to `to`. */
export interface Torn {
  readonly entry: number;
  readonly from: number;
  readonly to: number;
}

/** The content of a disk after a power cut, as indices into the log. */
export interface CrashState {
  /** The last entry that the disk got. -1: none. */
  readonly at: number;
  /** Writes that are durable by then, in the order in which they became durable; only those new since the last state. */
  readonly settled: readonly number[];
  /** Writes that were in the cache by then and reached the disk nevertheless, ascending. */
  readonly applied: readonly number[];
  readonly torn?: Torn;
}

/** How many ways to lose unflushed writes are checked. */
export interface Bounds {
  /** Up to so many writes before the newest: every combination. */
  readonly every: number;
  /** Of more: each of the last so many is lost alone, … */
  readonly single: number;
  /** … each two of the last so many are lost together, … */
  readonly pairs: number;
  /** … and so many combinations by chance. */
  readonly random: number;
}

/** How many states are looked at between two flushes. A test may set other bounds. */
export const BOUNDS: Bounds = { every: 6, single: 64, pairs: 12, random: 8 };

/**
 * Every state in which a disk may be found after a power cut, once each. A disk may write what is in its cache at any
 * time and in any order, until a flush has ended (block/writeback_cache_control.rst of Linux); a write with FUA is on
 * the disk when it has ended. Where more is in the cache than `bounds.every` allows, the choice is the same at each run.
 * The first `from` entries are durable in every state: power cuts happen after them.
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

/** Half of the newest write is on the disk, and all writes that were in the cache before. */
function* torn(at: number, { sectors }: LogEntry, pending: readonly number[]): Generator<CrashState> {
  const half = sectors >> 1;
  if (half === 0) return;
  for (const [from, to] of [
    [0, half],
    [half, sectors],
  ] as const)
    yield { at, settled: [], applied: [...pending], torn: { entry: at, from, to } };
}

/** The writes of `pending` that reached the disk. The first answer is all of them. */
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

/** Numbers from 0 up to 1, the same in every run: mulberry32. */
export function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
