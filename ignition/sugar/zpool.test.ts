import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { datasetScript } from './dataset.ts';
import { type PoolOptions, poolScript } from './zpool.ts';

/** The scripts run against stand-ins of zpool, zfs and blkid that record what they are asked. */

interface World {
  /** Exit status of `blkid -p`: 2 when nothing is found. */
  readonly blkid?: number;
  /** Pools that `zpool import` would list. */
  readonly importable?: string;
  /** Pools and datasets that are there already. */
  readonly present?: string;
  readonly missing?: boolean;
  /** What `zpool create` says, once or always. */
  readonly refused?: { readonly because: string; readonly always?: boolean };
}

function run(
  script: string,
  disk: string,
  { blkid = 2, importable = '', present = '', missing = false, refused }: World,
) {
  const folder = mkdtempSync(join(tmpdir(), 'draisine-zpool-'));
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
      `for last; do :; done\ncase "$1 $#" in "create "*) ${refuses} ;; "list "*) ${listed} ;; "import 3") printf '   pool: %s\\n' ${importable} ;; esac`,
    );
    tool(
      'zfs',
      `for last; do :; done\ncase "$1 $5" in "list "*) ${listed} ;; "get keystatus") echo - ;; "get mounted") echo no ;; "get canmount") echo on ;; "get mountpoint") echo "${folder}/where" ;; esac`,
    );
    tool('blkid', `exit ${blkid}`);
    for (const name of ['modprobe', 'udevadm', 'wipefs', 'sleep', 'chown', 'chmod']) tool(name, '');
    if (!missing) writeFileSync(join(folder, 'disk'), '');
    // No test can make a block device; a file stands in for it.
    const adapted = script.replaceAll(disk, join(folder, 'disk')).replaceAll('[ -b ', '[ -e ');
    const { status, stderr } = spawnSync('/bin/sh', ['-c', adapted], {
      encoding: 'utf8',
      env: { PATH: `${folder}:/usr/bin:/bin` },
    });
    const calls = existsSync(log) ? readFileSync(log, 'utf8').replaceAll(folder, '') : '';
    return { status, stderr: stderr.replaceAll(folder, ''), calls };
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

  test('imports it when a disk carries it, whatever else is there', () => {
    const { status, calls } = pool({ importable: 'tank', blkid: 0 });
    assert.equal(status, 0);
    assert.match(calls, /^zpool import -d \/dev\/disk\/by-id -N -o cachefile=none tank$/m);
    assert.doesNotMatch(calls, /create/);
  });

  test('does not take a pool of a longer name for it', () => {
    assert.match(pool({ importable: 'tank2' }).calls, /zpool create/);
  });

  test('leaves an imported pool as it is', () => {
    assert.doesNotMatch(pool({ present: 'tank' }).calls, /create|import/);
  });

  test('refuses disks that are not blank, and says how to fix it', () => {
    for (const blkid of [0, 8]) {
      const { status, stderr, calls } = pool({ blkid });
      assert.equal(status, 1);
      assert.match(stderr, /^pool tank: disk \/disk is not blank: .*wipefs -a \/disk\n$/);
      assert.doesNotMatch(calls, /create/);
    }
  });

  test('tries again when a partition it has just made is not there yet', () => {
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

  test('leaves disks blank on which it could not be made', () => {
    const { status, stderr, calls } = pool({ refused: { because: 'device is too small', always: true } });
    assert.equal(status, 1);
    assert.equal(stderr, 'device is too small\npool tank: not created\n');
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

describe('the script of a dataset', () => {
  const script = datasetScript('tank/a', { quota: '1G', owner: { user: 5 } });
  test('creates, sets, mounts and owns it', () => {
    const { status, calls } = run(script, DISK, {});
    assert.equal(status, 0);
    const verbs = calls.split('\n').map((line) => line.split(' ').slice(0, 2).join(' '));
    assert.deepEqual(
      verbs.filter((verb) => /create|set|mount|ch/.test(verb)),
      ['zfs create', 'zfs set', 'zfs mount', 'chown 5', 'chmod 0755'],
    );
  });
  test('creates it once', () => {
    assert.doesNotMatch(run(script, DISK, { present: 'tank/a' }).calls, /create/);
  });
});
