import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CrashDisk } from './disk.ts';
import { readLog } from './log.ts';
import { BOUNDS, crashStates } from './order.ts';
import { found, logOf, opened, type Request, SECTOR } from './testing.ts';

const flush: Request = { flush: true };
const write = (sector: number, data: string, fua?: true): Request => ({
  sector,
  data,
  ...(fua ? { fua } : {}),
});
const set = (...states: string[]): string[] => states.sort();
const distinct = (states: readonly string[]): string[] => [...new Set(states)].sort();

test('a write may be lost until a flush has ended, in any combination', () => {
  assert.deepEqual(found([]), ['----']);
  assert.deepEqual(found([write(0, 'a')]), ['----', 'a---']);
  assert.deepEqual(found([write(0, 'a'), write(1, 'b')]).sort(), set('----', 'a---', 'ab--', '-b--'));
  assert.deepEqual(
    found([write(0, 'a'), flush, write(1, 'b')]).sort(),
    set('----', 'a---', 'a---', 'ab--'),
    'after the flush there is no state without a',
  );
  assert.equal(found([write(0, 'a'), write(1, 'b'), write(2, 'c')]).length, 8);
});

test('each state occurs once', () => {
  const requests = [0, 1, 2, 3].map((sector) => write(sector, 'abcd'[sector] ?? ''));
  const states = found(requests);
  assert.equal(states.length, 16);
  assert.equal(new Set(states).size, 16);
});

test('of two writes to one sector, the later one wins, or either is lost', () => {
  assert.deepEqual(distinct(found([write(0, 'a'), write(0, 'b')])), set('----', 'a---', 'b---'));
  assert.deepEqual(
    distinct(found([write(0, 'a'), flush, write(0, 'b'), write(0, 'c')])),
    set('----', 'a---', 'b---', 'c---'),
  );
});

test('a finished write with FUA is durable; cached writes may be lost', () => {
  assert.deepEqual(
    distinct(found([write(0, 'a'), write(1, 'b', true)])),
    set('----', 'a---', '-b--', 'ab--'),
  );
  const after = found([write(0, 'a'), write(1, 'b', true), write(2, 'c')]);
  assert.deepEqual(
    distinct(after.slice(-4)),
    set('-b--', 'ab--', '-bc-', 'abc-'),
    'the write b with FUA is never lost',
  );
  assert.ok(
    found([write(0, 'a'), write(0, 'b', true), write(1, 'c')])
      .slice(-3)
      .every((state) => state.startsWith('b')),
    'an older cached write does not replace it',
  );
});

test('a flush before a write makes earlier writes durable, but not the write itself', () => {
  const requests = [write(0, 'a'), write(1, 'b')];
  const log = readLog(opened(logOf(requests)), 'test');
  const entries = log.entries.map((entry, index) => ({ ...entry, preflush: index === 1 }));
  const states = [...crashStates(entries)].map(({ settled, applied }) => [settled, applied]);
  assert.deepEqual(states, [
    [[], []],
    [[], [0]],
    [[0], []],
    [[], [1]],
  ]);
});

test('a write of many sectors may be torn, also over earlier data', () => {
  assert.deepEqual(found([write(0, 'abcd')], 4, BOUNDS, 'wxyz').sort(), set('wxyz', 'abyz', 'wxcd', 'abcd'));
});

test('discarded sectors have zeros, or their old data', () => {
  assert.deepEqual(found([{ sector: 1, discard: 2 }], 4, BOUNDS, 'wxyz'), ['wxyz', 'w--z']);
});

test('of many writes, each is lost alone, and pairs are lost together; the number is limited, and the choice is the same in each run', () => {
  const requests = Array.from({ length: 30 }, (_, sector) => write(sector, 'x'));
  const states = found(requests, 30);
  assert.equal(new Set(states).size, states.length);
  for (let lost = 0; lost < 29; lost += 1)
    assert.ok(states.includes(`${'x'.repeat(lost)}-${'x'.repeat(29 - lost)}`), `only ${lost} is lost`);
  assert.ok(states.includes(`${'x'.repeat(27)}--x`));
  assert.ok(states.includes(`${'-'.repeat(29)}x`));
  assert.ok(states.length < 30 * (2 + BOUNDS.single + 66 + BOUNDS.random));
  assert.deepEqual(found(requests, 30), states);
});

test('equal keys of a region mean equal bytes; writes elsewhere do not change its key', () => {
  const requests = [write(0, 'a'), write(2, 'b'), flush, write(3, 'cd'), write(1, 'e'), flush, write(2, 'f')];
  const fd = opened(logOf(requests));
  const log = readLog(fd, 'test');
  const disk = new CrashDisk({ size: 5 * SECTOR }, log, fd);
  const seen = new Map<string, string>();
  let states = 0;
  for (const state of crashStates(log.entries)) {
    disk.goTo(state);
    const view = disk.view({ offset: 2 * SECTOR, length: 2 * SECTOR });
    const bytes = view.read(0, view.length).toString('latin1');
    assert.equal(seen.get(view.key) ?? bytes, bytes, view.key);
    seen.set(view.key, bytes);
    states += 1;
  }
  assert.ok(seen.size < states, `${seen.size} of ${states}`);
});

test('a file that is not a log, or is truncated, is refused with its place', () => {
  const log = logOf([write(0, 'a'), write(1, 'b')]);
  const wrong = Buffer.from(log);
  wrong.write('?', 0);
  const version = Buffer.from(log);
  version.writeBigUInt64LE(2n, 8);
  const size = Buffer.from(log);
  size.writeUInt32LE(1000, 24);
  for (const [bytes, why] of [
    [wrong, /not a log of writes/],
    [version, /of version 2/],
    [size, /sectors of 1000 bytes/],
    [log.subarray(0, 10), /ends before byte 28/],
    [log.subarray(0, 3 * SECTOR), /ends before byte/],
  ] as const)
    assert.throws(() => readLog(opened(bytes), '/log'), why);
});
