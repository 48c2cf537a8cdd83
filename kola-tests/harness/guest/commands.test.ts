import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Failure } from '../../../sdk/lib/errors.ts';
import { type Agent, firstLine } from '../qemu/agent.ts';
import type { Vm } from '../qemu/vm.ts';
import { commandVerbs, type GuestOf } from './commands.ts';
import { transferVerbs } from './transfer.ts';
import { waitVerbs } from './waits.ts';

/** A guest whose scripts run with the bash of this host. */
function guest(): GuestOf {
  const run: Agent['run'] = async (script, { stdin = '' }) => {
    const { status, stdout, stderr } = spawnSync('/bin/bash', ['-c', script], { input: stdin });
    return { code: status ?? 1, stdout, stderr };
  };
  const vm = { agent: { run }, lost: new AbortController().signal } as unknown as Vm;
  return { name: 'box', vm: () => vm, limitMs: () => 1000 };
}

test('a script of several lines must succeed in each of them', async () => {
  const { succeed, execute } = commandVerbs(guest());
  assert.equal(await succeed('\n  one=1\n  [ $one = 1 ]\n  echo done'), 'done');
  await assert.rejects(succeed('\n  one=1\n  [ $one = 2 ]\n  echo done'), (error) => {
    assert.ok(error instanceof Failure);
    assert.match(error.message, /^box: exit 1 of: one=1 …/);
    return true;
  });
  // A part of one line may fail, as in any shell, and `execute` reports whatever the script returns.
  assert.equal(await succeed('false; echo done'), 'done');
  assert.deepEqual(await execute('false\necho done'), { code: 0, stdout: 'done', stderr: '' });
});

test('an error names the first line that does something', () => {
  assert.equal(firstLine('\n  set -e\n  mount a b\n  umount b'), 'mount a b …');
  assert.equal(firstLine('true'), 'true');
});

test('a file is copied with its mode into a missing folder, whatever its size is', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'transfer-test-'));
  try {
    const commands = commandVerbs(guest());
    const { copyTo, copyFrom } = transferVerbs(guest(), commands);
    const large = Buffer.from(Array.from({ length: 2_500_000 }, (_, index) => (index * 7) & 0xff));
    for (const [name, bytes] of Object.entries({ empty: Buffer.alloc(0), small: Buffer.from('x'), large })) {
      const path = join(dir, "it's new", name);
      for (const again of [Buffer.from('longer than the next one'), bytes])
        await copyTo(again, path, { mode: 0o600 });
      assert.ok((await readFile(path)).equals(bytes), name);
      assert.equal((await stat(path)).mode & 0o777, 0o600);
      assert.ok((await copyFrom(path)).equals(bytes), name);
      await writeFile(join(dir, 'source'), bytes);
      await copyTo(join(dir, 'source'), join(dir, `${name}-copy`));
      assert.ok((await readFile(join(dir, `${name}-copy`))).equals(bytes), name);
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

test('the wait for several files ends with the last one, or names a missing one', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'waits-test-'));
  try {
    const { waitForFile } = waitVerbs(guest(), commandVerbs(guest()));
    const [one, two] = [join(dir, 'one'), join(dir, 'two')];
    await writeFile(one, '');
    spawn('/bin/sh', ['-c', 'sleep 0.3; : >"$0"', two]);
    await waitForFile([one, two]);
    await rm(two);
    await assert.rejects(waitForFile([one, two]), new RegExp(`^Failure: box: no ${two} after 1\\.0 s`));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
