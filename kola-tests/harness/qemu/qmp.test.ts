import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connectQmp } from './qmp.ts';

const GREETING =
  '{"QMP": {"version": {"qemu": {"micro": 13, "minor": 0, "major": 10}}, "capabilities": []}}\r\n';
const patience = { timeoutMs: 2000 };

interface Call {
  readonly id: number;
  readonly execute: string;
  readonly arguments?: object;
}

/** A QEMU that greets and answers as `answer` says; returns the path of its socket. */
async function fakeQemu(
  answer: (call: Call, socket: Socket) => void,
  use: (path: string) => Promise<void>,
  greeting = GREETING,
): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'qmp-test-'));
  const path = join(dir, 'qmp');
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.write(greeting);
    let rest = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const call = JSON.parse(line) as Call;
        if (call.execute === 'qmp_capabilities') socket.write(`{"return": {}, "id": ${call.id}}\n`);
        else answer(call, socket);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  try {
    await use(path);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
    await rm(dir, { recursive: true, force: true });
  }
}

test('commands are matched to answers by id, in any order and any chunks', async () => {
  const held: Call[] = [];
  await fakeQemu(
    (call, socket) => {
      held.push(call);
      if (held.length < 2) return;
      const text = held
        .reverse()
        .map(({ id, execute }) => `{"return": "${execute}", "id": ${id}}\r\n`)
        .join('');
      for (const byte of Buffer.from(text)) socket.write(Buffer.of(byte));
    },
    async (path) => {
      const qmp = await connectQmp(path, patience);
      assert.equal(qmp.version, '10.0.13');
      assert.deepEqual(await Promise.all([qmp.execute('first'), qmp.execute('second')]), ['first', 'second']);
    },
  );
});

test('an error answer is a Failure in the words of QEMU', async () => {
  await fakeQemu(
    ({ id }, socket) =>
      socket.write(`{"error": {"class": "GenericError", "desc": "Device not found"}, "id": ${id}}\n`),
    async (path) => {
      const qmp = await connectQmp(path, patience);
      await assert.rejects(qmp.execute('device_del', { id: 'x' }), {
        name: 'Failure',
        message: 'QMP device_del: Device not found',
      });
    },
  );
});

test('events reach listeners and waits, interleaved with answers', async () => {
  const event =
    '{"event": "RESET", "data": {"guest": true}, "timestamp": {"seconds": 1, "microseconds": 2}}\n';
  await fakeQemu(
    ({ id }, socket) => socket.write(`${event}{"return": {}, "id": ${id}}\n${event}`),
    async (path) => {
      const qmp = await connectQmp(path, patience);
      const seen: string[] = [];
      const stop = qmp.onEvent(({ event: name }) => seen.push(name));
      const wait = qmp.nextEvent(({ event: name }) => name === 'RESET', 'a reset', patience);
      await qmp.execute('system_reset');
      assert.equal((await wait).data?.guest, true);
      await qmp.execute('query-status');
      stop();
      await qmp.execute('query-status');
      assert.ok(seen.length >= 3 && seen.length <= 4, `${seen.length} events`);
    },
  );
});

test('the end of QEMU fails present and later commands at once', async () => {
  await fakeQemu(
    (_call, socket) => socket.destroy(),
    async (path) => {
      const qmp = await connectQmp(path, patience);
      const start = performance.now();
      await assert.rejects(qmp.execute('cont'), /connection closed by QEMU/);
      await assert.rejects(qmp.execute('stop'), /connection closed by QEMU/);
      await assert.rejects(
        qmp.nextEvent(() => true, 'anything', { timeoutMs: 60_000 }),
        /connection closed by QEMU/,
      );
      assert.ok(performance.now() - start < 1000);
    },
  );
});

test('a call to a hanging QEMU fails after the time limit, and the late answer is ignored', async () => {
  let late = (): void => {};
  await fakeQemu(
    ({ id, execute }, socket) => {
      if (execute === 'slow') late = () => socket.write(`{"return": "late", "id": ${id}}\n`);
      else socket.write(`{"return": "quick", "id": ${id}}\n`);
    },
    async (path) => {
      const qmp = await connectQmp(path, patience);
      await assert.rejects(qmp.execute('slow', undefined, 50), /QMP slow: not done after/);
      late();
      assert.equal(await qmp.execute('other'), 'quick');
    },
  );
});

test('input that is not QMP ends the connection with a clear reason', async () => {
  await fakeQemu(
    (_call, socket) => socket.write('Segmentation fault\n'),
    async (path) => {
      const qmp = await connectQmp(path, patience);
      await assert.rejects(qmp.execute('cont'), /not QMP: Segmentation fault/);
      assert.ok(qmp.closed.aborted);
    },
  );
  await fakeQemu(
    () => {},
    async (path) => {
      await assert.rejects(connectQmp(path, { timeoutMs: 100 }), /greeting of QMP: not done/);
    },
    '',
  );
});
