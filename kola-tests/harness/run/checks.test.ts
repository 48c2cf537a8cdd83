import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge, unexpected } from './checks.ts';

const ssh =
  'socket tcp   LISTEN 0      128          0.0.0.0:22        0.0.0.0:*    users:(("sshd",pid=400,fd=3))';
const dhcp =
  'socket udp   UNCONN 0      0      10.0.2.15%ens1:68        0.0.0.0:*    users:(("systemd-network",pid=300,fd=20))';
const stub =
  'socket udp   UNCONN 0      0      127.0.0.53%lo:53         0.0.0.0:*    users:(("systemd-resolve",pid=301,fd=17))';

test('a healthy machine has no findings', () => {
  const healthy = [
    ssh,
    ssh.replace('0.0.0.0:22', '[::]:22'),
    dhcp,
    stub,
    'socket udp UNCONN 0 0 10.0.2.15%ens1:68 0.0.0.0:*',
    'socket tcp LISTEN 0 4096 127.0.0.1:9000 0.0.0.0:* users:(("x",pid=1,fd=1))',
    'socket tcp LISTEN 0 4096 [::1]:9000 [::]:* users:(("x",pid=1,fd=1))',
    'kernel device-mapper: verity: sha256 using implementation "sha256-generic"',
    'zfs all pools are healthy',
    'zfs no pools available',
    '',
  ];
  assert.deepEqual(
    healthy.flatMap((line) => judge(line, false)),
    [],
  );
});

test('each kind of fault is a finding', () => {
  const found = [
    'unit web.service loaded failed failed A web server',
    'kernel BUG: unable to handle page fault for address: 0000000000000010',
    'guest cannot be checked: exit 1: dmesg: not permitted',
    'socket tcp LISTEN 0 4096 0.0.0.0:5355 0.0.0.0:* users:(("systemd-resolve",pid=301,fd=11))',
    'socket udp UNCONN 0 0 0.0.0.0:68 0.0.0.0:* users:(("rogue",pid=5,fd=1))',
    'zfs  state: DEGRADED',
  ].map((line) => judge(line, false));
  assert.ok(
    found.every((findings) => findings.length === 1),
    JSON.stringify(found),
  );
  assert.deepEqual(found[0], ['failed unit: web.service']);
  assert.deepEqual(found[3], ['listener: tcp 0.0.0.0:5355 systemd-resolve']);
});

test('a test can announce its own findings, and no others', () => {
  const found = ['listener: tcp 0.0.0.0:8080 conmon', 'failed unit: web.service'];
  assert.deepEqual(unexpected(found, [/^listener: tcp .*:8080 /]), ['failed unit: web.service']);
  assert.deepEqual(unexpected(found, []), found);
});
