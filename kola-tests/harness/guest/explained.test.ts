import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EXPLAINED, explainedFor, unexplained } from './explained.ts';

const line = (identifier: string | undefined, message: unknown): string =>
  JSON.stringify({ SYSLOG_IDENTIFIER: identifier, MESSAGE: message, PRIORITY: '4' });

test('warnings without an explanation remain, each once', () => {
  const text = [
    line('kernel', 'spl: loading out-of-tree module taints kernel.'),
    line('kernel', 'Disabling lock debugging due to kernel taint'),
    line('systemd-sysctl', "Couldn't write '1' to 'net/ipv4/conf/eth0/x'"),
    line('systemd-sysctl', "Couldn't write '1' to 'net/ipv4/conf/eth0/x'"),
    line(undefined, [104, 228]),
    '',
  ].join('\n');
  const { left, met } = unexplained(text, EXPLAINED);
  assert.deepEqual(left, ["systemd-sysctl: Couldn't write '1' to 'net/ipv4/conf/eth0/x'", '?: hä']);
  assert.equal(met.size, 2);
});

test('an explanation covers a message, not all messages of a program', () => {
  assert.deepEqual(unexplained(line('kernel', 'zfs: something else'), EXPLAINED).left, [
    'kernel: zfs: something else',
  ]);
  for (const { pattern } of EXPLAINED) assert.match(pattern.source, /^\^.*\$$/, pattern.source);
});

test('a module without a signature is explained only where the image has no key', () => {
  const text = 'zfs: module verification failed: signature and/or required key missing - tainting kernel';
  assert.deepEqual(unexplained(line('kernel', text), explainedFor({ signed: false })).left, []);
  assert.deepEqual(unexplained(line('kernel', text), explainedFor({ signed: true })).left, [
    `kernel: ${text}`,
  ]);
});
