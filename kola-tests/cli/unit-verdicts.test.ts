import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestEvent } from './stages.ts';
import { countFiles } from './unit-verdicts.ts';

const complete = (file: string, name: string, extra: object = {}, passed = true): TestEvent => ({
  type: 'test:complete',
  data: { file, name, nesting: 0, details: { duration_ms: 7, passed }, ...extra },
});

function counted(events: readonly TestEvent[], end = true): Record<string, number | undefined> {
  const found: Record<string, number | undefined> = {};
  const files = countFiles((file, passed) => {
    assert.ok(!(file in found), `${file} twice`);
    found[file] = passed?.tests;
  });
  for (const event of events) files.see(event);
  if (end) files.end();
  return found;
}

test('a file passes when its process ended well and each test of it ran and passed', () => {
  assert.deepEqual(
    counted([
      complete('a', 'one'),
      complete('b', 'b'), // before the events of its tests
      complete('a', 'two'),
      complete('a', 'of both', { details: { duration_ms: 7, passed: true, type: 'suite' } }),
      complete('a', 'a'),
      complete('b', 'one'),
      complete('c', 'one'),
      complete('c', 'two', {}, false),
      complete('c', 'c', {}, false),
      complete('d', 'skipped', { skip: 'no root' }),
      complete('d', 'd'),
      complete('e', 'later', { todo: true }),
      complete('e', 'e'),
      complete('none', 'none'),
      complete('crashed', 'one'),
      complete('crashed', 'crashed', {}, false),
    ]),
    { a: 2, b: 1, c: undefined, d: undefined, e: undefined, none: undefined, crashed: undefined },
  );
});

test('a file is reported when the next one begins, because the rest of the run may be interrupted', () => {
  const events = [complete('a', 'one'), complete('a', 'a'), complete('b', 'b'), complete('b', 'one')];
  assert.deepEqual(counted(events, false), { a: 1 });
  assert.deepEqual(counted([complete('a', 'one')]), {}, 'its process has not ended');
});
