import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeRoom } from './snapshot-room.ts';

test('the least recently used snapshots are removed first, until the rest fits', async () => {
  const root = await mkdtemp(join(tmpdir(), 'snapshot-test-'));
  try {
    for (const [index, name] of ['newest', 'middle', 'oldest'].entries()) {
      await mkdir(join(root, name));
      await writeFile(join(root, name, 'ram'), Buffer.alloc(1 << 20, 1));
      const used = new Date(Date.now() - index * 60_000);
      await utimes(join(root, name), used, used);
    }
    const left = (): boolean[] => ['newest', 'middle', 'oldest'].map((name) => existsSync(join(root, name)));
    await makeRoom(root, 4 << 20);
    assert.deepEqual(left(), [true, true, true]);
    await makeRoom(root, (2 << 20) + (64 << 10));
    assert.deepEqual(left(), [true, true, false]);
    await makeRoom(root, 0);
    assert.deepEqual(left(), [false, false, false]);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});

test('unfinished snapshots of killed runs are removed, those of living runs are kept', async () => {
  const root = await mkdtemp(join(tmpdir(), 'snapshot-test-'));
  try {
    const dead = join(root, 'abc.tmp-999999-00000000');
    const living = join(root, `abc.tmp-${process.pid}-00000000`);
    await mkdir(dead);
    await mkdir(living);
    await makeRoom(root, 1 << 30);
    assert.deepEqual([existsSync(dead), existsSync(living)], [false, true]);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});

test('a snapshot that another run publishes or removes meanwhile is skipped', async () => {
  const root = await mkdtemp(join(tmpdir(), 'snapshot-test-'));
  try {
    let over = false;
    const other = (async () => {
      for (let index = 0; !over; index += 1) {
        const made = join(root, `${index}.tmp-${process.pid}-0`);
        await mkdir(made);
        for (const name of ['state', 'vars.fd']) await writeFile(join(made, name), 'x');
        await rename(made, join(root, String(index)));
        await rm(join(root, String(index - 2)), { recursive: true, force: true });
      }
    })();
    for (let round = 0; round < 200; round += 1) await makeRoom(root, 1 << 30);
    over = true;
    await other;
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
