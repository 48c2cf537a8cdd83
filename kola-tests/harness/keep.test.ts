import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Failure } from '../../sdk/lib/errors.ts';
import { serveMachine } from './keep.ts';

const ENTRY = fileURLToPath(new URL('../../draisine.ts', import.meta.url));

/** `kola attach` with these arguments, without a terminal. */
async function attach(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', ENTRY, 'kola', 'attach', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.once('close', resolve)),
  ]);
  return { code, stdout, stderr };
}

test('a command reaches a kept machine and comes back with its streams and exit code', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'keep-test-'));
  const never = (): never => {
    throw new Failure('not asked for');
  };
  const server = await serveMachine({
    dir,
    execute: async (script) => {
      if (script === 'hang up') throw new Failure('the guest channel is closed');
      return { code: 7, stdout: `ran ${script}`, stderr: 'ünd' };
    },
    succeed: never,
    vm: never,
    waitUntilSucceeds: never,
  });
  try {
    assert.deepEqual(await attach(dir, 'systemctl', '--failed'), {
      code: 7,
      stdout: 'ran systemctl --failed\n',
      stderr: 'ünd\n',
    });
    assert.deepEqual(await attach(dir, 'hang up'), {
      code: 1,
      stdout: '',
      stderr: 'error: the guest channel is closed\n',
    });
    const shell = await attach(dir);
    assert.equal(shell.code, 2);
    assert.match(shell.stderr, /needs a terminal/);
  } finally {
    server.close();
    await rm(dir, { recursive: true, force: true });
  }
  const gone = await attach(dir, 'true');
  assert.equal(gone.code, 2);
  assert.match(gone.stderr, /no machine is kept there[\s\S]*--keep/);
});
