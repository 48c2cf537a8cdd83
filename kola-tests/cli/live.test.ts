import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createProgress } from './live.ts';

test('the line counts tests, not suites or files, and names the running tests', () => {
  const file = '/x/suite.ts';
  const { see, line } = createProgress();
  const event = (type: string, name: string, nesting: number, details = {}): void =>
    see({ type: `test:${type}`, data: { name, nesting, file, details } }, 1000);
  assert.equal(line(0, 80), '');
  event('enqueue', file, 0);
  event('dequeue', file, 0);
  event('enqueue', 'kola n100', 0);
  event('dequeue', 'kola n100', 0);
  for (const name of ['a.one', 'a.two', 'a.three']) event('enqueue', name, 1);
  event('dequeue', 'a.one', 1);
  event('dequeue', 'a.two', 1);
  assert.equal(line(3000, 80), '0 of 3 done · a.one 2.0 s · a.two 2.0 s');
  event('complete', 'a.two', 1, { error: new Error('why') });
  assert.equal(line(3000, 80), '1 of 3 done · 1 FAILED · a.one 2.0 s');
  assert.equal(line(3000, 20), '1 of 3 done · 1 FA…');
  event('complete', 'a.one', 1);
  event('dequeue', 'a.three', 1);
  event('complete', 'a.three', 1);
  event('complete', 'kola n100', 0, { type: 'suite' });
  assert.equal(line(3000, 80), '');
});
