import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BoxError } from '../io/box.ts';
import { FakeBox } from '../io/fake.ts';
import { testFolder } from '../io/testing.ts';
import { LOCKED, takeLock, withLock } from './lock.ts';
import { fakeLocks } from './testing.ts';

const LOCK = '/run/draisine/test.lock';

function locking(): FakeBox {
  const box = new FakeBox();
  box.makeFolder('/proc/42');
  box.symlink('42', '/proc/self');
  fakeLocks(box);
  return box;
}

test('a lock is held by a living process, taken over from a dead one, and released in any case', () => {
  const box = locking();
  box.put({ [`${LOCK}/owner`]: '77', '/proc/77/stat': '' });
  const taken = (error: unknown) => error instanceof BoxError && error.code === LOCKED;
  assert.throws(() => withLock(box, LOCK, 'busy', assert.fail), taken);
  box.remove('/proc/77/stat');
  box.remove('/proc/77');
  assert.equal(
    withLock(box, LOCK, 'busy', () => box.readText(`${LOCK}/owner`)),
    '42',
  );
  assert.throws(() =>
    withLock(box, LOCK, 'busy', () => {
      throw new Error('x');
    }),
  );
  assert.equal(box.stat(`${LOCK}/owner`), undefined);
});

test('a lock that cannot be taken is not called a running process', () => {
  const box = locking();
  box.program('flock', () => ({ code: 66, stderr: 'flock: cannot open: No space left on device' }));
  assert.throws(() => withLock(box, LOCK, 'busy', assert.fail), /cannot take a lock: .*No space left/);
});

test('of many processes that see the lock of a dead one, one takes it over', async (t) => {
  const folder = join(testFolder(t), 'lock');
  mkdirSync(folder);
  const dead = spawnSync('true').pid;
  for (let round = 0; round < 10; round++) {
    writeFileSync(join(folder, 'owner'), String(dead));
    const [program = '', ...args] = takeLock(folder, String(process.pid));
    const codes = await Promise.all(
      Array.from({ length: 8 }, async () => (await once(spawn(program, args), 'exit'))[0] as number),
    );
    assert.deepEqual(codes.sort(), [0, 9, 9, 9, 9, 9, 9, 9]);
    assert.equal(readFileSync(join(folder, 'owner'), 'utf8'), String(process.pid));
  }
});
