import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { Failure } from '../../../sdk/lib/errors.ts';
import { type Agent, firstLine } from '../qemu/agent.ts';
import type { Vm } from '../qemu/vm.ts';
import { commandVerbs } from './commands.ts';

/** The verbs of a guest whose scripts run with the bash of this host. */
function verbs(): ReturnType<typeof commandVerbs> {
  const run: Agent['run'] = async (script) => {
    const { status, stdout, stderr } = spawnSync('/bin/bash', ['-c', script]);
    return { code: status ?? 1, stdout, stderr };
  };
  const vm = { agent: { run }, lost: new AbortController().signal } as unknown as Vm;
  return commandVerbs({ name: 'box', vm: () => vm, limitMs: () => 1000 });
}

test('a script of several lines must succeed in each of them', async () => {
  const { succeed, execute } = verbs();
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
