import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import fc from 'fast-check';
import { CHECKOUT } from '../../../sdk/lib/checkout.ts';
import { bundleBox } from '../bundle.ts';
import { contractFaults, programFaults } from './contract.ts';
import { FakeBox } from './fake.ts';
import { nodeBox } from './node.ts';
import { quickjsCommand, testFolder } from './testing.ts';
import { decodeUtf8, encodeUtf8 } from './utf8.ts';

test('a box of Node keeps the contract', (t) => {
  const box = nodeBox({ root: testFolder(t) });
  box.makeFolder('/tmp');
  assert.deepEqual(contractFaults(box, '/tmp/box'), []);
  const host = nodeBox({ root: '' });
  assert.deepEqual(programFaults(host, testFolder(t)), []);
});

test('a made-up box keeps the contract', () => {
  assert.deepEqual(contractFaults(new FakeBox(), '/tmp/box'), []);
});

test('the box itself, in QuickJS, keeps the contract', async (t) => {
  const folder = testFolder(t);
  const { file, args, env } = await quickjsCommand(folder, 'packages/box/io/contract-main.ts', [folder]);
  const ran = spawnSync(file, args, { env, encoding: 'utf8' });
  assert.equal(ran.stderr, '');
  assert.deepEqual(JSON.parse(ran.stdout), []);
});

test('processes that write one file at the same time do not tear it, and leave nothing beside it', async (t) => {
  const folder = testFolder(t);
  for (const left of ['.file.new', '.file.999999999.new', '.file.1.new', '.file.a.new', '.other.new'])
    writeFileSync(join(folder, left), '');
  const { file, args, env } = await quickjsCommand(folder, 'packages/box/io/race-main.ts', [folder]);
  const writers = ['a', 'b', 'c'].map(async (letter) => {
    const ran = spawn(file, [...args, letter], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    return [await text(ran.stdout), await text(ran.stderr)];
  });
  for (const said of await Promise.all(writers)) assert.deepEqual(said, ['whole\n', '']);
  // A process with the number 1 lives. The last two names belong to other files.
  const rest = ['.file.1.new', '.file.a.new', '.other.new', 'file', 'link'];
  assert.deepEqual(
    readdirSync(folder).filter((name) => rest.includes(name) || name.endsWith('.new')),
    rest,
  );
});

test('a program that nobody can end is left behind', async (t) => {
  const folder = testFolder(t);
  // As timeout(1) does while its program hangs in the kernel.
  writeFileSync(join(folder, 'timeout'), '#!/bin/sh\nexec sleep 30\n', { mode: 0o755 });
  const { file, args, env } = await quickjsCommand(folder, 'packages/box/io/hang-main.ts', []);
  const ran = spawnSync(file, args, {
    env: { ...env, PATH: `${folder}:${process.env.PATH}` },
    encoding: 'utf8',
    timeout: 20_000,
  });
  const stderr = 'cat hangs in the kernel and cannot be ended';
  assert.deepEqual(JSON.parse(ran.stdout), { code: 124, stdout: '', stderr });
});

test('the bundle is the same wherever the checkout is, and names no folder of this machine', async (t) => {
  const elsewhere = testFolder(t);
  for (const part of ['packages/box', 'build/release/format'])
    cpSync(join(CHECKOUT, part), join(elsewhere, part), { recursive: true });
  const here = Buffer.from(await bundleBox(CHECKOUT));
  assert.ok(here.equals(await bundleBox(elsewhere)));
  assert.ok(!here.includes(CHECKOUT));
});

test('code of the box cannot import the build', async () => {
  await assert.rejects(bundleBox(CHECKOUT, 'packages/box/bundle.ts'), /Could not resolve|from elsewhere/);
});

test('UTF-8 gives the same as Node', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.deepEqual(Buffer.from(encodeUtf8(text)), Buffer.from(text));
      assert.equal(decodeUtf8(Buffer.from(text)), Buffer.from(text).toString());
    }),
  );
  const long = 'x漢'.repeat(10_000);
  assert.equal(decodeUtf8(encodeUtf8(long)), long);
  for (const wrong of [[0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80], [0xe2, 0x82], [0x80]])
    assert.match(decodeUtf8(Uint8Array.from(wrong)), /^\ufffd/);
});
