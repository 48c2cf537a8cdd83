import assert from 'node:assert/strict';
import { test } from 'node:test';
import { record } from '../harness/run/history.ts';
import type { RegisteredTest } from '../harness/run/register.ts';
import { keepPass } from '../verdict/record.ts';
import { temporaryCheckout } from '../verdict/testing.ts';
import { describeBeforehand, longestFirst, machinesTake, sabotagesTake, takeTogether } from './beforehand.ts';

const registered = (name: string, waits = false): RegisteredTest => ({
  definition: { name, what: 'It works.', waits },
  file: '',
  body: async () => {},
});

test('the forecast is one line: the parts of the run, and their sum if there are several', () => {
  assert.equal(
    describeBeforehand([
      { what: 'build n100 (kernel-n100 20 min, 44 more 1 min: about 21 min)', ms: 0 },
      { what: '144 files of unit tests', ms: 119_400 },
      { what: '118 tests on machines of n100', ms: 1_200_000 },
    ]),
    'to do: build n100 (kernel-n100 20 min, 44 more 1 min: about 21 min), 144 files of unit tests 119 s, ' +
      '118 tests on machines of n100 20 min: about 22 min at most',
  );
  assert.equal(
    describeBeforehand([{ what: '1 file of unit tests', ms: 300 }]),
    'to do: 1 file of unit tests 1 s',
  );
});

test('the forecast uses recorded durations, else a table; tests that mostly wait run beside the others', async (t) => {
  await temporaryCheckout(t, {}); // with a cache of its own
  const tests = [registered('a.one'), registered('a.two'), registered('a.waits', true)];
  assert.equal(await machinesTake('n100', tests, 2), 25_000);
  const run = { image: 'n100', artifact: 'a', passed: true };
  await record({ ...run, test: 'a.one', ms: 90_000 });
  await record({ ...run, test: 'a.two', ms: 50_000 });
  await record({ ...run, test: 'a.waits', ms: 60_000 });
  assert.equal(await machinesTake('n100', tests, 1), 140_000);
  assert.equal(await machinesTake('n100', tests, 2), 90_000, 'not shorter than the longest test');
  assert.equal(await machinesTake('n100', tests.slice(2), 1), 60_000);
  assert.equal(await machinesTake('n100', [], 2), 0);
  assert.equal(sabotagesTake(4, 2), 30_000);

  assert.deepEqual(await longestFirst(['x.test.ts'], 'unitFile'), [{ file: 'x.test.ts', ms: 2000 }]);
  const pass = { at: '2026-11-29T12:00:00Z', tests: 1 };
  await keepPass({ kind: 'unit', name: 'x.test.ts' }, 'a'.repeat(64), { ...pass, ms: 7000 });
  assert.deepEqual(await longestFirst(['a.test.ts', 'x.test.ts'], 'unitFile'), [
    { file: 'x.test.ts', ms: 7000 },
    { file: 'a.test.ts', ms: 2000 },
  ]);
  assert.ok(takeTogether([{ file: 'x.test.ts', ms: 7000 }]) >= 7000, 'not shorter than the longest file');
});
