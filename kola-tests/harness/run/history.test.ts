import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readDurations, readHistory, record } from './history.ts';

test('durations, last result and flakes are remembered per image; an incomplete line is skipped', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'history-test-'));
  const path = join(dir, 'sub/history.jsonl');
  try {
    assert.equal((await readHistory('n100', path)).size, 0);
    const run = { test: 'zfs.mirror', image: 'n100', artifact: 'a', passed: true, ms: 100 };
    await record(run, path);
    await record({ ...run, passed: false, ms: 7 }, path); // the same artifact: a flake
    await record({ ...run, artifact: 'b', passed: false, ms: 8 }, path); // another one: a regression
    await record({ ...run, image: 'other' }, path);
    await record({ ...run, test: 'zfs.idle' }, path);
    await record({ ...run, test: 'zfs.idle', passed: false, trouble: true }, path);
    await appendFile(path, '{"test":"zfs.mir');
    assert.deepEqual((await readHistory('n100', path)).get('zfs.mirror'), {
      runs: 3,
      lastMs: 100,
      lastPassed: false,
      flakes: 1,
    });
    const { lastPassed, flakes } = (await readHistory('n100', path)).get('zfs.idle') ?? {};
    assert.deepEqual([lastPassed, flakes], [false, 0], 'the test runs again, but is not a flake');
    assert.deepEqual(await readDurations('n100', path), { 'zfs.mirror': 100, 'zfs.idle': 100 });
    await assert.rejects(readDurations('nas', path), {
      exitCode: 2,
      where: path,
      message: /no durations of nas/,
    });
    await assert.rejects(readDurations('n100', join(dir, 'missing')), { exitCode: 2 });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
