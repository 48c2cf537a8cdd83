import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { runServices } from '../apply/run.ts';
import { runningUsr } from '../disk/inspect.ts';
import { freeRoom } from '../free/free.ts';
import { unusedImages } from '../free/unused-images.ts';
import { readDisk } from '../install/disks.ts';
import type { InstallOptions } from '../install/options.ts';
import { refuse } from '../install/refuse.ts';
import { lookAround } from '../notify/conditions.ts';
import { overdueConditions } from '../notify/overdue.ts';
import { containerConditions, restartConditions } from '../notify/services.ts';
import { lookAtSource, lookAtTarget } from '../replicate/sides.ts';
import { findConfig } from '../reset/find-config.ts';
import { onStatePartition } from '../reset/keep.ts';
import { lostKeys } from '../reset/keys.ts';
import type { Replication } from '../settings/replicate.ts';
import { describeDisk, disksOf } from '../smart/disks.ts';
import { lookAtBox, lossesOf, unitStates } from '../trial/baseline.ts';
import { importedPools } from '../zfs/pools.ts';
import {
  changesOf,
  KEY,
  lineOf,
  QUESTIONS,
  recordedBox,
  recordedText,
  SNAPSHOT,
  sameForm,
  shapeOf,
} from './answers.ts';

const HOUR = 3_600_000;
const ZFS = { '/proc/spl/kstat/zfs/x': '' };
const PODMAN = {
  '/var/lib/containers/storage/overlay-containers/x': '',
  '/var/lib/containers/storage/overlay-images/x': '',
  [`/run/systemd/transient/${'0a'.repeat(32)}-5f3759df.timer`]: '',
};

const asked = new Set<string>();
/** A machine with the recorded programs, some time after the recording. */
function machine(files: Readonly<Record<string, string>> = {}, uptime = 9000, later = HOUR / 2) {
  const box = recordedBox();
  const scrubbed = importedPools(box.put(ZFS)).find(({ name }) => name === 'tank')?.scan?.end ?? 0;
  box.setClock(scrubbed);
  box.put({ ...files, '/proc/uptime': `${uptime}.00 1\n` });
  box.advance(later);
  const run = box.run.bind(box);
  box.run = (argv, options) => {
    asked.add(lineOf(argv));
    return run(argv, options);
  };
  return box;
}

/** Files of the jobs whose timers system.answers makes. */
const JOBS = {
  '/etc/draisine/snapshots/tank/a-b.hourly.sh': 'x',
  '/etc/draisine/snapshots/tank/gone.daily.sh': 'x',
  '/etc/draisine/scrubs/tank.sh': 'x',
  '/etc/draisine/replicate/late.json': JSON.stringify({
    ...{ dataset: 'tank/a-b', user: 'u', host: 'other', port: 22, target: 't/a', keep: 3 },
  }),
};
const forms = (conditions: readonly { readonly severity: string; readonly text: string }[]) =>
  conditions.map(({ severity, text }) => shapeOf(`${severity}: ${text}`));

/** The jobs without a timer that runs. */
const STOPPED = [
  'warning: daily snapshots of tank/gone: their timer does not run: systemctl enable --now snapshot-tank-gone-daily.timer',
  'warning: scrubs of pool tank: their timer does not run: systemctl enable --now scrub-tank.timer',
];

describe('recorded answers of real programs', () => {
  test('tell the box all its problems, and no others', () => {
    const locked = (name: string) => `dataset tank/${name} is locked: zfs load-key tank/${name}`;
    const box = machine({
      ...JOBS,
      '/run/draisine/problems/a': locked('locked'),
      '/run/draisine/problems/b': locked('open'),
      '/run/systemd/timesync/synchronized': '',
    });
    assert.deepEqual(forms(lookAround(box).conditions), [
      'error: pool dirty has 0 errors in its data that it could not repair: zpool status -v dirty',
      'warning: pool dirty: /var/tmp/damaged has had 0 errors (zpool status dirty)',
      'error: pool tank is DEGRADED: /var/tmp/other is OFFLINE',
      'error: broken.service has failed: systemctl status broken.service',
      'error: limited.service failed too often and is not started again: systemctl status limited.service, then systemctl reset-failed limited.service && systemctl start limited.service',
      'error: dataset tank/locked is locked: zfs load-key tank/locked',
      ...STOPPED,
    ]);
  });

  test('of timers: a run that does not end, and one that was missed', () => {
    const box = machine(JOBS, 9000, 8 * 24 * HOUR);
    assert.deepEqual(forms(overdueConditions(box, importedPools(box))), [
      'error: hourly snapshots of tank/a-b are overdue, there was no success since 0-0-0T0:0:0Z: systemctl status snapshot-tank-a\\x0db-hourly.service',
      ...STOPPED,
      'error: transfers of tank/a-b to other are overdue, there was no success since 0-0-0T0:0:0Z: systemctl status replicate-late.service',
    ]);
  });

  test('of units that restart, and of containers', () => {
    assert.deepEqual(forms(restartConditions(machine({}, 300))), [
      'error: flaps.service restarts again and again: systemctl status flaps.service',
    ]);
    assert.deepEqual(forms(containerConditions(machine(PODMAN))), [
      'error: container sick is unhealthy: podman logs sick',
    ]);
  });

  test('of disks', () => {
    assert.deepEqual(disksOf(machine()).map(describeDisk).map(shapeOf), [
      '/dev/sda QEMU HARDDISK: well, 0 °C; Short offline test 0 h of running ago: Completed without error',
      '/dev/nvme0 QEMU NVMe Ctrl: well, 0 °C; no self-test yet',
    ]);
  });

  test('are the state of the box before a trial', () => {
    const box = machine({ ...PODMAN, '/proc/self/mounts': 'tank /tank zfs rw 0 0\n' });
    box.program('ping', () => '');
    const before = lookAtBox(box, '1');
    const { units, failed, containers, pools, routes, reached, jobs } = before;
    assert.deepEqual(
      { units, failed, containers, routes, reached, jobs },
      {
        units: ['ssh.service'],
        failed: ['broken.service', 'limited.service'],
        containers: [{ name: 'web', healthy: true, unit: 'web.service' }],
        routes: ['IPv4 by enp2s0', 'IPv6 by enp2s0'],
        reached: ['10.0.2.2'],
        jobs: ['fstrim.service', 'replicate-late.service', 'snapshot-tank-a\\x2db-hourly.service'],
      },
    );
    assert.deepEqual(
      pools.map(({ name, state, vdevs }) => [name, state, ...vdevs.map((vdev) => vdev.state)].join(' ')),
      ['dirty ONLINE ONLINE ONLINE', 'tank DEGRADED DEGRADED DEGRADED ONLINE OFFLINE AVAIL'],
    );
    assert.deepEqual(lossesOf(box, before), []);
    assert.deepEqual(
      unitStates(box, ['ssh.service', 'broken.service', 'never.service', 'missing.service']).map(
        ({ id, load, active, sub, condition }) => `${id} ${load} ${active} ${sub} ${condition}`,
      ),
      [
        'ssh.service loaded active running true',
        'broken.service loaded failed failed true',
        'never.service loaded inactive dead false',
        'missing.service not-found inactive dead false',
      ],
    );
  });

  test('of room, unused images and the journal', () => {
    const box = machine({ ...PODMAN, '/var/lib/draisine/reserve': 'x' });
    assert.deepEqual(
      unusedImages(box).map(({ words }) => words),
      [['docker.io/library/old:2', 'docker.io/library/old:1']],
    );
    const podman = box.programs.get('podman')!;
    box.program('podman', (argv, options) => (argv[1] === 'image' ? '' : podman(argv, options, box)));
    const { failed, before } = freeRoom(box);
    assert.deepEqual(failed, []);
    assert.ok(before > 0);
    assert.match(
      recordedText(['journalctl', '--vacuum-size=64M'], 'stderr'),
      /freed \S+ of archived journals/,
    );
  });

  test('of file systems: which path is on the state partition', () => {
    const paths = [KEY, '/home', '/srv/my data'];
    const box = machine(Object.fromEntries([...paths, '/run'].map((path) => [path, ''])));
    box.program('readlink', (argv) => `${argv.at(-1)}\n`);
    assert.deepEqual(
      paths.map((path) => onStatePartition(box, path)),
      [true, true, false],
    );
    assert.throws(() => onStatePartition(box, '/run'), /\/run is empty after each restart/);
    assert.deepEqual(
      lostKeys(box, [], []).map(({ path, of }) => `${path} ${of}`),
      [`${KEY} dataset tank/locked`, `${KEY} dataset tank/open`],
    );
  });

  test('of disks to install on', () => {
    const box = machine({ '/sys/block/sda/diskseq': '7\n', '/sys/block/sda/ro': '0\n' });
    const disks = ['sda', 'nvme0n1', 'vda'].map((name) => readDisk(box, name));
    assert.deepEqual(
      disks.map(({ name, model, serial, transport, type, mountPoint, children }) =>
        [name, model, serial, transport, type, mountPoint, ...children.map((child) => child.name)].join('|'),
      ),
      [
        'sda|QEMU HARDDISK|left|sata|disk||sda1|sda9',
        'nvme0n1|QEMU NVMe Ctrl|fast|nvme|disk|/srv/my data',
        'vda||system|virtio|disk||vda1|vda2|vda3|vda4|vda5|vda6',
      ],
    );
    const options = { keepState: false, erasePool: false } as InstallOptions;
    assert.throws(() => refuse(box, 'sda', options, 0), /sda belongs to a ZFS pool that is imported/);
    for (const path of [...box.nodes.keys()]) if (path.startsWith('/proc/spl')) box.nodes.delete(path);
    assert.throws(() => refuse(box, 'sda', options, 0), /sda belongs to the ZFS pool tank/);
  });

  test('name the stick with a machine config', () => {
    const box = machine({ '/proc/cmdline': 'quiet\n' });
    for (const name of ['mount', 'umount']) box.program(name, () => '');
    assert.equal(findConfig(box), undefined);
    assert.deepEqual(
      box.ran.filter(([name]) => name === 'mount').map((argv) => argv[3]),
      ['/dev/nvme0n1'],
    );
  });

  test('of a failed unit that an apply starts again', () => {
    const box = machine();
    const systemctl = box.programs.get('systemctl')!;
    box.program('systemctl', (argv, options) => (argv[1] === 'show' ? systemctl(argv, options, box) : ''));
    assert.deepEqual(runServices(box, [{ do: 'restart', unit: 'broken.service', startsIfFailed: true }]), []);
    assert.deepEqual(
      box.ran.filter(([, verb]) => verb === 'reset-failed'),
      [['systemctl', 'reset-failed', '--', 'broken.service']],
    );
  });

  test('of both sides of a replication', () => {
    const box = machine();
    const names = { name: 'a', user: 'u', host: 'other', port: 22, keep: 3 };
    const of = (dataset: string): Replication => ({ ...names, dataset, target: dataset });
    assert.equal(lookAtTarget(box, of('tank/gone')).exists, false);
    assert.match(lookAtTarget(box, of('tank/half')).token ?? '', /^1-[0-9a-f-]+$/);
    const { token, snapshots } = lookAtTarget(box, of('tank/a-b'));
    assert.deepEqual([token, snapshots.map(({ name }) => name)], [undefined, [SNAPSHOT]]);
    const source = lookAtSource(box, of('tank/a-b'));
    assert.deepEqual(source.snapshots, snapshots);
    assert.deepEqual(
      source.bookmarks.map(({ name, guid }) => [name, guid]),
      [['tank/a-b#sent', snapshots[0]?.guid]],
    );
    assert.deepEqual([source.encrypted, lookAtSource(box, of('tank/locked')).encrypted], [false, true]);
  });

  test('of the running /usr', () => {
    const box = machine();
    box.makeFolder('/sys/dev/block');
    for (const [numbers] of recordedText(['dmsetup', 'table', 'usr']).matchAll(/\b\d+:\d+\b/g))
      box.symlink(`../../block/vda/vda${numbers.split(':')[1]}`, `/sys/dev/block/${numbers}`);
    const { rootHash, dataDevice, size } = runningUsr(box);
    assert.match(`${rootHash} ${dataDevice}`, /^[0-9a-f]{64} \/dev\/vda\d+$/);
    assert.ok(size > 1 << 20);
  });

  after(() => {
    const listed = QUESTIONS.map(({ argv }) => lineOf(argv));
    assert.deepEqual(
      listed.filter((line) => !asked.has(line)),
      [],
      'no code asks these questions: remove them from QUESTIONS, or ask them in a test above',
    );
  });
});

test('answers differ by their words, not by numbers, times and identifiers', () => {
  const answer = (...stdout: string[]) => ({ code: 0, stdout, stderr: [] });
  const old = answer('Id=a', 'Last=Mon 2026-11-30 13:51:40 UTC', '"Status": "Up 2 seconds", 3.5G 0a1b2c3d4e');
  const now = answer(
    'Id=a',
    'Last=Tue 2027-01-01 03:01:04 UTC',
    '"Status": "Up About a minute", 12M 99ffee1122',
  );
  assert.deepEqual(changesOf(old, now), []);
  assert.deepEqual(changesOf(old, answer('Id=a', 'Last=@1', old.stdout[2]!)), [
    '- Last=DAY 0-0-0 0:0:0 UTC',
    '+ Last=@0',
  ]);
  assert.deepEqual(changesOf(old, { ...now, code: 1 }), ['- exit code 0', '+ exit code 1']);
});

test('a test that invents an answer is told', () => {
  const real = { disks: [{ name: 'a', size: 1 }], label: null };
  assert.deepEqual(sameForm(real, { disks: [{ name: 'b' }], label: 'x' }), {
    disks: [{ name: 'b' }],
    label: 'x',
  });
  assert.throws(() => sameForm(real, { disks: [{ model: 'b' }] }), /does not print it\.disks\[\]\.model/);
  assert.throws(() => sameForm(real, { disks: [{ size: '1' }] }), /is string, but the program prints number/);
});
