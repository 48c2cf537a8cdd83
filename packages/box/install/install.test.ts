import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import type { InstalledUki, Slot } from '../disk/model.ts';
import { HASHES } from '../disk/testing.ts';
import type { FakeBox } from '../io/fake.ts';
import { quickjsCommand, testFolder } from '../io/testing.ts';
import { allDisks } from './disks.ts';
import { chooseSlot, compareLoosely } from './keep.ts';
import { installMain } from './main.ts';
import { type InstallOptions, parseOptions } from './options.ts';
import { parseCondition, parseSize } from './sizes.ts';
import { fakeMachine, fakeTerminal, GiB, installedTable } from './testing.ts';

const free = { serial: 'free-disk', model: 'WD Red' };

/** Exit code and what was said. */
function install(box: FakeBox, words: string, ...answers: readonly string[]): [number, string] {
  const terminal = fakeTerminal(...answers);
  const code = installMain(box, terminal, words === '' ? [] : words.split(' '));
  return [code, terminal.said.join('\n')];
}

describe('sizes', () => {
  test('with the usual suffixes', () => {
    const given = ['7', '1M', '200G', '1T', '3Mi', '16Gi', '2Ti'];
    assert.deepEqual(given.map(parseSize), [7, 1e6, 2e11, 1e12, 3145728, 17179869184, 2199023255552]);
    for (const wrong of ['', 'G', '7Q', '7 G', '-1G', '7GiB', '7toString'])
      assert.throws(() => parseSize(wrong), { name: 'WrongUsage', message: `not a size: '${wrong}'` });
  });

  test('conditions', () => {
    const holds = (condition: string, ...sizes: number[]) => sizes.map(parseCondition(condition));
    assert.deepEqual(holds('>=2', 1, 2, 3), [false, true, true]);
    assert.deepEqual(holds('<=2', 1, 2, 3), [true, true, false]);
    assert.deepEqual(holds('>2', 1, 2, 3), [false, false, true]);
    assert.deepEqual(holds('<2', 1, 2, 3), [true, false, false]);
    assert.deepEqual(holds('=2', 1, 2, 3), [false, true, false]);
    assert.throws(() => parseCondition('7G'), /--size needs a comparison such as >=200G, not '7G'/);
  });
});

test('a card reader without a card is no disk', () => {
  const box = fakeMachine({ sdb: free, sdc: { size: 0 } });
  box.put({ '/sys/block/sdb/size': '16777216\n', '/sys/block/sdc/size': '0\n' });
  assert.deepEqual(allDisks(box), ['sdb', 'vda']);
});

describe('options', () => {
  const parse = (words: readonly string[], files: Record<string, string> = {}) => {
    const box = fakeMachine({});
    return parseOptions(box.put(files), words);
  };
  const given = (words: readonly string[], files: Record<string, string> = {}) => {
    const request = parse(words, files) as InstallOptions;
    const { device, size, model, serial, config, stateSize, keepState, erasePool, sure, after } = request;
    return [device, size, model, serial, config, stateSize, keepState, erasePool, sure, after];
  };

  test('of the command line', () => {
    assert.deepEqual(
      given([
        '--size',
        '>=8G',
        '--model',
        'WD',
        '--serial',
        'x',
        '--config',
        'c',
        '--state-size',
        '5Gi',
        'sda',
      ]),
      ['sda', '>=8G', 'WD', 'x', 'c', '5Gi', false, false, false, 'stay'],
    );
    assert.deepEqual(given(['--keep-state', '--erase-pool', '--yes', '--poweroff']).slice(6), [
      true,
      true,
      true,
      'poweroff',
    ]);
    assert.equal(parse(['--help']), 'help');
  });

  test('of the kernel command line: consent, and the last word counts', () => {
    const words = (text: string) => ({ '/proc/cmdline': `quiet draisine.install=${text}\n` });
    assert.deepEqual(
      given(
        ['--unattended'],
        words('auto,keep-state,erase-pool,size>=8G,model=a,serial=y,state-size=5Gi,reboot'),
      ),
      ['auto', '>=8G', 'a', 'y', '', '5Gi', true, true, true, 'reboot'],
    );
    assert.deepEqual(given(['--unattended'], words('sda draisine.install=sdb,poweroff')).slice(-2), [
      true,
      'poweroff',
    ]);
    assert.equal(
      (parse(['--unattended'], words('sda draisine.install=sdb')) as InstallOptions).device,
      'sdb',
    );
    assert.throws(() => parse(['--unattended'], words('sda,,x')), /draisine\.install=: unknown word ''/);
    assert.throws(() => parse(['--unattended'], words('sda,sdb')), /two disks: sda and sdb/);
    assert.throws(() => parse(['--unattended'], words('disk=sda')), /unknown word 'disk=sda'/);
    assert.throws(() => parse(['--unattended'], words('keep-state')), /unattended, but no disk is named/);
  });

  test('of /etc/draisine/install.conf, only in a live system; without options the consoles ask', () => {
    const conf = (text: string, cmdline = 'root=tmpfs') => ({
      '/proc/cmdline': `${cmdline}\n`,
      '/etc/draisine/install.conf': text,
    });
    assert.deepEqual(
      given(
        ['--unattended'],
        conf(
          '# mine\n\ndevice=/dev/disk/by-id/a=b\nstate_size=5Gi\nkeep_state=no\nerase_pool=yes\nconfig=/m\nafter=reboot',
        ),
      ),
      ['/dev/disk/by-id/a=b', '', '', '', '/m', '5Gi', false, true, true, 'reboot'],
    );
    assert.equal(parse(['--unattended'], conf('device=sda', 'root=/dev/x')), 'nothing');
    assert.equal(parse(['--unattended']), 'consoles');
    for (const [line, why] of [
      ['disk=sda', /install\.conf: unknown setting disk=sda/],
      ['keep_state=maybe', /unknown setting keep_state=maybe/],
      ['after=lunch', /reboot or poweroff, not 'lunch'/],
      ['state-size=5Gi', /unknown setting state-size=5Gi/],
      ['size=big', /a comparison such as/],
    ] as const)
      assert.throws(() => parse(['--unattended'], conf(`device=sda\n${line}\n`)), why, line);
  });
});

describe('the choice of the disk, and reasons against it', () => {
  const refused: readonly [string, FakeBox, string, RegExp, number?][] = [
    [
      'the one it was booted from',
      fakeMachine({ sda: free }),
      'vda',
      /^draisine-install: vda is the boot disk of this system$/m,
    ],
    ['too small', fakeMachine({ sda: { size: 4 * GiB } }), 'sda', /sda is too small: it must have 6 GiB$/m],
    ['too small for that state', fakeMachine({ sda: free }), '--state-size 7Gi sda', /it must have 9 GiB$/m],
    ['read-only', fakeMachine({ sda: { readOnly: true } }), 'sda', /sda is read-only$/m],
    [
      'mounted',
      fakeMachine({ sda: { children: [{ name: 'sda1', type: 'part', mountpoint: '/mnt' }] } }),
      'sda',
      /sda: sda1 is in use at \/mnt$/m,
    ],
    [
      'held',
      fakeMachine({ sda: { children: [{ name: 'keeper', type: 'dm', mountpoint: null }] } }),
      'sda',
      /sda is part of keeper \(dm\), which is in use$/m,
    ],
    [
      'of an old array',
      fakeMachine({ sda: { children: [{ name: 'md127', type: 'raid1', mountpoint: null }] } }),
      'sda',
      /sda is part of md127 \(raid1\), which is in use: mdadm --stop \/dev\/md127 frees it$/m,
    ],
    [
      'no such disk',
      fakeMachine({ sda: free }),
      '/dev/disk/by-id/none',
      /there is no disk .*none\. There are:\nsda free-disk\nvda/,
    ],
    ['not a disk', fakeMachine({}), '/dev/null', /there is no disk \/dev\/null/],
    [
      'two fit',
      fakeMachine({ sda: free, sdb: free }),
      '--size >=8G',
      /more than one disk meets the conditions\. Name one:\nsda free-disk\nsdb/,
    ],
    [
      'none fits',
      fakeMachine({ sda: free }),
      '--serial nobody',
      /no disk meets the conditions\. There are:\n/,
    ],
    [
      'does not meet the conditions',
      fakeMachine({ sda: free }),
      '--size <1G sda',
      /sda does not meet the conditions: sda free-disk/,
    ],
    [
      'auto, but on USB',
      fakeMachine({ sda: { tran: 'usb' }, sdb: { rm: true } }),
      'auto',
      /no disk meets the conditions/,
    ],
    [
      'no state to keep',
      fakeMachine({ sda: free }),
      '--yes --keep-state sda',
      /no Draisine on sda whose state could be kept/,
    ],
    [
      'a state of another size',
      fakeMachine({ sda: free }),
      '--keep-state --state-size 7Gi sda',
      /keeps the size of the state/,
      2,
    ],
    [
      'a config that nobody reads',
      fakeMachine({ sda: free }),
      '--keep-state --config x sda',
      /with --keep-state there is none/,
      2,
    ],
    [
      'no config',
      fakeMachine({ sda: free }),
      '--config /none.ign sda',
      /there is no machine config \/none\.ign/,
    ],
    ['unknown option', fakeMachine({}), '--force', /unknown option --force; see --help/, 2],
    ['no value', fakeMachine({}), '--size', /--size needs a value/, 2],
    ['two disks', fakeMachine({}), 'sda sdb', /two disks: sda and sdb/, 2],
    [
      'a state that is too small',
      fakeMachine({}),
      '--state-size 7G x --yes --state-size 1M',
      /it needs 1Gi/,
      2,
    ],
  ];
  for (const [what, box, words, why, exitCode = 1] of refused) {
    test(what, () => {
      const [code, said] = install(box, words);
      assert.match(said, why);
      assert.equal(code, exitCode);
      assert.ok(
        !box.ran.some(([name]) => name === 'systemd-repart' || (name === 'wipefs' && box.ran.length > 99)),
      );
    });
  }

  test('a partition, a CD, a pool by its label, an imported pool, a disk in use', () => {
    const partition = fakeMachine({ sda: free });
    partition.putDevice('/dev/sda1', new Uint8Array(512));
    partition.put({ '/sys/class/block/sda1/partition': '1\n' });
    assert.match(install(partition, 'sda1')[1], /sda1 is a partition: name its disk$/m);
    partition.putDevice('/dev/sr0', new Uint8Array(512));
    assert.match(install(partition, 'sr0')[1], /sr0 is not a disk to install on$/m);

    const pool = fakeMachine({ sda: free });
    pool.program('wipefs', () => 'zfs_member tank \nzfs_member tank\n');
    assert.match(install(pool, '--yes sda')[1], /sda belongs to the ZFS pool tank: --erase-pool erases it/);
    pool.program('wipefs', () => 'zfs_member \nzfs_member \n');
    assert.match(install(pool, '--yes sda')[1], /sda belongs to a ZFS pool: --erase-pool/, 'a spare');
    pool.put({ '/proc/spl/kstat/zfs/x': '' });
    pool.program('zpool', () => 'tank\t1\n\t/dev/sda1\t1\n');
    assert.match(
      install(pool, '--yes --erase-pool sda')[1],
      /ZFS pool that is imported: zpool export it first/,
    );
    pool.program('zpool', () => 'tank\t1\n\t/dev/sdaa\t1\n');
    pool.program('blockdev', () => ({ code: 1 }));
    assert.match(install(pool, '--yes --erase-pool sda')[1], /sda is in use$/m);
  });

  test('a config that Ignition refuses', () => {
    const box = fakeMachine({ sda: free }).put({ '/root/bad.ign': '{}' });
    box.program('unshare', (_argv, { env }) => {
      assert.equal(env?.IGNITION_CONFIG_FILE, '/root/bad.ign');
      return {
        code: 1,
        stdout: 'x: error at $.storage.files.0.path: relative\nCRITICAL : Ignition failed: bad\n',
      };
    });
    const [code, said] = install(box, '--yes --config /root/bad.ign sda');
    assert.equal(code, 1);
    assert.match(said, /bad\.ign is not valid:\nerror at \$\.storage\.files\.0\.path: relative\nbad$/m);
    box.program('unshare', () => ({ code: 1, stderr: 'unshare: unshare failed: Operation not permitted\n' }));
    assert.match(install(box, '--yes --config /root/bad.ign sda')[1], /not valid:\n.*not permitted$/m);
  });

  test('unattended, a disk that comes late is waited for', () => {
    const box = fakeMachine({ sda: free });
    box.put({ '/proc/cmdline': 'root=tmpfs draisine.install=/dev/disk/by-id/late\n' });
    const before = box.now();
    assert.match(install(box, '--unattended')[1], /there is no disk/);
    assert.equal(box.now() - before, 30_000);
  });
});

describe('unattended, a disk with a Draisine', () => {
  const machine = (words: string, files: Readonly<Record<string, string>>) => {
    const box = fakeMachine({ sda: { ...free, table: installedTable() } });
    box.putDevice('/dev/sda6', new Uint8Array(512));
    box.program('wipefs', (argv) => (argv.includes('--noheadings') ? 'ext4\n' : ''));
    const put = Object.entries(files).map(([name, text]) => [`/run/draisine/mounts/sda6.42/${name}`, text]);
    return box.put({ '/proc/cmdline': `root=tmpfs draisine.install=${words}\n`, ...Object.fromEntries(put) });
  };
  const isErased = (box: FakeBox) => {
    const said = install(box, '--unattended')[1];
    return [said.includes('All of this will be erased:'), said] as const;
  };
  const used = { '.draisine-provisioned': 'ignition.ign on /dev/sdb1\n' };

  test('that has been in use is refused: the stick, or the server, may just be left from the installation', () => {
    const words =
      /there is a Draisine on sda that has been in use: keep-state keeps its state, erase-state erases it/;
    const [erased, said] = isErased(machine('sda', used));
    assert.match(said, words);
    assert.equal(erased, false);
    assert.match(isErased(machine('auto', { '.draisine-used': 'x\n' }))[1], words);
    const damaged = machine('sda', {});
    damaged.program('mount', () => ({ code: 32 }));
    assert.match(isErased(damaged)[1], words);
  });

  test('is erased if the words say so, or if it never had a config', () => {
    assert.equal(isErased(machine('sda,erase-state', used))[0], true);
    assert.equal(isErased(machine('sda', { '.draisine-provisioned': 'none\n' }))[0], true);
    const wiped = machine('sda', used);
    wiped.program('wipefs', () => '');
    assert.equal(isErased(wiped)[0], true, 'by an interrupted installation');
    const conf = machine('', used).put({
      '/proc/cmdline': 'root=tmpfs\n',
      '/etc/draisine/install.conf': 'device=sda\nerase_state=yes\n',
    });
    assert.equal(isErased(conf)[0], true);
  });

  test('is erased by a person who says yes', () => {
    assert.match(install(machine('', used), '--yes sda')[1], /All of this will be erased:/);
  });
});

describe('asked', () => {
  test('without an answer, a disk or the right name nothing is done', () => {
    const box = () => fakeMachine({ sda: free });
    assert.match(install(box(), '')[1], /Disks of this machine:\n[\s\S]*on which disk\? \n.*no answer$/);
    assert.match(install(box(), '', '')[1], /no disk was named, and nothing was done$/);
    assert.match(install(box(), '', 'nonsense')[1], /there is no disk nonsense\. There are:/);
    const confirmed = install(box(), '', 'sda', 'yes');
    assert.match(
      confirmed[1],
      /All of this will be erased:\nsda free-disk\nType the name of the disk, sda, to go on: \n.*not confirmed/,
    );
    assert.equal(confirmed[0], 1);
  });

  test('an installed Draisine is kept on request', () => {
    const box = fakeMachine({ sda: { ...free, table: installedTable() } });
    const [, said] = install(box, '', 'sda', 'keep', 'no');
    assert.match(
      said,
      /Type keep to keep its state[\s\S]*The running release will be put on sda\. Everything on it stays:/,
    );
    const erased = install(
      fakeMachine({ sda: { ...free, table: installedTable() } }),
      '',
      'sda',
      'erase',
      'no',
    );
    assert.match(erased[1], /All of this will be erased:/);
  });

  test('only one installation at a time', () => {
    const box = fakeMachine({ sda: free });
    box.put({ '/run/draisine/install.lock/owner': '7', '/proc/7/stat': '' });
    assert.match(install(box, '--yes sda')[1], /another installation is running/);
    box.remove('/proc/7/stat');
    box.remove('/proc/7');
    assert.match(install(box, 'sda', 'no')[1], /not confirmed/);
    assert.equal(box.stat('/run/draisine/install.lock/owner'), undefined);
  });
});

describe('the slot of an installed disk', () => {
  const slot = (name: string, hash: string): Slot => {
    const uuid = `${hash.slice(0, 8)}-${hash.slice(8, 12)}-${hash.slice(12, 16)}-${hash.slice(16, 20)}-${hash.slice(20, 32)}`;
    const partition = {
      number: 2,
      type: '',
      uuid,
      label: '',
      offset: 0,
      size: 0,
      device: `/dev/sda-${name}`,
    };
    return { name, usr: partition, verity: partition, version: undefined, running: false };
  };
  const uki = (version: string, rootHash: string, left?: number): InstalledUki => {
    return { file: `draisine_${version}.efi`, version, rootHash, left, done: undefined, size: 1 };
  };
  const { old, running, next } = HASHES;
  const choose = (slots: readonly Slot[], ukis: readonly InstalledUki[]) => {
    const chosen = chooseSlot(slots, ukis, next);
    return chosen && [chosen.slot.name, chosen.gives?.version];
  };

  test('has it already, is free, or holds the less important release', () => {
    assert.deepEqual(choose([slot('a', old), slot('b', next)], [uki('1', old), uki('2', next)]), [
      'b',
      undefined,
    ]);
    assert.deepEqual(choose([slot('a', old), slot('b', 'f0'.repeat(32))], [uki('1', old)]), ['b', undefined]);
    assert.deepEqual(
      choose([slot('a', running), slot('b', old)], [uki('2026.1101.0', running), uki('0.1.0', old)]),
      ['b', '0.1.0'],
    );
    assert.deepEqual(choose([slot('a', running), slot('b', old)], [uki('2', running, 0), uki('1', old)]), [
      'a',
      '2',
    ]);
    assert.equal(choose([slot('a', old), slot('b', old)], [uki('1', running), uki('2', old)]), undefined);
  });

  test('old and new versions', () => {
    const sorted = ['2026.1129.10', '0.1.0', '2026.131.0', '2026.1129.9'].sort(compareLoosely);
    assert.deepEqual(sorted, ['0.1.0', '2026.131.0', '2026.1129.9', '2026.1129.10']);
  });
});

test('under QuickJS: usage and wrong usage', async (t) => {
  const run = async (...args: readonly string[]) => {
    const { file, args: words, env } = await quickjsCommand(testFolder(t), undefined, ['install', ...args]);
    return spawnSync(file, words, { env, encoding: 'utf8' });
  };
  const help = await run('--help');
  assert.match(help.stdout, /^Usage: draisine-install \[options\] \[DISK\]\n/);
  assert.deepEqual([help.status, help.stderr], [0, '']);
  const wrong = await run('--size', '>=7Q');
  assert.deepEqual([wrong.status, wrong.stderr], [2, "draisine-install: not a size: '7Q'; see --help\n"]);
});
