import type { RegisteredTest } from './register.ts';

export interface Selection {
  /** Globs on names (`zfs.*`) or tags (`tag:slow`); none means all. */
  readonly patterns: readonly string[];
  readonly image: string;
  /** Part `index` (from 1) of `count`. */
  readonly shard?: { readonly index: number; readonly count: number };
  /** Only these names, of what the patterns select. */
  readonly only?: ReadonlySet<string>;
}

/** Whether a test's name, area (`zfs` for `zfs.mirror`) or tag (`tag:quick`) is among the patterns. */
export function matchesAny(patterns: readonly string[], definition: RegisteredTest['definition']): boolean {
  return patterns.some((pattern) => matcher(pattern)(definition));
}

/** The tests that are asked for, the longest first (`durations` in ms), so that the last ones to run are short. */
export function selectTests(
  tests: readonly RegisteredTest[],
  { patterns, image, shard, only }: Selection,
  durations: ReadonlyMap<string, number>,
): readonly RegisteredTest[] {
  const matchers = patterns.map(matcher);
  const wanted = tests.filter(
    ({ definition }) =>
      (definition.image === undefined || definition.image === image) &&
      (matchers.length === 0 || matchers.some((matches) => matches(definition))) &&
      (only === undefined || only.has(definition.name)),
  );
  const known = [...durations.values()].sort((a, b) => a - b);
  const typical = known[Math.floor(known.length / 2)] ?? 1;
  const length = (test: RegisteredTest): number => durations.get(test.definition.name) ?? typical;
  const sorted = [...wanted].sort((a, b) => length(b) - length(a));
  return shard ? shardOf(sorted, length, shard) : sorted;
}

function matcher(pattern: string): (definition: RegisteredTest['definition']) => boolean {
  if (pattern.startsWith('tag:')) {
    const tag = pattern.slice(4);
    return ({ tags = [] }) => tags.includes(tag);
  }
  const source = pattern
    .split('*')
    .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
    .join('.*');
  const whole = new RegExp(`^${source}$`);
  // `zfs` means the area too.
  return ({ name }) => whole.test(name) || name.startsWith(`${pattern}.`);
}

/** Longest first to the emptiest shard: the same split on every machine that has the same durations. */
function shardOf<T>(
  sorted: readonly T[],
  length: (test: T) => number,
  { index, count }: { index: number; count: number },
): readonly T[] {
  const shards = Array.from({ length: count }, () => ({ total: 0, tests: [] as T[] }));
  for (const test of sorted) {
    const emptiest = shards.reduce((best, shard) => (shard.total < best.total ? shard : best));
    emptiest.total += length(test);
    emptiest.tests.push(test);
  }
  return shards[index - 1]?.tests ?? [];
}
