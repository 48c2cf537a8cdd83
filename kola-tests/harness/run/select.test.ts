import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RegisteredTest, TestDefinition } from './register.ts';
import { bootingFirst, matchesAny, partOf, selectTests } from './select.ts';

const registered = (definition: Omit<TestDefinition, 'what'>): RegisteredTest => ({
  definition: { what: 'It works.', ...definition },
  file: '',
  body: async () => {},
});
const tests = [
  registered({ name: 'boot.second' }),
  registered({ name: 'zfs.mirror', tags: ['slow'] }),
  registered({ name: 'zfs.arc-cap' }),
  registered({ name: 'nas.smb', image: 'nas' }),
];
const names = (found: readonly RegisteredTest[]): string[] => found.map(({ definition }) => definition.name);
const none = new Map<string, number>();

test('globs, areas and tags select; other images do not', () => {
  const select = (...patterns: string[]): string[] =>
    names(selectTests(tests, { patterns, image: 'n100' }, none)).sort();
  assert.deepEqual(select(), ['boot.second', 'zfs.arc-cap', 'zfs.mirror']);
  assert.deepEqual(select('zfs'), ['zfs.arc-cap', 'zfs.mirror']);
  assert.deepEqual(select('*.m*'), ['zfs.mirror']);
  assert.deepEqual(select('tag:slow', 'boot.second'), ['boot.second', 'zfs.mirror']);
  assert.deepEqual(select('zf'), []);
  assert.deepEqual(select('nas'), []);
  // A dot in a pattern matches only a dot.
  assert.ok(!matchesAny(['zfs.mirror'], { name: 'zfsxmirror' }));
});

test('the longest test runs first; a test without a duration counts as a typical one', () => {
  const durations = new Map([
    ['boot.second', 10],
    ['zfs.mirror', 90],
    ['other', 50],
  ]);
  assert.deepEqual(names(selectTests(tests, { patterns: [], image: 'n100' }, durations)), [
    'zfs.mirror',
    'zfs.arc-cap',
    'boot.second',
  ]);
});

test('tests that mostly wait begin first, with or without a known duration', () => {
  const idle = registered({ name: 'zfs.idle', waits: true });
  for (const durations of [none, new Map([['zfs.mirror', 90]])])
    assert.equal(
      names(selectTests([...tests, idle], { patterns: [], image: 'n100' }, durations))[0],
      'zfs.idle',
    );
});

test('tests whose machines boot begin while the others wait for the first saved machine', () => {
  const off = { start: 'off' } as const;
  const ordered = [
    registered({ name: 'zfs.idle', waits: true }),
    registered({ name: 'boot.second' }),
    registered({ name: 'pxe.ipxe', machines: { box: off } }),
    registered({ name: 'lan.mixed', machines: { one: off, two: {} } }),
    registered({ name: 'media.bios', machines: { box: { start: 'fresh' } } }),
    registered({ name: 'boot.third', machines: { box: off } }),
  ];
  assert.deepEqual(names(bootingFirst(ordered, 2)), [
    ...['zfs.idle', 'pxe.ipxe', 'media.bios', 'boot.second', 'lan.mixed', 'boot.third'],
  ]);
  assert.deepEqual(names(bootingFirst(ordered, 0)), names(ordered));
});

const many = Array.from({ length: 20 }, (_, index) => registered({ name: `a.t${index}` }));
const lengths = Object.fromEntries(
  many.map(({ definition }, index) => [definition.name, (index + 1) * 1000]),
);

test('shards are disjoint, complete and balanced by the durations that all of them are given', () => {
  const shards = [1, 2, 3].map((index) =>
    selectTests(many, { patterns: [], image: 'n100', shard: { index, count: 3, durations: lengths } }, none),
  );
  assert.deepEqual(new Set(shards.flatMap(names)).size, 20);
  assert.equal(shards.flat().length, 20);
  const totals = shards.map((shard) => names(shard).reduce((sum, name) => sum + (lengths[name] ?? 0), 0));
  assert.ok(Math.max(...totals) - Math.min(...totals) <= 20_000, `${totals}`);
});

test('a host’s history does not move a test to another shard', () => {
  const memories = [none, new Map(Object.entries(lengths)), new Map([['a.t7', 1e6]])];
  const shards = memories.map((memory, index) =>
    names(selectTests(many, { patterns: [], image: 'n100', shard: { index: index + 1, count: 3 } }, memory)),
  );
  assert.deepEqual(shards.flat().sort(), names(many).sort());
  assert.deepEqual(shards[0]?.slice(0, 3), ['a.t0', 'a.t3', 'a.t6'], 'dealt out in declared order');
  assert.equal(shards[1]?.[0], 'a.t19', 'the longest test of a shard is first');
  // `only` selects within this host's shard. The shards do not change.
  const only = new Set(['a.t1', 'a.t4']);
  assert.deepEqual(
    names(selectTests(many, { patterns: [], image: 'n100', shard: { index: 2, count: 3 }, only }, none)),
    ['a.t1', 'a.t4'],
  );
});

test('only tests that failed last time, among those that the patterns select', () => {
  const only = new Set(['zfs.mirror', 'boot.second']);
  assert.deepEqual(names(selectTests(tests, { patterns: ['zfs'], image: 'n100', only }, none)), [
    'zfs.mirror',
  ]);
});

test('parts of a list: each item is in exactly one part, even if there are more parts than items', () => {
  const items = ['a', 'b', 'c', 'd', 'e'];
  const parts = (count: number) =>
    Array.from({ length: count }, (_, index) => partOf(items, { index: index + 1, count }));
  assert.deepEqual(parts(2), [
    ['a', 'c', 'e'],
    ['b', 'd'],
  ]);
  assert.deepEqual(parts(7).flat(), items);
  assert.deepEqual(partOf(items, undefined), items);
});
