import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { draisineMain } from '../cli/main.ts';
import { fakeLocks } from '../disk/testing.ts';
import { fakeTerminal } from '../install/testing.ts';
import { folderOf } from '../io/box.ts';
import { FakeBox } from '../io/fake.ts';
import { sha256 } from '../io/sha256.ts';
import { conditionsOf } from '../notify/conditions.ts';
import { keptPath, onStatePartition } from './keep.ts';
import { RESET } from './request.ts';

const ESP = '/dev/disk/draisine/esp';

/** A provisioned machine called nas. `partitions`: what lsblk says of each, and its ignition.ign. */
function machine(partitions: Readonly<Record<string, { label?: string; config?: string }>> = {}) {
  const box = new FakeBox();
  const world = { invalid: false, reboots: 0, rebootFails: false };
  box.put({
    '/proc/cmdline': 'quiet usrhash=00\n',
    '/var/lib/containers/storage/x': 'x',
    '/etc/ssh/ssh_host_ed25519_key': 'x',
    '/tank/data': 'x',
    '/run/x': 'x',
  });
  box.symlink('42', '/proc/self');
  for (const device of Object.keys(partitions)) box.putDevice(device, new Uint8Array(1));
  box.program('lsblk', () =>
    Object.entries(partitions)
      .map(([device, { label = '' }]) => `${device} ${label} \n`)
      .join(''),
  );
  box.program('mount', (argv) => {
    const { config } = partitions[argv.at(-2) ?? ''] ?? {};
    if (config !== undefined) box.put({ [`${argv.at(-1)}/ignition.ign`]: config });
    return '';
  });
  box.program('umount', ([, folder = '']) => {
    box.remove(`${folder}/ignition.ign`);
    return '';
  });
  box.program('cp', ([, from = '', to = '']) => {
    box.writeFile(to, box.readFile(from));
    return '';
  });
  box.program('sha256sum', ([, path = '']) => `${sha256(box.readFile(path))}  ${path}\n`);
  box.program('readlink', ([, , path = '']) => `${path === '/var/run' ? '/run' : path}\n`);
  box.program('findmnt', (argv) => {
    const path = argv.at(-1) ?? '';
    if (argv.includes('--raw')) {
      // Binds of the state partition: one of the same folder, one of another; a disk of its own; a pool.
      if (path.startsWith('/home')) return '8:3 /home /home\n';
      if (path.startsWith('/mnt')) return '8:3 /srv /mnt\n';
      if (path.startsWith('/disk')) return '8:17 / /disk\n';
      return path.startsWith('/tank') ? '0:40 / /tank\n' : '8:3 / /\n';
    }
    const mounted = /^\/(home|mnt|disk)/.exec(path)?.[0];
    if (mounted !== undefined) return `ext4   ${mounted}\n`;
    if (/^\/(run|tank)/.test(path)) return path.startsWith('/run') ? 'tmpfs  /run\n' : 'zfs    /tank\n';
    return path.startsWith('/etc') ? 'overlay /etc\n' : 'ext4   /\n';
  });
  fakeLocks(box);
  box.program('uname', () => 'nas\n');
  box.program('mountpoint', () => ({ code: 1 }));
  box.program('unshare', () =>
    world.invalid ? { code: 1, stderr: 'x\nerror at $.storage: no such key\n' } : '',
  );
  box.program('systemctl', () => {
    if (world.rebootFails) return { code: 1, stderr: 'no bus' };
    world.reboots++;
    return '';
  });
  const reset = (words: readonly string[], ...answers: string[]) => {
    const terminal = fakeTerminal(...answers);
    const before = box.logged.length;
    const code = draisineMain(box, terminal, ['reset', ...words]);
    const logged = box.logged.slice(before).map(({ text }) => text);
    return { code, said: [...terminal.said, ...logged].join('\n') };
  };
  const asked = () => (box.stat(RESET) === undefined ? undefined : box.readText(RESET));
  return { box, world, reset, asked };
}

const onEsp = { [ESP]: { config: '{"ignition":{"version":"3.3.0"}}' } };

describe('a reset', () => {
  test('shows its plan, asks for the name of the machine, and restarts', () => {
    const { reset, asked, world, box } = machine(onEsp);
    const words = ['--keep', '/var//lib/containers/', '--keep=/etc/ssh', '--keep', '/etc/ssh/'];
    const { code, said } = reset(words, 'nas');
    assert.equal(code, 0, said);
    assert.match(said, /provisioned again with: ignition\.ign on \/dev\/disk\/draisine\/esp\n/);
    assert.match(said, /emptied: .*, except for \/var\/lib\/containers, \/etc\/ssh\.\n/);
    assert.equal(asked(), 'keep /var/lib/containers\nkeep /etc/ssh\n');
    assert.equal(world.reboots, 1);
    assert.equal(box.stat('/run/draisine/reset'), undefined, 'no config is left in /run');
    assert.match(reset([], 'web').said, /not confirmed, nothing was changed/);
  });

  test('without an answer nothing changes; --yes asks nothing, --no-restart only writes', () => {
    const { box, reset, asked, world } = machine(onEsp);
    for (const answers of [[], ['yes'], ['']]) {
      assert.equal(reset([], ...answers).code, 1);
      assert.equal(asked(), undefined);
    }
    assert.match(
      reset(['--yes', '--no-restart']).said,
      /The next restart does the reset; rm \/\.draisine-reset/,
    );
    assert.deepEqual([asked(), world.reboots], ['', 0]);
    assert.match(
      conditionsOf(box).find(({ name }) => name === 'reset')?.text ?? '',
      /the next restart empties the state partition/,
    );
  });

  test('that cannot restart is an error, with the command that cancels it', () => {
    const { reset, asked, world } = machine(onEsp);
    world.rebootFails = true;
    const { code, said } = reset(['--yes']);
    assert.equal(code, 1);
    assert.match(said, /cannot restart: systemctl ended with 1: no bus: the next restart does the reset; rm/);
    assert.equal(asked(), '');
  });

  test('is refused live, and while a release is on trial', () => {
    const live = machine(onEsp);
    live.box.put({ '/proc/cmdline': 'root=tmpfs quiet\n' });
    assert.match(live.reset(['--yes']).said, /runs live/);
    const trial = machine(onEsp);
    trial.box.put({ '/run/draisine/on-trial.json': '{"version":"2026.1129.0"}' });
    assert.match(trial.reset(['--yes']).said, /2026\.1129\.0 is on trial/);
    assert.deepEqual([live.asked(), trial.asked()], [undefined, undefined]);
  });
});

describe('the config that it takes', () => {
  test('must exist, unless the machine gets a new owner', () => {
    const { reset, asked } = machine({ '/dev/vdb1': { label: 'DATA', config: '{}' } });
    const { code, said } = reset(['--yes']);
    assert.equal(code, 1);
    assert.match(
      said,
      /there is no machine config, and without one nobody could log in: nothing was changed/,
    );
    assert.equal(asked(), undefined);
    assert.match(reset(['--yes', '--blank']).said, /nobody can log in until/);
    assert.equal(asked(), 'blank\n');
  });

  test('may erase more than the state partition: then the plan says so', () => {
    const plan = (storage: unknown) => {
      const config = JSON.stringify({ ignition: { version: '3.3.0' }, storage });
      return machine({ [ESP]: { config } }).reset(['--yes']).said;
    };
    const disks = [
      { device: '/dev/sdb', wipeTable: true },
      { device: '/dev/sdc', wipeTable: false },
    ];
    const filesystems = [
      { device: '/dev/disk/by-label/a', wipeFilesystem: true, format: 'xfs' },
      { device: '/dev/sdd1', wipeFilesystem: true, format: 'swap' },
      { device: '/dev/sdd2', format: 'ext4' },
    ];
    const luks = [{ name: 'vault', device: '/dev/sde', wipeVolume: true }];
    const raid = [{ name: 'mirror', level: 'raid1', devices: ['/dev/sdf', '/dev/sdg'] }];
    assert.match(
      plan({ disks, filesystems, luks, raid }),
      /^The config also erases \/dev\/sdb \(wipeTable\), array mirror \(raid\), \/dev\/sde \(wipeVolume\), \/dev\/disk\/by-label\/a \(wipeFilesystem\): to keep/m,
    );
    assert.doesNotMatch(plan({ disks: [disks[1]] }), /also erases/);
    assert.doesNotMatch(plan(undefined), /also erases/);
  });

  test('must have the keys of encrypted data, or they are kept: without them the data would be lost', () => {
    const keyed = (config: unknown, ...words: string[]) => {
      const { box, reset, asked } = machine({ [ESP]: { config: JSON.stringify(config) } });
      box.put({
        '/proc/spl/kstat/zfs/x': '',
        '/etc/zfs.key': 'x',
        '/etc/draisine/keys/tank': 'x',
        '/etc/luks/vault': 'x',
        '/etc/crypttab': '# mine\nvault UUID=1 /etc/luks/vault luks\ntyped UUID=2 none\n',
      });
      box.program('zfs', () =>
        [
          'tank\ttank\tfile:///etc/draisine/keys/tank',
          'tank/a\ttank\tnone',
          'old/b\told/b\tfile:///etc/zfs.key',
          'old/c\told/c\tprompt',
          'old/d\told/d\tfile:///tank/elsewhere.key',
        ].join('\n'),
      );
      box.put({ '/tank/elsewhere.key': 'x' });
      const { code, said } = reset(['--yes', ...words]);
      return [code, said, asked()] as const;
    };
    const whole = {
      storage: {
        files: [{ path: '/etc/draisine/keys/tank' }],
        luks: [{ name: 'vault', device: '/dev/sdb', keyFile: { source: 'data:,x' } }],
      },
    };
    const [code, said, written] = keyed(whole);
    assert.match(
      said,
      /the key of dataset old\/b would be erased, and the machine config does not have it \(\/etc\/zfs\.key\): --keep \/etc\/zfs\.key keeps it/,
    );
    assert.deepEqual([code, written], [1, undefined]);
    assert.deepEqual(keyed(whole, '--keep', '/etc/zfs.key')[2], 'keep /etc/zfs.key\n');
    const random = { storage: { ...whole.storage, luks: [{ name: 'vault', keyFile: {} }] } };
    assert.match(keyed(random, '--keep', '/etc/zfs.key')[1], /the key of volume vault would be erased/);
    const other = keyed({}, '--keep', '/etc/zfs.key')[1];
    assert.match(
      other,
      /: --keep \/etc\/draisine\/keys\/tank --keep \/etc\/luks\/vault keeps it/,
      'of another machine',
    );
    const fetched = { ignition: { config: { merge: [{ source: 'https://a.example' }] } } };
    assert.equal(keyed(fetched, '--keep', '/etc/zfs.key')[0], 0);
    assert.match(keyed(whole, '--blank')[1], /^The keys of dataset old\/b are erased as well\.$/m);
  });

  test('must be one that Ignition accepts', () => {
    const { reset, asked, world } = machine(onEsp);
    world.invalid = true;
    assert.match(reset(['--yes']).said, /not valid:\nerror at \$\.storage: no such key \(ignition\.ign on/);
    assert.match(reset(['--yes', '--blank']).said, /not valid/, 'the initrd would take it nevertheless');
    assert.equal(asked(), undefined);
  });

  test('is the first that the initrd finds', () => {
    const { box, reset } = machine({ ...onEsp, '/dev/vdb1': { label: 'IGNITION', config: 'b' } });
    const where = () => /provisioned again with: (.*)/.exec(reset(['--yes', '--no-restart']).said)?.[1];
    box.put({ '/usr/lib/draisine/ignition.ign': '{}' });
    assert.equal(where(), 'ignition.ign on /dev/vdb1');
    box.put({ '/sys/firmware/qemu_fw_cfg/by_name/opt/com.coreos/config/raw': '{}' });
    assert.equal(where(), 'QEMU fw_cfg opt/com.coreos/config');
    box.put({ '/proc/cmdline': 'ignition.config.url=https://a.example ignition.config.url=tftp://b/c\n' });
    assert.match(where() ?? '', /^tftp:\/\/b\/c \(ignition\.config\.url=.*\) \(not checked\)$/);
    box.put({ '/proc/cmdline': 'ignition.config.url=https://a.example/x\n' });
    box.program('curl', () => ({ code: 22, stderr: 'The requested URL returned error: 404' }));
    assert.match(
      reset(['--yes']).said,
      /cannot be fetched: curl ended with 22: .*404 \(https:\/\/a\.example/,
    );
    box.program('curl', (argv) => {
      box.put({ [argv[argv.indexOf('--output') + 1] ?? '']: '{}' });
      return '';
    });
    assert.match(where() ?? '', /^https:\/\/a\.example\/x \(.*\)$/);
    const baked = machine();
    baked.box.put({ '/usr/lib/draisine/ignition.ign': '{}' });
    assert.match(baked.reset(['--yes']).said, /provisioned again with: .*baked into the image/);
  });

  test('must not be an empty file, which Ignition takes for no config', () => {
    const { reset, asked } = machine({ [ESP]: { config: '' } });
    const { code, said } = reset(['--yes', '--blank']);
    assert.equal(code, 1);
    assert.match(said, /is an empty file \(ignition\.ign on \/dev\/disk\/draisine\/esp\)/);
    assert.equal(asked(), undefined);
  });

  test('must be unambiguous: two sticks with different configs are refused, as at a boot', () => {
    const sticks = (second: string) =>
      machine({
        '/dev/vdb1': { label: 'IGNITION', config: 'b' },
        '/dev/vdc1': { label: 'IGNITION', config: second },
      }).reset(['--yes']);
    assert.match(sticks('c').said, /two machine configs .*: \/dev\/vdb1 and \/dev\/vdc1/);
    assert.equal(sticks('b').code, 0);
  });
});

describe('kept paths', () => {
  test('must be a path that fits in a line for the initrd', () => {
    assert.equal(keptPath('/var/lib/a b/'), '/var/lib/a b');
    assert.equal(keptPath('//home//ada'), '/home/ada');
    for (const [text, why] of [
      ['', /absolute path/],
      ['var/lib', /absolute path/],
      ['/', /keep everything/],
      ['///', /keep everything/],
      ['/etc', /name a path in it/],
      ['/etc/', /name a path in it/],
      ['/var', /records of the old provisioning/],
      ['/var/lib', /records of the old provisioning/],
      ['/var/lib/draisine/config', /records of the old provisioning/],
      ['/.draisine-provisioned', /records of the old provisioning/],
      ['/.etc-trial', /records of the old provisioning/],
      ['/srv/../var', /without \. and \.\./],
      ['/srv/.', /without \. and \.\./],
      ['/srv/*', /none of/],
      ['/srv/[a]', /none of/],
      ['/srv/\\x', /none of/],
      ['/srv/a\nblank', /control characters/],
      ['/srv/a\r', /control characters/],
      ['/srv/a ', /space at its end/],
    ] as const)
      assert.throws(() => keptPath(text), { name: 'WrongUsage', message: why }, JSON.stringify(text));
    assert.equal(keptPath('/var/lib/draisine2'), '/var/lib/draisine2');
  });

  test('may be in a folder of the state partition that is mounted over itself, such as /home', () => {
    const { box } = machine();
    box.put({ '/home/ada/x': 'x', '/mnt/y/x': 'x', '/disk/y/x': 'x', '/tank/y/x': 'x', '/srv/y/x': 'x' });
    const kept = ['/home/ada', '/mnt/y', '/disk/y', '/tank/y', '/srv/y'].filter((path) =>
      onStatePartition(box, path),
    );
    assert.deepEqual(kept, ['/home/ada', '/srv/y']);
  });

  test('must exist, be named without links, and survive a restart', () => {
    const { box, reset, asked } = machine(onEsp);
    box.makeFolder('/run/lock');
    box.nodes.set('/var/run/lock', box.nodes.get('/run/lock')!);
    for (const [path, why] of [
      ['/var/lib/containres', /this path does not exist \(\/var\/lib\/containres\)/],
      ['/var/run/lock', /goes through a link .*: name \/run\/lock/],
      ['/run/x', /\/run is empty after each restart/],
    ] as const) {
      const { code, said } = reset(['--yes', '--keep', path]);
      assert.equal(code, 1, path);
      assert.match(said, why);
      assert.equal(asked(), undefined);
    }
    const { code, said } = reset(['--yes', '--keep', '/tank/data', '--keep', '/etc/ssh']);
    assert.equal(code, 0);
    assert.match(said, /\/tank\/data is not on the state partition, so it stays in any case/);
    assert.equal(asked(), 'keep /etc/ssh\n');
  });

  test('wrong usage ends with 2 and changes nothing', () => {
    const { reset, asked } = machine(onEsp);
    for (const words of [['now'], ['--keep'], ['--keep', '/'], ['--force'], ['--yes=no']])
      assert.equal(reset(words).code, 2, words.join(' '));
    assert.equal(asked(), undefined);
    assert.equal(folderOf(RESET), '/');
  });
});
