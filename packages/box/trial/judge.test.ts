import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commonFaults, judge } from './judge.ts';

test('a trial is judged neither early nor by a single look, and at the deadline at the latest', () => {
  const look = (uptime: number, ...faults: string[]) => ({ uptime, faults });
  const of = (...looks: ReturnType<typeof look>[]) => judge(looks, 600, 1200);
  assert.equal(of(), 'look again');
  assert.equal(of(look(590), look(599)), 'look again');
  assert.equal(of(look(590), look(600)), 'commit');
  assert.equal(of(look(700, 'x'), look(710)), 'look again');
  assert.equal(of(look(700, 'x'), look(710), look(720)), 'commit');
  assert.equal(of(look(1100, 'x')), 'look again');
  assert.equal(of(look(1100, 'x'), look(1200, 'x')), 'reject');
  assert.equal(of(look(1190, 'x'), look(1200)), 'look again', 'one good look at the end is given another');
  assert.deepEqual(
    commonFaults(['a.service has failed', 'http://x answers 500'], ['a.service has failed', 'b']),
    ['a.service has failed'],
  );
});
