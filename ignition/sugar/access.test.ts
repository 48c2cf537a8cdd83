import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { machine } from '../machine.ts';
import { quadlet } from './container.ts';
import { ruleset } from './firewall.ts';
import { textOf } from './testing.ts';
import { user } from './user.ts';

const KEY = 'ssh-ed25519 AAAA me';
const web = (port: object) => ({
  containers: { web: { image: 'a.example/b:1', ports: [port as { host: number }] } },
});

describe('published ports', () => {
  test('are open if `allow` has the port that the client asked for', () => {
    const rules = ruleset({ allow: ['http', { name: 'smb', from: ['10.0.0.0/8'] }] });
    const published = rules.slice(rules.indexOf('chain published'));
    assert.match(published, /meta l4proto tcp ct original proto-dst \{ 80 \} accept/);
    assert.match(published, /ip saddr \{ 10\.0\.0\.0\/8 \} meta l4proto tcp ct original proto-dst \{ 445 \}/);
    assert.match(published, /accept comment "smb"\n {4}drop\n/);
  });

  test('with `from` are open to those networks only', () => {
    const config = machine({
      firewall: { allow: ['ssh'] },
      ...web({ host: 80, from: ['192.0.2.0/24', 'fd00::/8'] }),
    });
    const rules = textOf(config, '/etc/nftables.conf');
    assert.match(
      rules,
      /ip saddr \{ 192\.0\.2\.0\/24 \} meta l4proto tcp ct original proto-dst \{ 80 \} accept comment "web"/,
    );
    assert.match(rules, /ip6 saddr \{ fd00::\/8 \} meta l4proto tcp ct original proto-dst \{ 80 \}/);
    assert.doesNotMatch(
      rules.slice(0, rules.indexOf('chain forward')),
      /\{ 80 \}/,
      'the machine’s own port stays closed',
    );
  });

  test('that nobody could reach are an error, except on loopback', () => {
    assert.throws(() => machine({ firewall: { allow: ['ssh'] }, ...web({ host: 80 }) }), {
      message: 'nobody can reach port 80/tcp, which containers.web publishes: the firewall closes it',
      where: 'containers.web.ports[0]',
    });
    machine({ firewall: { allow: ['ssh'] }, ...web({ host: 80, address: '127.0.0.1' }) });
    machine({ firewall: { allow: ['ssh', 'http'] }, ...web({ host: 80 }) });
    machine(web({ host: 80 }));
  });
});

test('containers reach a service of the machine if an entry names their bridges; its rule comes before the rule that drops them', () => {
  const rules = ruleset({ allow: ['ssh', { name: 'app', tcp: [8123], interface: 'podman*' }] });
  const [app, shut, ssh] = ['tcp dport { 8123 }', 'do not reach', 'tcp dport { 22 }'].map((text) =>
    rules.indexOf(text),
  );
  assert.ok(app! > 0 && app! < shut! && shut! < ssh!);
});

describe('users', () => {
  test('have the rights over SSH that their config gives', () => {
    const match = (ssh: object) =>
      textOf(user('me', { sshKeys: [KEY], ssh }), '/etc/ssh/sshd_config.d/50-me.conf');
    assert.equal(match({ only: 'sftp' }), 'Match User me\n  ForceCommand internal-sftp\n');
    assert.equal(match({ command: '/usr/bin/uptime' }), 'Match User me\n  ForceCommand /usr/bin/uptime\n');
    assert.match(match({ forwarding: true }), /AllowTcpForwarding yes\n {2}AllowAgentForwarding yes\n/);
    assert.equal(user('me', { sshKeys: [KEY] }).storage, undefined, 'the sshd_config of the image applies');
  });

  test('with `from` have it as an option before each key', () => {
    const { passwd } = user('me', { sshKeys: [KEY], ssh: { from: ['192.0.2.0/24', 'fd00::/8'] } }) as {
      passwd: { users: { sshAuthorizedKeys: string[] }[] };
    };
    assert.deepEqual(passwd.users[0]?.sshAuthorizedKeys, [`from="192.0.2.0/24,fd00::/8" ${KEY}`]);
    assert.throws(() => user('me', { ssh: { from: ['a" command="x'] } }), /not a network/);
  });

  test('with `from` are not locked out: sshd refuses each key if it cannot read the networks or the options', () => {
    const keyOf = (key: string, from: string[]) =>
      (
        user('me', { sshKeys: [key], ssh: { from } }) as {
          passwd: { users: { sshAuthorizedKeys: string[] }[] };
        }
      ).passwd.users[0]?.sshAuthorizedKeys[0];
    assert.equal(keyOf(`restrict,pty ${KEY}`, ['10.0.0.0/8']), `from="10.0.0.0/8",restrict,pty ${KEY}`);
    const refused = (from: string[], what: RegExp, key = KEY) =>
      assert.throws(() => keyOf(key, from), what, from.join());
    refused(['10.0.0.0/8'], /has networks, and ssh.from/, `from="10.1.0.0/16" ${KEY}`);
    refused(['192.168.1.5/24'], /takes only the network/);
    refused(['!fd00::1/64', '*'], /takes only the network/);
    refused([], /lets nobody in/);
    refused(['!10.0.0.0/8'], /lets nobody in/);
  });

  test('a password in plain text is refused', () => {
    assert.throws(() => user('me', { passwordHash: 'secret' }), { where: 'users.me.passwordHash' });
    for (const passwordHash of ['$6$salt$hash', '*', '']) user('me', { passwordHash });
  });

  test('a forced command and files only contradict each other; a misspelt option is named', () => {
    assert.throws(() => user('me', { ssh: { only: 'sftp', command: 'x' } }), { where: 'users.me.ssh' });
    assert.throws(() => machine({ users: { me: { ssh: { forward: true } as object } } }), {
      where: 'users.me.ssh',
    });
  });
});

test('a container that runs as a user has its group, not that of root', () => {
  assert.match(quadlet('a', { image: 'a.example/b:1', user: 1500 }), /User=1500\nGroup=1500\n/);
  assert.match(quadlet('a', { image: 'a.example/b:1', user: 1500, group: 7 }), /Group=7\n/);
});
