import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { checkAgainst } from '../build/debian/check.ts';
import { lockedSet, readLock } from '../build/debian/lock.ts';
import { LOCK_PATH } from '../build/debian/lock-path.ts';
import { sets } from './sets/index.ts';

test('the committed lock matches the package sets', async () => {
  assert.deepEqual(checkAgainst(await readLock(LOCK_PATH), sets, await readFile(LOCK_PATH, 'utf8')), []);
});

test('no set has a package that it drops', async () => {
  const lock = await readLock(LOCK_PATH);
  for (const set of sets) {
    const names = new Set(lockedSet(lock, set.name).map(({ name }) => name));
    for (const { package: dropped } of set.drop ?? [])
      assert.ok(!names.has(dropped), `${dropped} in ${set.name}`);
  }
});
