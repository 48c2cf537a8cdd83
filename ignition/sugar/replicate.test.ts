import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { secret } from '../base/secret.ts';
import { machine } from '../machine.ts';
import { replicate } from './replicate.ts';
import { textOf } from './testing.ts';
import { user } from './user.ts';

const KEY = 'ssh-ed25519 AAAA root@nas';
const POOLS = {
  pools: { tank: { vdevs: [{ mirror: ['/dev/disk/by-id/a', '/dev/disk/by-id/b'] }] } },
} as const;
const given = {
  dataset: 'tank/media',
  to: 'backup@other.example:tank/backup/media',
  hostKey: 'ssh-ed25519 BBBB root@other',
  key: secret({ file: 'key' }),
} as const;

describe('replicate', () => {
  test('becomes a file for the box, a key, the only accepted host key, and a timer', () => {
    const part = replicate(given);
    const text = (file: string) => textOf(part, `/etc/draisine/replicate/tank-media.${file}`);
    assert.deepEqual(JSON.parse(text('json')), {
      ...{ dataset: 'tank/media', user: 'backup', host: 'other.example', port: 22 },
      ...{ target: 'tank/backup/media', keep: 30 },
    });
    assert.equal(text('known_hosts'), 'tank-media ssh-ed25519 BBBB\n');
    const { files } = part.storage as { files: { path: string; mode: number }[] };
    assert.equal(files.find(({ path }) => path.endsWith('.key'))?.mode, 0o600);
    const { units } = part.systemd as { units: { name: string; contents: string; enabled?: boolean }[] };
    const [service, timer] = units;
    assert.match(service?.contents ?? '', /Requires=zfs-dataset-tank-media\.service/);
    assert.match(service?.contents ?? '', /ExecStart=\/usr\/bin\/draisine replicate tank-media\n/);
    assert.deepEqual([service?.enabled, timer?.enabled], [undefined, true]);
    assert.match(timer?.contents ?? '', /OnCalendar=daily\nPersistent=yes/);
  });

  test('takes an IPv6 address, a port and a name', () => {
    const part = replicate({ ...given, to: 'b@[fd00::1]:t/x', port: 2222, keep: 7, name: 'far' });
    const document = JSON.parse(textOf(part, '/etc/draisine/replicate/far.json')) as object;
    assert.deepEqual(document, {
      ...{ dataset: 'tank/media', user: 'b', host: 'fd00::1' },
      port: 2222,
      target: 't/x',
      keep: 7,
    });
  });

  test('refuses impossible options', () => {
    for (const [change, message] of [
      [{ to: 'other.example:tank/x' }, /not a target/],
      [{ to: 'backup@other.example:tank' }, /not a target/],
      [{ to: 'backup@-oProxyCommand=x:tank/x' }, /not a target/],
      [{ to: 'backup@other:tank/x;reboot' }, /not a target/],
      [{ hostKey: 'AAAA' }, /not a host key/],
      [{ hostKey: 'ssh-ed25519 AAAA\n* ssh-ed25519 CCCC' }, /not a host key/],
      [{ keep: 0 }, /keep must be/],
      [{ port: 70_000 }, /port must be/],
      [{ name: '../x' }, /not a name of a replication/],
    ] as const)
      assert.throws(() => replicate({ ...given, ...change }), message);
  });

  test('needs a declared dataset, a unique name, and correct option names', () => {
    const of = (...replicas: object[]) =>
      machine({ ...POOLS, datasets: { 'tank/media': {} }, replicate: replicas as never });
    of(given);
    assert.throws(() => of({ ...given, dataset: 'tank/medai' }), { where: 'replicate[0].dataset' });
    assert.throws(() => of(given, given), /two replications are called tank-media/);
    of(given, { ...given, name: 'again' });
    assert.throws(() => of({ ...given, shedule: 'daily' }), { where: 'replicate[0]' });
  });
});

describe('ssh.receive', () => {
  test('forces one command, and gives the rights that it needs', () => {
    const part = user('backup', { sshKeys: [KEY], ssh: { receive: { dataset: 'tank/backup', floor: 3 } } });
    assert.equal(
      textOf(part, '/etc/ssh/sshd_config.d/50-backup.conf'),
      'Match User backup\n  ForceCommand /usr/lib/draisine/receive tank/backup 3\n',
    );
    assert.equal(
      textOf(part, '/etc/draisine/receivers/backup.sh'),
      'set -eu\nzfs set readonly=on tank/backup\nzfs allow -u backup create,mount,receive,destroy tank/backup\n',
    );
  });

  test('needs a declared dataset, and excludes other limits', () => {
    const of = (ssh: object) => machine({ ...POOLS, users: { backup: { sshKeys: [KEY], ssh } } });
    of({ receive: { dataset: 'tank' } });
    assert.throws(() => of({ receive: { dataset: 'tank/x' } }), {
      where: 'users.backup.ssh.receive.dataset',
    });
    assert.throws(() => of({ receive: { dataset: 'tank' }, only: 'sftp' }), /only one is possible/);
    assert.throws(() => of({ receive: { dataset: 'tank', flor: 1 } }), { where: 'users.backup.ssh.receive' });
    assert.throws(() => of({ receive: { dataset: 'tank;reboot' } }), /not a dataset name|not declared/);
  });
});
