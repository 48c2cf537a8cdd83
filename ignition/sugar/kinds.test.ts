import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Failure } from '../../sdk/lib/errors.ts';
import { machine } from '../machine.ts';

const image = 'docker.io/library/caddy:2';
const tank = { vdevs: [{ disk: '/dev/disk/by-id/a' }] };

/** The place and the text of the refusal of a config whose types are wrong. */
function refusal(options: object): string {
  try {
    machine(options as never);
  } catch (error) {
    const { name, message, where } = error as Failure;
    assert.equal(name, 'Failure', String(error));
    return `${where}: ${message}`;
  }
  return 'accepted';
}

test('a value of another kind than the option has is refused with its place', () => {
  const cases: [object, string][] = [
    [
      { containers: { a: { image, command: 'sh' } } },
      'containers.a.command: this is a text, and must be a list',
    ],
    [
      { containers: { a: { image, ports: ['8080:80'] } } },
      'containers.a.ports[0]: this is a text, and must be a number',
    ],
    [{ containers: { a: { image, volumes: ['/a:/a'] } } }, 'containers.a.volumes[0]: this is a text'],
    [{ containers: { a: { image, environment: ['A=b'] } } }, 'containers.a.environment: this is a list'],
    [{ containers: { a: { image, network: 'front' } } }, 'containers.a.network'],
    [
      { containers: { a: { image, limits: { memory: '512' } } } },
      'containers.a.limits: not a limit of memory',
    ],
    [{ containers: { a: null } }, 'containers.a: this is null'],
    [{ containers: { a: { image, secretEnvironment: { A: 'b' } } } }, 'undefined: the contents of '],
    [
      { users: { me: { sshKeys: 'ssh-ed25519 AAAA' } } },
      'users.me.sshKeys: this is a text, and must be a list',
    ],
    [{ network: { interfaces: { lan: { port: 'en*' } } } }, 'network.interfaces.lan.port: this is a text'],
    [
      { firewall: { allow: [{ name: 'a', from: '::/0', tcp: [1] }] } },
      'firewall.allow[0].from: this is a text',
    ],
    [{ files: { '/a': 'text' } }, 'files./a: this is a text'],
    [{ time: 'UTC' }, 'time: this is a text, and must be a set of options'],
    [{ pools: { tank }, snapshots: { tank: { keep: 5 } } }, 'snapshots.tank.keep: this is a number'],
    [
      { pools: { tank: { ...tank, properties: { atime: false } } } },
      'pools.tank.properties.atime: this is true or false',
    ],
  ];
  for (const [options, expected] of cases)
    assert.ok(refusal(options).startsWith(expected), `${refusal(options)}\n${expected}`);
});

test('an option that must be there is missed', () => {
  assert.equal(refusal({ containers: { a: {} } }), 'containers.a: image is missing');
  assert.equal(refusal({ files: { '/a': {} } }), 'files./a: contents is missing');
  assert.equal(refusal({ pools: { tank: {} } }), 'pools.tank: vdevs is missing');
  assert.equal(refusal({ firewall: {} }), 'firewall: allow is missing');
  assert.equal(
    refusal({ network: { interfaces: { lan: { dhcp: true } } } }),
    'network.interfaces.lan: port is missing',
  );
  assert.deepEqual(
    machine({
      hostname: undefined,
      firewall: undefined,
      update: undefined,
      containers: { a: undefined },
    } as never),
    { ignition: { version: '3.3.0' } },
  );
});
