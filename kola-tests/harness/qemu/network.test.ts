import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { frameSplitter, openNetwork } from './network.ts';

const BROADCAST = 'ffffffffffff';
const [A, B, C] = ['52540000000a', '52540000000b', '52540000000c'] as const;

function frame(to: string, from: string, payload: string): Buffer {
  const bytes = Buffer.concat([Buffer.from(to + from, 'hex'), Buffer.from([0x08, 0]), Buffer.from(payload)]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

test('frames go to all ports until their station is known, and then only to its port', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'net-test-'));
  const network = await openNetwork(dir, 'lan');
  const got: Record<string, string[]> = { a: [], b: [], c: [] };
  const ports: Record<string, Socket> = {};
  try {
    for (const name of ['a', 'b', 'c']) {
      const port = connect(network.socket);
      ports[name] = port;
      port.on(
        'data',
        frameSplitter(
          (bytes) => got[name]?.push(bytes.toString('utf8', 14)),
          () => assert.fail('a broken frame'),
        ),
      );
      await new Promise((resolve) => port.once('connect', resolve));
    }
    const send = async (port: string, bytes: Buffer): Promise<void> => {
      // In two pieces: frames do not respect chunks.
      ports[port]?.write(bytes.subarray(0, 5));
      await sleep(5);
      ports[port]?.write(bytes.subarray(5));
      await sleep(20);
    };
    await send('a', frame(BROADCAST, A, 'who is b'));
    await send('b', frame(A, B, 'me'));
    await send('a', frame(B, A, 'hello b'));
    await send('c', frame(B, C, 'hello from c'));
    assert.deepEqual(got, { a: ['me'], b: ['who is b', 'hello b', 'hello from c'], c: ['who is b'] });

    // A station that moved is found again.
    ports.b?.destroy();
    await sleep(20);
    await send('a', frame(B, A, 'are you there'));
    assert.deepEqual(got.c, ['who is b', 'are you there']);
  } finally {
    await network.close();
    await rm(dir, { recursive: true, force: true });
  }
});

test('an impossible length of a frame is an error, and the network does not wait for gigabytes', () => {
  for (const length of [0, 13, 1 << 30]) {
    let faults = 0;
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(length);
    frameSplitter(
      () => assert.fail('no frame'),
      () => (faults += 1),
    )(bytes);
    assert.equal(faults, 1);
  }
});
