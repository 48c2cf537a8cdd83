import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { errorCode } from '../../../sdk/lib/errors.ts';
import { startTimeOf, sweep, sweepTemporary } from './rundir.ts';
import { supervise } from './supervise.ts';
import { poll } from './wait.ts';

const sleeper = { file: '/bin/sleep', args: ['300'], env: {} };

async function withDir(use: (dir: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'supervise-test-'));
  try {
    await use(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Whether the process runs. It is checked with one call, because it may end at any time. */
const alive = (pid: number): boolean => {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    // ESRCH: it ended after the file was opened.
    if (['ENOENT', 'ESRCH'].includes(errorCode(error) ?? '')) return false;
    throw error;
  }
};
const pidIn = async (dir: string): Promise<number> =>
  await poll(
    'a process id',
    async () =>
      Number(existsSync(join(dir, 'qemu.pid')) && readFileSync(join(dir, 'qemu.pid'), 'utf8')) || undefined,
    { timeoutMs: 5000, intervalMs: 5 },
  );
const gone = async (pid: number): Promise<true> =>
  await poll('the end of the process', async () => (alive(pid) ? undefined : true), {
    timeoutMs: 5000,
    intervalMs: 5,
  });

test('a process that ends by itself: exit code, signal, output', async () => {
  await withDir(async (dir) => {
    const plain = await supervise(
      { file: '/bin/sh', args: ['-c', 'echo out; echo err >&2; exit 7'], env: {} },
      dir,
    );
    const { code, output } = await plain.ended;
    assert.equal(code, 7);
    assert.match(output, /out/);
    assert.match(output, /err/);
    assert.equal(
      (await (await supervise({ file: '/nonexistent/qemu', args: [], env: {} }, dir)).ended).code,
      127,
    );
    assert.ok(existsSync(dir), 'the supervisor must not remove the folder of a process that ended');
  });
});

test('kill ends it at once and keeps its folder', async () => {
  await withDir(async (dir) => {
    const process = await supervise(sleeper, dir);
    const pid = await pidIn(dir);
    assert.ok(alive(pid));
    assert.equal((await process.kill()).code, 137);
    assert.ok(!alive(pid));
    assert.ok(existsSync(dir));
  });
});

test('kill -9 of the harness ends its machines and removes their folder', async () => {
  await withDir(async (base) => {
    const dir = join(base, 'machine');
    await mkdir(dir);
    const code = `import { supervise } from ${JSON.stringify(new URL('supervise.ts', import.meta.url).href)};
      await supervise(${JSON.stringify(sleeper)}, ${JSON.stringify(dir)}); setInterval(() => {}, 1000);`;
    const harness = spawn(
      process.execPath,
      ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', code],
      {
        stdio: 'inherit',
        env: { ...process.env, NODE_TEST_CONTEXT: undefined },
      },
    );
    const pid = await pidIn(dir);
    assert.ok(alive(pid));
    harness.kill('SIGKILL');
    await gone(pid);
    await poll('the folder removed', async () => (existsSync(dir) ? undefined : true), {
      timeoutMs: 5000,
      intervalMs: 5,
    });
  });
});

test('a harness that removes the folder and exits ends its machines all the same', async () => {
  await withDir(async (base) => {
    const dir = join(base, 'machine');
    await mkdir(dir);
    // In the order of process.exit(): the exit hook (rundir.ts) removes the folder, then the pipe closes.
    const code = `import { rmSync } from 'node:fs';
      import { supervise } from ${JSON.stringify(new URL('supervise.ts', import.meta.url).href)};
      process.once('exit', () => rmSync(${JSON.stringify(dir)}, { recursive: true, force: true }));
      await supervise(${JSON.stringify(sleeper)}, ${JSON.stringify(dir)});
      process.stdin.once('data', () => process.exit(1));`;
    const harness = spawn(
      process.execPath,
      ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', code],
      {
        stdio: ['pipe', 'inherit', 'inherit'],
        env: { ...process.env, NODE_TEST_CONTEXT: undefined },
      },
    );
    const pid = await pidIn(dir);
    harness.stdin.write('exit\n');
    try {
      await gone(pid);
      assert.ok(!existsSync(dir));
    } finally {
      if (alive(pid)) process.kill(pid, 'SIGKILL');
    }
  });
});

test('the next run removes leftovers of a killed harness and of a killed supervisor, and nothing else', async () => {
  await withDir(async (base) => {
    const dead = join(base, '999999-1');
    const reused = join(base, `${process.pid}-1`);
    const living = join(base, `${process.pid}-${startTimeOf(process.pid)}`);
    for (const dir of [dead, reused, living]) await mkdir(join(dir, '1'), { recursive: true });
    // A machine's process is known by its folder on the command line.
    const orphan = spawn('/bin/sh', ['-c', 'sleep 300; :', join(dead, '1/qmp.sock')], { stdio: 'ignore' });
    const stranger = spawn('/bin/sleep', ['300'], { stdio: 'ignore' });
    await writeFile(join(dead, '1/qemu.pid'), `${orphan.pid}\n`);
    await writeFile(join(reused, '1/qemu.pid'), `${stranger.pid}\n`);
    try {
      const said = sweep(base);
      await gone(orphan.pid ?? 0);
      assert.ok(alive(stranger.pid ?? 0), 'the run ended a process that only has the number of an old one');
      assert.deepEqual(
        [dead, reused, living].map((dir) => existsSync(dir)),
        [false, false, true],
      );
      assert.equal(said.length, 3);
      assert.deepEqual(sweep(base), []);
    } finally {
      orphan.kill('SIGKILL');
      stranger.kill('SIGKILL');
    }
  });
});

test('folders of verbs that were killed are swept, by the number of their process', async () => {
  await withDir(async (base) => {
    const names = [
      'draisine-run-999999-abc',
      `draisine-run-${process.pid}-abc`,
      'draisine-serve-999999-x',
      'draisine-crash-999999-x', // the disks of crash states: gigabytes
      'draisine-flash-999999-x', // an unpacked image
      'draisine-other',
      'draisine-other-123456', // without the number of a process
    ];
    for (const name of names) await mkdir(join(base, name, 'tftp'), { recursive: true });
    assert.equal(sweepTemporary(base).length, 4);
    assert.deepEqual(
      names.map((name) => existsSync(join(base, name))),
      [false, true, false, false, false, true, true],
    );
  });
});
