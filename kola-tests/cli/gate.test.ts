import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadTests, type RegisteredTest } from '../harness/run/register.ts';
import { selectTests } from '../harness/run/select.ts';
import { testModules } from '../harness/run/suite-options.ts';
import { leftOut, overBudget } from './gate.ts';

const registered = (name: string, long?: string): RegisteredTest => ({
  definition: { name, what: 'It works.', ...(long === undefined ? {} : { long }) },
  file: '',
  body: async () => {},
});
const tests = [registered('a.short'), registered('a.cuts', 'many boots'), registered('b.short')];

test('the gate leaves out long tests unless they are named, and says how many it leaves out and how to run them', () => {
  const names = (...patterns: string[]) =>
    selectTests(tests, { patterns, image: 'n100', gate: true }, new Map()).map(
      ({ definition }) => definition.name,
    );
  assert.deepEqual(names(), ['a.short', 'b.short']);
  assert.deepEqual(names('a'), ['a.short']);
  assert.deepEqual(names('a.cuts'), ['a.cuts']);
  assert.deepEqual(leftOut([], 'n100', tests), [
    'left out: 1 long test, the sabotages, the crash states and the image generic; ./draisine test --all runs them',
  ]);
  assert.deepEqual(leftOut(['a'], 'n100', tests), [
    'left out: 1 long test; ./draisine test --all a runs them',
  ]);
  assert.deepEqual(leftOut(['a.cuts'], 'n100', tests), []);
  assert.deepEqual(leftOut(['b'], 'n100', tests), []);
});

test('a gate that takes more than half an hour gives a warning with its ten longest tests; builds do not count', () => {
  const result = (test: string, totalMs: number) => ({ test, passed: true, totalMs, fallbacks: [] });
  const results = [
    ...Array.from({ length: 12 }, (_, index) => result(`a.t${index}`, index * 1000)),
    { ...result('a.cached', 1e6), cached: '2026-11-29T12:00:00Z' },
  ];
  const stages = (ranMs: number) => [
    { name: 'unit tests', preparedMs: 0, ranMs: 60_000 },
    { name: 'machines of n100', preparedMs: 3_600_000, ranMs },
  ];
  assert.deepEqual(overBudget(stages(29 * 60_000), results), []);
  const said = overBudget(stages(33 * 60_000), results);
  assert.equal(said.length, 11);
  assert.match(said[0] ?? '', /^warning: the gate took 34 min 0 s, it should take 30 min 0 s at most/);
  assert.deepEqual([said[1], said[10]], ['  a.t11 11 s', '  a.t2 2.0 s']);
});

test('every area of the suite has tests in the gate, and each long test has a reason', async () => {
  const { tests: all } = await loadTests(await testModules());
  const areas = (of: readonly RegisteredTest[]) =>
    [...new Set(of.map(({ definition }) => definition.name.split('.')[0]))].sort();
  const gate = all.filter(({ definition }) => definition.long === undefined);
  assert.deepEqual(areas(gate), areas(all));
  for (const { definition } of all) assert.ok((definition.long?.length ?? 99) > 20, definition.name);
});
