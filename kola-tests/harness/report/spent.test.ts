import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestResult } from './result.ts';
import { duration, spentOn, spentTable } from './spent.ts';

const result = (test: string, more: Partial<TestResult>): TestResult => ({
  ...{ test, passed: true, totalMs: 0, fallbacks: [], ...more },
});

test('boots, forks, waits and tests are sums over all runs; stages are wall-clock times', () => {
  const results = [
    result('a.b', {
      bodyMs: 2000,
      checkMs: 500,
      waitMs: 61_000,
      starts: [
        { machine: 'box', how: 'boot', ms: 100_000 },
        { machine: 'box', how: 'fork', ms: 1500 },
      ],
    }),
    result('a.c', { bodyMs: 1000, waitMs: 0, starts: [{ machine: 'box', how: 'initrd fork', ms: 60_000 }] }),
    result('a.d', { cached: '2026-11-29T12:00:00Z', bodyMs: 99_000 }),
    result('a.e', { skipped: 'a bug', bodyMs: 99_000 }),
  ];
  const stages = [
    { name: 'unit tests', preparedMs: 1000, ranMs: 130_000, stalledMs: 40_000 },
    { name: 'machines of n100', preparedMs: 59_000, ranMs: 300_000 },
    { name: 'sabotages of n100', preparedMs: 0, ranMs: 100 },
  ];
  const spent = spentOn(stages, results);
  assert.deepEqual(spent, [
    { on: 'builds, and tools fetched', ms: 60_000 },
    { on: 'unit tests', ms: 130_000 },
    { on: 'machines of n100', ms: 300_000 },
    { on: 'some program waited for a processor', ms: 40_000 },
    { on: 'boots', times: 1, ms: 100_000 },
    { on: 'forks of the initrd', times: 1, ms: 60_000 },
    { on: 'forks', times: 1, ms: 1500 },
    { on: 'waiting for memory of the host', times: 1, ms: 61_000 },
    { on: 'tests and checks after them', times: 2, ms: 3500 },
  ]);
  const table = spentTable(spent);
  assert.match(table[2] ?? '', /^ {2}unit tests {10,}2 min 10 s$/);
  assert.match(table[7] ?? '', /^ {2}forks {10,}1 × +1\.5 s$/);
  assert.equal(new Set(table.slice(1).map((line) => line.length)).size, 1, 'columns');
  assert.deepEqual(spentTable([]), []);
  assert.deepEqual([400, 12_345, 119_600, 3_605_000].map(duration), [
    '0.4 s',
    '12 s',
    '2 min 0 s',
    '60 min 5 s',
  ]);
});
