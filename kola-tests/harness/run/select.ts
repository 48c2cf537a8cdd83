import type { RegisteredTest, TestDefinition } from './register.ts';

/** The part of a test that patterns match. */
type Named = Pick<TestDefinition, 'name' | 'tags'>;

/** Which tests are asked for. */
export interface Selection {
  /** Globs on names (`zfs.*`) or tags (`tag:slow`); none means all. */
  readonly patterns: readonly string[];
  readonly image: string;
  readonly shard?: Shard;
  /** Without the long tests, except those that a pattern names in full. */
  readonly gate?: boolean;
  /** Only these names, of what the patterns select. */
  readonly only?: ReadonlySet<string>;
}

/** Part `index` (from 1) of `count`. */
export interface Shard {
  readonly index: number;
  readonly count: number;
  /** Milliseconds by test, to balance the parts. The same for all parts, as is the rest of what they are split by. */
  readonly durations?: Readonly<Record<string, number>>;
}

/** One part of a list: item `index`, and each `count`-th one behind it. Every item is in exactly one part. */
export function partOf<T>(
  items: readonly T[],
  shard: Pick<Shard, 'index' | 'count'> | undefined,
): readonly T[] {
  if (!shard) return items;
  return items.filter((_, at) => at % shard.count === shard.index - 1);
}

/** Whether a test's name, area (`zfs` for `zfs.mirror`) or tag (`tag:quick`) is among the patterns. */
export function matchesAny(patterns: readonly string[], definition: Named): boolean {
  return patterns.some((pattern) => matcher(pattern)(definition));
}

/** The tests that are asked for, the longest first (`durations` in ms), so that the last ones to run are short. */
export function selectTests(
  tests: readonly RegisteredTest[],
  { patterns, image, gate = false, shard, only }: Selection,
  durations: ReadonlyMap<string, number>,
): readonly RegisteredTest[] {
  const matchers = patterns.map(matcher);
  const matching = tests.filter(
    ({ definition }) =>
      (definition.image === undefined || definition.image === image) &&
      (matchers.length === 0 || matchers.some((matches) => matches(definition))) &&
      !(gate && definition.long !== undefined && !patterns.includes(definition.name)),
  );
  // Done before `only` and the order, which depend on this host's history: all hosts must split the same list.
  const part = shard ? shardOf(matching, shard) : matching;
  return longestFirst(
    part.filter(({ definition }) => only === undefined || only.has(definition.name)),
    durations,
  );
}

/** A test without a duration counts as a typical one. Tests that mostly wait come first: the others run beside them. */
function longestFirst(
  tests: readonly RegisteredTest[],
  durations: ReadonlyMap<string, number>,
): readonly RegisteredTest[] {
  const length = lengths(durations);
  const waits = ({ definition }: RegisteredTest) => Number(definition.waits ?? false);
  return [...tests].sort((a, b) => waits(b) - waits(a) || length(b) - length(a));
}

function lengths(durations: ReadonlyMap<string, number>): (test: RegisteredTest) => number {
  const known = [...durations.values()].sort((a, b) => a - b);
  const typical = known[Math.floor(known.length / 2)] ?? 1;
  return ({ definition }) => durations.get(definition.name) ?? typical;
}

function matcher(pattern: string): (definition: Named) => boolean {
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

/** Longest first to the emptiest shard; without durations, one after the other in the order they are declared in. */
function shardOf(
  tests: readonly RegisteredTest[],
  { index, count, durations = {} }: Shard,
): readonly RegisteredTest[] {
  const shared = new Map(Object.entries(durations));
  const length = lengths(shared);
  const shards = Array.from({ length: count }, () => ({ total: 0, tests: [] as RegisteredTest[] }));
  for (const test of longestFirst(tests, shared)) {
    const emptiest = shards.reduce((best, shard) => (shard.total < best.total ? shard : best));
    emptiest.total += length(test);
    emptiest.tests.push(test);
  }
  return shards[index - 1]?.tests ?? [];
}
