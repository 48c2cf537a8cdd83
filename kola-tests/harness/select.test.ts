import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RegisteredTest, TestDefinition } from './register.ts';
import { matchesAny, selectTests } from './select.ts';

const registered = (definition: TestDefinition): RegisteredTest => ({
  definition,
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
  // The dot of a name is a dot, not any character.
  assert.ok(!matchesAny(['zfs.mirror'], { name: 'zfsxmirror' }));
});

test('the longest runs first, an unknown one counts as typical', () => {
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

test('shards are disjoint, complete and balanced', () => {
  const many = Array.from({ length: 20 }, (_, index) => registered({ name: `a.t${index}` }));
  const durations = new Map(many.map(({ definition }, index) => [definition.name, (index + 1) * 1000]));
  const shards = [1, 2, 3].map((index) =>
    selectTests(many, { patterns: [], image: 'n100', shard: { index, count: 3 } }, durations),
  );
  assert.deepEqual(new Set(shards.flatMap(names)).size, 20);
  assert.equal(shards.flat().length, 20);
  const totals = shards.map((shard) =>
    names(shard).reduce((sum, name) => sum + (durations.get(name) ?? 0), 0),
  );
  assert.ok(Math.max(...totals) - Math.min(...totals) <= 20_000, `${totals}`);
});

test('only: what failed last time, of what the patterns select', () => {
  const only = new Set(['zfs.mirror', 'boot.second']);
  assert.deepEqual(names(selectTests(tests, { patterns: ['zfs'], image: 'n100', only }, none)), [
    'zfs.mirror',
  ]);
});
