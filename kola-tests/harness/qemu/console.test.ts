import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Failure } from '../../../sdk/lib/errors.ts';
import { indent, openConsole, plainText } from './console.ts';

function consoleOf(): { say(text: string): void; read: ReturnType<typeof openConsole>; doom: Failure[] } {
  const stream = new PassThrough();
  const doom: Failure[] = [];
  const read = openConsole(stream as unknown as Socket, (failure) => doom.push(failure));
  return { say: (text) => void stream.write(text), read, doom };
}

test('all escape sequences and carriage returns are removed', () => {
  assert.equal(
    plainText('\x1b[2J\x1b[01;01H\x1b[!p\x1b]104\x07\x1b[?7h\x1b[0;1;39mhello\x1b[0m\r\n\x1b(Bworld'),
    'hello\nworld',
  );
});

test('an escape sequence in pieces is removed too; a sequence without an end does not delay the output', async () => {
  for (const pieces of [
    ['\x1b[0', ';1;39mOK\x1b', '[0m\n'],
    ['\x1b', '[0;1;39mOK\n'],
    ['\x1b]0;ti', 'tle\x1b', '\\OK\n'],
    ['\x1b(', 'BOK\n'],
  ]) {
    const { say, read } = consoleOf();
    for (const piece of pieces) {
      say(piece);
      await sleep(1);
    }
    assert.equal(read.text(), 'OK\n', JSON.stringify(pieces));
  }
  const { say, read } = consoleOf();
  say(`\x1b]${'x'.repeat(10_000)}`);
  await sleep(1);
  assert.ok(read.text().length > 5000);
});

test('waits find earlier and later output, from a position on', async () => {
  const { say, read } = consoleOf();
  say('login: ');
  await sleep(5);
  const since = read.position();
  assert.equal((await read.waitFor(/log(in)/, { timeoutMs: 100 }))[1], 'in');
  await assert.rejects(
    read.waitFor(/login/, { timeoutMs: 50, since }),
    /login\/ on the console: not yet after/,
  );
  setTimeout(() => say('\x1b[1mlo'), 10);
  setTimeout(() => say('gin: '), 20);
  await read.waitFor(/login/, { timeoutMs: 1000, since });
});

test('a panic in pieces is noticed once, with its line and the following ones', async () => {
  const { say, read, doom } = consoleOf();
  say('[    1.0] Kernel panic - not syn');
  await sleep(5);
  assert.equal(doom.length, 0);
  say('cing: VFS: Unable to ');
  say('mount root fs\nCPU: 0 PID: 1\n');
  await sleep(400);
  say('Kernel panic - not syncing: again\n');
  await sleep(400);
  assert.equal(doom.length, 1);
  assert.match(
    doom[0]?.message ?? '',
    /^the kernel panicked: Kernel panic - not syncing: VFS: Unable to mount root fs\n/,
  );
  assert.match(doom[0]?.message ?? '', /CPU: 0 PID: 1/);
  assert.match(read.text(), /again/);
});

test('a flood is bounded in memory and ends the machine', async () => {
  const { say, read, doom } = consoleOf();
  const block = `${'x'.repeat(1023)}\n`.repeat(1024);
  for (let megabyte = 0; megabyte < 70; megabyte += 1) {
    say(block);
    await sleep(0);
  }
  await sleep(20);
  assert.ok(read.text().length <= (1 << 20) + (512 << 10));
  assert.equal(doom.length, 1);
  assert.match(doom[0]?.message ?? '', /floods its console/);
});

test('quotations are marked and their long lines cut', () => {
  assert.equal(indent('a\nb'), '  | a\n  | b');
  assert.equal(indent('\x1b[2Ja\x07\tb\x9b31m\x08\r\nok 1'), '  | a\ufffd\tb\ufffd31m\ufffd\n  | ok 1');
  assert.ok(indent('x'.repeat(10_000)).length < 300);
});
