import type { MachineSpec } from '../machine/spec.ts';
import type { RegisteredTest, TestDefinition } from './register.ts';

/** The part of a test that patterns match. */
type Named = Pick<TestDefinition, 'name' | 'tags'>;

/** The selection of tests. */
export interface Selection {
  /** Globs on names (`zfs.*`) or tags (`tag:slow`). An empty list means all tests. */
  readonly patterns: readonly string[];
  readonly image: string;
  readonly shard?: Shard;
  /** True: without the long tests, except for those that a pattern names in full. */
  readonly gate?: boolean;
  /** Only tests with these names, among those that the patterns select. */
  readonly only?: ReadonlySet<string>;
}

/** Part `index` (from 1) of `count`. */
export interface Shard {
  readonly index: number;
  readonly count: number;
  /** Milliseconds by test, to balance the parts. All parts need the same durations, patterns and image. */
  readonly durations?: Readonly<Record<string, number>>;
}

/** A part of a list: item `index`, and each `count`-th item after it. Every item is in exactly one part. */
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

/** The selected tests, the longest first (`durations` in ms), so that the last ones to run are short. */
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
  // The split comes before `only` and the order, which depend on this host's history, because all hosts must split the
  // same list.
  const part = shard ? shardOf(matching, shard) : matching;
  return longestFirst(
    part.filter(({ definition }) => only === undefined || only.has(definition.name)),
    durations,
  );
}

/**
 * Sorts tests. A test without a duration counts as a typical one. Tests that mostly wait come first, because others run
 * at the same time.
 */
function longestFirst(
  tests: readonly RegisteredTest[],
  durations: ReadonlyMap<string, number>,
): readonly RegisteredTest[] {
  const length = lengths(durations);
  const waits = ({ definition }: RegisteredTest) => Number(definition.waits ?? false);
  return [...tests].sort((a, b) => waits(b) - waits(a) || length(b) - length(a));
}

/**
 * Moves `count` of these tests before the others of their kind: tests whose machines all boot. At the beginning of a run
 * on a new image, all other tests wait for the same two machines to be saved, one after the other, and only one
 * processor would have work.
 */
export function bootingFirst(tests: readonly RegisteredTest[], count: number): readonly RegisteredTest[] {
  const boots = ({ definition }: RegisteredTest): boolean =>
    Object.values(definition.machines ?? { box: {} }).every(
      ({ start }: MachineSpec) => start === 'off' || start === 'fresh',
    );
  const waiting = tests.filter(({ definition }) => definition.waits);
  const working = tests.filter(({ definition }) => !definition.waits);
  const first = working.filter(boots).slice(0, count);
  return [...waiting, ...first, ...working.filter((test) => !first.includes(test))];
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

/**
 * With durations, each test goes to the emptiest shard, the longest first. Without durations, tests are dealt out in
 * the order of their declaration.
 */
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
