import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Agent, openAgent } from '../qemu/agent.ts';
import { connectUnix } from '../qemu/socket.ts';
import { withAgent } from './agent.ts';
import { EMPTY_CONFIG } from './ignition.ts';

const limit = { timeoutMs: 5000 };
/** For programs of this host, which may be busy. */
const patient = { timeoutMs: 60_000 };

/** A connection whose far end the test plays. */
async function withGuest(
  play: (guest: Socket) => void,
  use: (agent: Agent, guest: () => Socket) => Promise<void>,
): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'agent-test-'));
  let guest: Socket | undefined;
  const server = createServer((socket) => {
    guest = socket;
    socket.on('error', () => {});
    play(socket);
  });
  await new Promise<void>((resolve) => server.listen(join(dir, 's'), resolve));
  const socket = await connectUnix(join(dir, 's'), limit);
  try {
    await use(openAgent(socket), () => guest as Socket);
  } finally {
    socket.destroy();
    guest?.destroy();
    server.close();
    await rm(dir, { recursive: true, force: true });
  }
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

test('answers of simultaneous commands reach their callers', async () => {
  let seen = 0;
  await withGuest(
    (guest) =>
      guest.on('data', (bytes: Buffer) => {
        seen += bytes.toString().match(/run \d/g)?.length ?? 0;
        if (seen === 2) {
          guest.write(
            `:begin 2\n${base64('two')}\n:stderr\n:end 2 0\n:begin 1\n:stderr\n${base64('one')}\n:end 1 7\n`,
          );
        }
      }),
    async (agent) => {
      const [one, two] = await Promise.all([agent.run('first', limit), agent.run('second', limit)]);
      assert.deepEqual([one.code, one.stderr.toString(), one.stdout.length], [7, 'one', 0]);
      assert.deepEqual([two.code, two.stdout.toString()], [0, 'two']);
    },
  );
});

test('a guest that dies in the middle of an answer fails the call; after its restart, calls work', async () => {
  await withGuest(
    (guest) => {
      guest.write(':hello boot-a\n');
      let calls = 0;
      guest.on('data', (bytes: Buffer) => {
        const id = /run (\d+)/.exec(bytes.toString())?.[1];
        if (id === undefined) return;
        calls += 1;
        if (calls === 1) guest.write(`:begin ${id}\nAAAA\n:hello boot-b\n`);
        else guest.write(`:begin ${id}\n${base64('fine')}\n:stderr\n:end ${id} 0\n`);
      });
    },
    async (agent) => {
      await assert.rejects(agent.run('true', limit), /the guest rebooted/);
      assert.equal((await agent.run('true', limit)).stdout.toString(), 'fine');
    },
  );
});

test('noise, unexpected answers and incomplete answers do no harm', async () => {
  await withGuest(
    (guest) =>
      guest.on('data', (bytes: Buffer) => {
        const id = /run (\d+)/.exec(bytes.toString())?.[1];
        if (id === undefined) return;
        guest.write(
          `login: \n:end ${id} 0\n:begin 99\nAAAA\n:end 99 0\n:what\n:begin ${id}\n${base64('x')}\n:stderr\n:end ${id} 3\n`,
        );
      }),
    async (agent) => {
      const { code, stdout } = await agent.run('true', limit);
      assert.deepEqual([code, stdout.toString()], [3, 'x']);
    },
  );
});

test('the wait for a guest has a time limit; a lost machine ends the wait with its reason', async () => {
  await withGuest(
    () => {},
    async (agent, guest) => {
      await assert.rejects(agent.hello({ timeoutMs: 60 }), /an answer from the guest: not yet after/);
      const lost = new AbortController();
      const call = agent.run('sleep 1000', { timeoutMs: 600_000, signal: lost.signal });
      lost.abort(new Error('kernel panic'));
      await assert.rejects(call, /kernel panic/);
      const closed = agent.run('true', { timeoutMs: 600_000 });
      setTimeout(() => guest().destroy(), 20);
      await assert.rejects(closed, /channel is closed/);
    },
  );
});

/** The guest's own script, run on this host with a pair of pipes in place of the port. */
async function withRealAgent(
  use: (agent: Agent, files: string, child: ChildProcess) => Promise<void>,
): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'agent-test-'));
  const script = (await readFile(new URL('agent.sh', import.meta.url), 'utf8'))
    .replace('dir=/run/draisine-kola', `dir=${dir}/run`)
    .replace('[[ -c $port ]]', 'true')
    .replace('exec 3<>"$port"', 'exec 3<&0')
    .replace('cd /root 2>/dev/null || cd /', ':');
  const server = createServer({ allowHalfOpen: true });
  await new Promise<void>((resolve) => server.listen(join(dir, 's'), resolve));
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const socket = await connectUnix(join(dir, 's'), patient);
  const far = await accepted;
  // A socket is one descriptor for both directions, as the port is.
  const child = spawn('/bin/bash', ['-c', script], { stdio: [far, 'ignore', 'pipe'], detached: true });
  // bash reports commands that a signal ended. The log of the run must not show reports that the test causes.
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  try {
    await use(openAgent(socket), join(dir, 'run'), child);
  } catch (error) {
    process.stderr.write(said);
    throw error;
  } finally {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    socket.destroy();
    far.destroy();
    server.close();
    await rm(dir, { recursive: true, force: true });
  }
}

test('the script: exit code, streams apart, input, binary, several at once, time limit', async () => {
  await withRealAgent(async (agent) => {
    const boot = await agent.hello(patient);
    assert.match(boot, /^[0-9a-f-]{36}$/);

    const plain = await agent.run('echo out; echo err >&2; exit 3', patient);
    assert.deepEqual([plain.code, plain.stdout.toString(), plain.stderr.toString()], [3, 'out\n', 'err\n']);

    const every = Buffer.from(Array.from({ length: 70_000 }, (_, index) => index & 0xff));
    assert.deepEqual((await agent.run('cat', { ...patient, stdin: every })).stdout, every);
    assert.equal(
      (await agent.run("printf '%s' \"quotes ' and ü\"", patient)).stdout.toString(),
      "quotes ' and ü",
    );

    // Each waits until all of them have begun. So they would never end if one waited for the end of another.
    const meet = await mkdtemp(join(tmpdir(), 'agent-test-'));
    const all = await Promise.all(
      [1, 2, 3, 4].map((n) =>
        agent.run(
          `: >${meet}/${n}; until [ "$(ls ${meet} | wc -l)" = 4 ]; do sleep 0.05; done; echo ${n}`,
          patient,
        ),
      ),
    );
    await rm(meet, { recursive: true });
    assert.deepEqual(
      all.map(({ stdout }) => stdout.toString()),
      ['1\n', '2\n', '3\n', '4\n'],
    );

    // A daemon that keeps the streams open does not hold up the answer.
    const daemon = performance.now();
    assert.equal((await agent.run('sleep 30 & echo started', patient)).stdout.toString(), 'started\n');
    assert.ok(performance.now() - daemon < 25_000);

    await assert.rejects(
      agent.run('echo so far; sleep 300', { timeoutMs: 2000 }),
      /still running after 2\.0 s, killed: [\s\S]*so far/,
    );
    assert.equal((await agent.run('exit 124', patient)).code, 124, 'an exit code of 124 is not a time limit');
    assert.equal((await agent.run('kill -SEGV $$', patient)).code, 139);
  });
});

test('the script: answers take turns, and the files of commands that have ended are removed', async () => {
  await withRealAgent(async (agent, files) => {
    // Longer than the buffer of the socket, so that two answers at once would mix.
    const lines = (word: string): string => `${word}\n`.repeat(40_000);
    const words = ['one', 'two', 'three'];
    const all = await Promise.all(
      words.map((word) =>
        agent.run(`yes ${word} | head -n 40000`, patient).then(({ stdout }) => `${stdout}`),
      ),
    );
    assert.ok(
      all.every((text, index) => text === lines(words[index] ?? '')),
      'answers are mixed',
    );

    // It runs while the files of others are removed, and its output stays.
    const long = agent.run(`echo before; until [ -e ${files}/go ]; do sleep 0.05; done; echo after`, patient);
    for (let count = 0; count < 64; count += 1)
      assert.equal((await agent.run('cat', { ...patient, stdin: `${count}` })).stdout.toString(), `${count}`);
    await writeFile(join(files, 'go'), '');
    assert.equal((await long).stdout.toString(), 'before\nafter\n');
    const left = (await readdir(files)).filter((name) => /^\d/.test(name));
    assert.ok(left.length <= 4 * 40, `${left.length} files are left`);
  });
});

test('a script with a NUL or too long for an argument is refused before it is sent', async () => {
  await withGuest(
    () => {},
    async (agent) => {
      await assert.rejects(agent.run('echo \0', limit), /NUL/);
      await assert.rejects(agent.run('x'.repeat(200_000), limit), /too long/);
    },
  );
});

test('the config keeps its contents and gets the agent', () => {
  const config = withAgent({
    ignition: { version: '3.1.0' },
    storage: { files: [{ path: '/etc/x' }], disks: [] },
    systemd: { units: [{ name: 'a.service' }] },
  });
  assert.equal(config.ignition.version, '3.1.0');
  assert.deepEqual(
    config.storage?.files?.map((file) => (file as { path: string }).path),
    ['/etc/x', '/etc/draisine-kola/agent'],
  );
  assert.equal(config.systemd?.units?.length, 2);
  assert.deepEqual(config.storage?.disks, []);
  assert.equal(EMPTY_CONFIG.storage, undefined);
});
