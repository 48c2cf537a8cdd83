import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { readOverlay } from './overlay.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'overlay-test-'));
  await mkdir(join(folder, 'etc/deep'), { recursive: true });
  await writeFile(join(folder, 'etc/conf'), 'text ü\n');
  await writeFile(join(folder, 'etc/deep/run'), '#!/bin/sh\n', { mode: 0o755 });
  await writeFile(join(folder, 'etc/blob'), Buffer.from([0, 0xff, 1]));
  await symlink('../usr/x', join(folder, 'etc/link'));
});
after(() => rm(folder, { recursive: true }));

test('a folder becomes entries of root with plain modes', async () => {
  const entries = await readOverlay(folder, 'n100/etc');
  assert.deepEqual(
    entries.map(({ path, type, mode, uid, gid, origin }) => [path, type, mode, uid, gid, origin]),
    [
      ['etc', 'dir', 0o755, 0, 0, 'overlay:n100/etc'],
      ['etc/blob', 'file', 0o644, 0, 0, 'overlay:n100/etc'],
      ['etc/conf', 'file', 0o644, 0, 0, 'overlay:n100/etc'],
      ['etc/deep', 'dir', 0o755, 0, 0, 'overlay:n100/etc'],
      ['etc/deep/run', 'file', 0o755, 0, 0, 'overlay:n100/etc'],
      ['etc/link', 'symlink', 0o777, 0, 0, 'overlay:n100/etc'],
    ],
  );
  const blob = entries[1];
  assert.ok(blob?.type === 'file' && 'inline' in blob.content);
  assert.deepEqual(Buffer.from(blob.content.inline, blob.content.encoding), Buffer.from([0, 0xff, 1]));
});

test('umask, group bits and times of the checkout do not matter', async () => {
  const before = await readOverlay(folder, 'o');
  await chmod(join(folder, 'etc/conf'), 0o600);
  await chmod(join(folder, 'etc/deep/run'), 0o777);
  await chmod(join(folder, 'etc/deep'), 0o2770);
  await utimes(join(folder, 'etc/conf'), 1, 1);
  assert.deepEqual(await readOverlay(folder, 'o'), before);
});

test('a FIFO is refused by name', async () => {
  const fifo = join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);
  await assert.rejects(readOverlay(folder, 'o'), { name: 'Failure', where: fifo });
  await rm(fifo);
});

test('an empty folder is refused by name, because a clone would not have it', async () => {
  const empty = join(folder, 'etc/deep/empty');
  await mkdir(empty);
  await assert.rejects(readOverlay(folder, 'o'), { name: 'Failure', exitCode: 2, where: empty });
  await rm(empty, { recursive: true });
  const whole = await mkdtemp(join(tmpdir(), 'overlay-test-'));
  await assert.rejects(readOverlay(whole, 'o'), { name: 'Failure', where: whole });
  await rm(whole, { recursive: true });
});
