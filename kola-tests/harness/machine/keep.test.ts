import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Failure } from '../../../sdk/lib/errors.ts';
import { ChannelClosed } from '../qemu/agent.ts';
import { serveMachine } from './keep.ts';

const ENTRY = fileURLToPath(new URL('../../../draisine.ts', import.meta.url));

/** Bytes that are not text, with several kinds of line ends. */
const BYTES = Buffer.from([0xff, 0xfe, 0, 1, 10, 10]);

/** `kola attach` with these arguments, without a terminal. */
async function attach(...args: string[]) {
  const child = spawn(process.execPath, ['--import', 'tsx', ENTRY, 'kola', 'attach', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [bytes, stderr, code] = await Promise.all([
    buffer(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.once('close', resolve)),
  ]);
  return { bytes, code, stdout: bytes.toString(), stderr };
}

const told = ({ bytes: _, ...rest }: Awaited<ReturnType<typeof attach>>): object => rest;

test('a command reaches a kept machine and comes back with its streams and exit code', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'keep-test-'));
  const never = (): never => {
    throw new Failure('not asked for');
  };
  const server = await serveMachine({
    dir,
    output: async (script) => {
      if (script === 'hang up') throw new ChannelClosed();
      const stdout = Buffer.from(script === 'bytes' ? BYTES : `ran ${script}\n`);
      return { code: 7, stdout, stderr: Buffer.from('ünd') };
    },
    succeed: never,
    vm: never,
    waitUntilSucceeds: never,
  });
  try {
    assert.deepEqual(told(await attach(dir, 'systemctl', '--failed')), {
      code: 7,
      stdout: 'ran systemctl --failed\n',
      stderr: 'ünd',
    });
    assert.deepEqual((await attach(dir, 'bytes')).bytes, BYTES);
    assert.deepEqual(told(await attach(dir, 'hang up')), {
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
