import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { datasetScript } from './dataset.ts';
import { PROBLEMS } from './problems.ts';
import { type PoolOptions, poolScript } from './zpool.ts';

/** The scripts run with fake zpool, zfs and blkid, which record their calls. */

interface World {
  /** Exit status of `blkid -p`; 2: the disk is blank. */
  readonly blkid?: number;
  /** Pools that `zpool import` would list. */
  readonly importable?: string;
  /** Pools and datasets that exist already. */
  readonly present?: string;
  readonly missing?: boolean;
  readonly unreadable?: boolean;
  /** The problems of the pool, its key and its mount point that the owner was told of before. */
  readonly before?: string;
  /** Why `zpool import` refuses. */
  readonly foreign?: string;
  /** Where the key of a locked dataset is. */
  readonly locked?: string;
  readonly shared?: boolean;
  /** The present mount point of the dataset. */
  readonly where?: string;
  /** Properties of the dataset: name, value and source. */
  readonly now?: readonly (readonly [string, string, string])[];
  readonly canmount?: 'off';
  /** The error of `zpool create`, once or always. */
  readonly refused?: { readonly because: string; readonly always?: boolean };
}

function run(
  script: string,
  disk: string,
  { blkid = 2, importable = '', present = '', missing = false, refused, ...world }: World,
) {
  const folder = mkdtempSync(join(tmpdir(), 'draisine-zpool-'));
  const {
    foreign,
    locked,
    shared = false,
    where,
    unreadable = false,
    before,
    now = [],
    canmount = 'on',
  } = world;
  try {
    const log = join(folder, 'log');
    const tool = (name: string, body: string): void =>
      writeFileSync(join(folder, name), `#!/bin/sh\necho "${name} $*" >> "${log}"\n${body}\n`, {
        mode: 0o755,
      });
    const listed = `case " ${present} " in *" $last "*) exit 0 ;; *) exit 1 ;; esac`;
    const refuses = refused
      ? `[ -e ${folder}/refused ] || { ${refused.always ? '' : `: >${folder}/refused; `}echo "${refused.because}" >&2; exit 1; }`
      : '';
    tool(
      'zpool',
      `for last; do :; done\ncase "$1 $#" in "create "*) ${refuses} ;; "list "*) ${listed} ;; "import 3") printf '   pool: %s\\n' ${importable} ;; "import 7") ${foreign ? `echo "${foreign}" >&2; exit 1` : ':'} ;; esac`,
    );
    const row = (cells: readonly string[]) => `printf '%s\\n' '${cells.join('\t')}'`;
    tool(
      'zfs',
      `for last; do :; done
case "$1 $4" in
"list name,encryptionroot,keystatus,keylocation") ${locked ? row(['tank', 'tank', 'unavailable', locked]) : ':'} ;;
"list name,mounted,canmount,keystatus,mountpoint") ${row(['tank', 'no', 'on', '-', `${folder}/mnt`])} ;;
"list "*) ${listed} ;;
esac
case "$4" in property,value,source) ${now.map(row).join(';') || ':'} ;; esac
case "$1 $5" in "get canmount") echo ${canmount} ;; "get keystatus") echo ${locked ? 'unavailable' : '-'} ;; "get keylocation") echo ${locked ?? 'none'} ;;
"get encryptionroot") echo tank ;; "get sharenfs") echo ${shared ? 'on' : 'off'} ;; "get mounted") echo no ;;
"get mountpoint") echo "${where ?? `${folder}/where`}" ;; esac`,
    );
    tool('blkid', `exit ${blkid}`);
    for (const name of ['modprobe', 'udevadm', 'wipefs', 'chown', 'chmod', 'chattr']) tool(name, '');
    const meanwhile = join(folder, 'meanwhile');
    tool('sleep', `cat ${folder}/problems/* >${meanwhile} 2>/dev/null || :`);
    tool('mountpoint', 'exit 1');
    // Nobody can read a folder like a file.
    if (unreadable) mkdirSync(join(folder, 'disk'));
    else if (!missing) writeFileSync(join(folder, 'disk'), '');
    if (before !== undefined) {
      mkdirSync(join(folder, 'problems'));
      for (const name of ['pool-tank', 'mount-tank', 'key-tank'])
        writeFileSync(join(folder, 'problems', name), before);
    }
    // A file stands for the disk, because a test cannot make a block device.
    const adapted = script
      .replaceAll(disk, join(folder, 'disk'))
      .replaceAll('[ -b ', '[ -e ')
      .replaceAll('/run/draisine/problems', join(folder, 'problems'));
    const { status, stderr } = spawnSync('/bin/sh', ['-c', adapted], {
      encoding: 'utf8',
      env: { PATH: `${folder}:/usr/bin:/bin` },
    });
    const calls = existsSync(log) ? readFileSync(log, 'utf8').replaceAll(folder, '') : '';
    const told = existsSync(join(folder, 'problems'))
      ? readdirSync(join(folder, 'problems')).map((name) =>
          readFileSync(join(folder, 'problems', name), 'utf8'),
        )
      : [];
    return {
      toldNames: existsSync(join(folder, 'problems')) ? readdirSync(join(folder, 'problems')) : [],
      status,
      stderr: stderr.replaceAll(folder, ''),
      calls,
      told: told.join('').replaceAll(folder, ''),
      toldMeanwhile: existsSync(meanwhile) ? readFileSync(meanwhile, 'utf8') : undefined,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const DISK = '/dev/disk/by-id/a';
const POOL: PoolOptions = { vdevs: [{ disk: DISK }] };
const pool = (world: World, options: PoolOptions = POOL) => run(poolScript('tank', options), DISK, world);

describe('the script of a pool', () => {
  test('creates it on blank disks and mounts it', () => {
    const { status, calls } = pool({});
    assert.equal(status, 0);
    assert.match(calls, /^zpool create -o ashift=12 .*-O mountpoint=\/mnt\/tank .* tank \/disk$/m);
    assert.match(calls, /^zfs mount tank$/m);
  });

  test('a dot in its name stands for itself: another pool on other disks is not this one', () => {
    const script = poolScript('ta.k', POOL);
    assert.match(run(script, DISK, { importable: 'tank' }).calls, /^zpool create /m);
    assert.match(run(script, DISK, { importable: 'ta.k' }).calls, /^zpool import .* ta\.k$/m);
  });

  test('imports the pool if a disk has it, whatever the other disks have', () => {
    const { status, calls } = pool({ importable: 'tank', blkid: 0 });
    assert.equal(status, 0);
    assert.match(calls, /^zpool import -d \/dev\/disk\/by-id -N -o cachefile=none tank$/m);
    assert.doesNotMatch(calls, /create/);
  });

  test('does not confuse it with a pool whose longer name begins the same', () => {
    assert.match(pool({ importable: 'tank2' }).calls, /zpool create/);
  });

  test('does not change an imported pool', () => {
    assert.doesNotMatch(pool({ present: 'tank' }).calls, /create|import/);
  });

  test('sets the properties of the config that an imported pool does not have', () => {
    const options = { ...POOL, properties: { compression: 'zstd', atime: 'off', utf8only: 'on' } };
    const set = (now: World['now']) => pool({ present: 'tank', now: now ?? [] }, options).calls;
    assert.match(set([['atime', 'off', 'local']]), /^zfs set compression=zstd tank\n(.*\n)*zfs mount tank$/m);
    assert.doesNotMatch(
      set([
        ['atime', 'off', 'local'],
        ['compression', 'zstd', 'local'],
      ]),
      /zfs set (?!-u)/,
    );
    assert.doesNotMatch(pool({ present: 'tank' }).calls, /zfs set (?!-u)/);
  });

  test('refuses disks that are not blank, and says how to fix it', () => {
    for (const blkid of [0, 8]) {
      const { status, stderr, calls } = pool({ blkid });
      assert.equal(status, 1);
      assert.match(stderr, /^<3>pool tank: disk \/disk is not blank: .*wipefs -a \/disk\n$/);
      assert.doesNotMatch(calls, /create/);
    }
  });

  test('does not take a disk for blank that cannot be read', () => {
    const { status, stderr, calls } = pool({ unreadable: true });
    assert.equal(status, 1);
    assert.match(stderr, /^<3>pool tank: disk \/disk cannot be read, so it is not known to be blank/m);
    assert.doesNotMatch(calls, /create/);
  });

  test('tries again if a new partition is not visible yet', () => {
    const because = "cannot create 'tank': one or more devices is currently unavailable";
    const { status, stderr, calls } = pool({ refused: { because } });
    assert.equal(status, 0);
    assert.equal(stderr, `${because}\n`);
    assert.equal(calls.match(/^zpool create/gm)?.length, 2);
    assert.doesNotMatch(calls, /wipefs/);
    const never = pool({ refused: { because, always: true } });
    assert.equal(never.status, 1);
    assert.equal(never.calls.match(/^zpool create/gm)?.length, 4);
  });

  test('makes the disks blank again if the creation fails', () => {
    const { status, stderr, calls } = pool({ refused: { because: 'device is too small', always: true } });
    assert.equal(status, 1);
    assert.equal(stderr, 'device is too small\n<3>pool tank: not created: device is too small \n');
    assert.equal(calls.match(/^zpool create/gm)?.length, 1);
    assert.match(calls, /^wipefs --all --quiet \/disk$/m);
  });

  test('refuses when a disk is missing or creation is not wanted', () => {
    assert.match(pool({ missing: true }).stderr, /disk \/disk is missing/);
    const { status, calls } = pool({}, { ...POOL, create: 'never' });
    assert.equal(status, 1);
    assert.doesNotMatch(calls, /create/);
  });
});

describe('messages to the owner of a pool', () => {
  test('a foreign pool: the message has the command that imports it, and the script forces nothing', () => {
    const foreign = "cannot import 'tank': pool was previously in use from another system.";
    const { status, told, calls } = pool({ importable: 'tank', foreign });
    assert.equal(status, 1);
    assert.match(
      told,
      /zpool import -f -d \/dev\/disk\/by-id -N -o cachefile=none tank && systemctl restart zpool-tank\.service/,
    );
    assert.doesNotMatch(calls, /-f/);
  });

  test('the message never has zpool’s advice to destroy the pool', () => {
    const foreign = 'cannot import: I/O error\n\tDestroy and re-create the pool from\n\ta backup source.';
    const { told } = pool({ importable: 'tank', foreign });
    assert.match(told, /cannot be imported now; nothing on its disks was changed.*I\/O error/);
    assert.doesNotMatch(told, /[Dd]estroy/);
  });

  test('an earlier problem is reported until the pool is imported', () => {
    // pool-late runs the script again, which may wait a minute.
    const waits = pool({ present: '', missing: true, before: 'x' });
    assert.match(waits.calls, /^sleep 1$/m);
    assert.equal(waits.toldMeanwhile, 'xxx');
    assert.equal(pool({ importable: 'tank', before: 'x', locked: 'file:///k' }).told, '');
  });

  test('a key that must be typed does not delay the boot; a key in a file is loaded', () => {
    const typed = pool({ present: 'tank', locked: 'prompt' });
    assert.equal(typed.status, 0);
    assert.match(typed.told, /tank is locked and waits for its key: zfs load-key tank/);
    assert.doesNotMatch(typed.calls, /load-key/);
    assert.match(pool({ present: 'tank', locked: 'file:///k' }).calls, /^zfs load-key tank$/m);
  });

  test('a mount point other than the declared one is set, and named', () => {
    assert.match(
      pool({ present: 'tank', where: '/tank' }).calls,
      /^zfs set -u mountpoint=\/mnt\/tank tank$/m,
    );
    assert.doesNotMatch(pool({ present: 'tank', where: '/mnt/tank' }).calls, /zfs set/);
  });

  test('a dataset below a locked one, whose mount point is immutable, does not fail the pool', () => {
    // No folder can be made below a file, as below an immutable folder.
    const script = `set -eu\n${PROBLEMS}\nkeep_out /dev/null/a\necho on`;
    const { status, stdout } = spawnSync('/bin/sh', ['-c', script], { encoding: 'utf8' });
    assert.deepEqual([status, stdout], [0, 'on\n']);
  });

  test('the empty mount point of a dataset that is not mounted cannot be written to', () => {
    assert.match(pool({ present: 'tank' }).calls, /^chattr \+i \/mnt\n(.*\n)*zfs mount tank$/m);
  });
});

describe('the script of a dataset', () => {
  const script = datasetScript('tank/a', { quota: '1G', owner: { user: 5, mode: 0o700 } });
  test('creates, sets, mounts and owns it', () => {
    const { status, calls } = run(script, DISK, {});
    assert.equal(status, 0);
    const verbs = calls.split('\n').map((line) => line.split(' ').slice(0, 2).join(' '));
    assert.deepEqual(
      verbs.filter(
        (verb) => /create|set|mount |mount$|chown|chmod/.test(verb) && !verb.startsWith('mountpoint'),
      ),
      ['zfs create', 'zfs set', 'zfs mount', 'chown 5', 'chmod 0700'],
    );
  });
  test('reports that a locked dataset waits for its key, and that no server shares a dataset', () => {
    const { status, told, calls } = run(script, DISK, { present: 'tank/a', locked: 'prompt' });
    assert.equal(status, 1);
    assert.match(told, /dataset tank\/a is locked and waits for the key of tank/);
    assert.doesNotMatch(calls, /load-key/);
    assert.match(
      run(script, DISK, { present: 'tank/a', shared: true }).stderr,
      /has no NFS server: nothing is shared/,
    );
  });
  test('leaves the right owner and mode as they are: a full dataset refuses them', () => {
    const own = { user: process.getuid?.() ?? 0, group: process.getgid?.() ?? 0, mode: 0o755 };
    const { status, calls } = run(datasetScript('tank/a', { owner: own }), DISK, { present: 'tank/a' });
    assert.deepEqual([status, /chown|chmod/.test(calls)], [0, false]);
    const other = { ...own, group: own.group + 1 };
    assert.match(
      run(datasetScript('tank/a', { owner: other }), DISK, { present: 'tank/a' }).calls,
      new RegExp(`^chown ${own.user}:${other.group} /where$`, 'm'),
    );
  });
  test('sets only what has another value: a full dataset refuses its present quota', () => {
    const set = (now: World['now']) => run(script, DISK, { present: 'tank/a', now: now ?? [] }).calls;
    assert.doesNotMatch(set([['quota', '1073741824', 'local']]), /zfs set/);
    assert.match(set([['quota', '1073741825', 'local']]), /^zfs set quota=1G tank\/a$/m);
    assert.match(set([['quota', '1073741824', 'inherited from tank']]), /^zfs set quota=1G tank\/a$/m);
    const both = datasetScript('tank/a', { quota: '1.5K', properties: { atime: 'off', 'own:x': "it's" } });
    const now = [
      ['quota', '1536', 'local'],
      ['own:x', "it's", 'local'],
    ] as const;
    assert.match(
      run(both, DISK, { present: 'tank/a', now: [now[0]] }).calls,
      /^zfs set atime=off own:x=it's tank\/a$/m,
    );
  });
  test('does not mount a dataset that is a container of others only, and does not own a read-only one', () => {
    const { status, calls } = run(script, DISK, { present: 'tank/a', canmount: 'off' });
    assert.deepEqual([status, /zfs mount|chown/.test(calls)], [0, false]);
    // Nobody can write below a file, as on a read-only file system.
    const readOnly = run(script, DISK, { present: 'tank/a', where: '/dev/null/a' });
    assert.deepEqual([readOnly.status, /chown/.test(readOnly.calls)], [0, false]);
  });
  test('reports two datasets whose names differ in a slash and a hyphen', () => {
    for (const [name, file] of [
      ['tank/a/b', 'dataset-tank+a+b'],
      ['tank/a-b', 'dataset-tank+a-b'],
    ] as const) {
      const { toldNames } = run(datasetScript(name, {}), DISK, { present: name, locked: 'prompt' });
      assert.deepEqual(toldNames, [file]);
    }
  });
  test('creates it once', () => {
    assert.doesNotMatch(run(script, DISK, { present: 'tank/a' }).calls, /create/);
  });
});
