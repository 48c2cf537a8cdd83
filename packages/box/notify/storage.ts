import { type Box, BoxError, mustRun, whyFailed } from '../io/box.ts';
import type { Disk } from '../smart/disks.ts';
import type { Pool } from '../zfs/pools.ts';
import type { Condition } from './condition.ts';

/* Problems of pools and disks, and of the room on them. */

const good = (state: string): boolean => ['ONLINE', 'AVAIL', 'INUSE'].includes(state);

/** Names of groups of disks, as in zpool-status(8). */
const GROUP = /^(mirror|raidz|draid|replacing|spare|indirect)/;

/** Problems of a pool. */
export function poolConditions({ name, state, vdevs, scan }: Pool): Condition[] {
  // One for each disk, because another disk of a DEGRADED pool may fail.
  const disks = vdevs.filter((vdev) => vdev.name !== name && !GROUP.test(vdev.name));
  const bad = disks.filter((vdev) => !good(vdev.state));
  // An error that no copy repairs is counted for the groups above the disks and for the pool as well.
  const wrong = disks.filter((vdev) => vdev.errors > 0);
  const errors = wrong.length > 0 ? wrong : vdevs.filter((vdev) => vdev.errors > 0).slice(0, 1);
  const pool = `pool ${name}${state === 'ONLINE' ? '' : ` is ${state}`}`;
  return [
    ...(state === 'ONLINE' || (state === 'DEGRADED' && bad.length > 0)
      ? []
      : [{ name: `pool ${name} ${state}`, severity: 'error' as const, text: pool }]),
    ...bad.map(
      (vdev): Condition => ({
        ...{ name: `vdev ${name} ${vdev.guid}`, severity: 'error' },
        text: `${pool}: ${vdev.name} is ${vdev.state}`,
      }),
    ),
    ...(scan && scan.errors > 0
      ? [
          {
            name: `scan ${name} ${scan.end ?? ''}`,
            severity: 'error' as const,
            text: `pool ${name}: the last ${scan.kind} found ${scan.errors} errors that it could not repair: zpool status -v ${name}`,
          },
        ]
      : []),
    ...errors.map(
      (vdev): Condition => ({
        ...{ name: `errors ${name} ${vdev.guid}`, severity: 'warning' },
        text: `pool ${name}: ${vdev.name} has had ${vdev.errors} errors (zpool status ${name})`,
      }),
    ),
  ];
}

/** A warning from 80 percent on, an error from 90 percent on. */
function full(what: string, percent: number, hint: string): Condition[] {
  if (!(percent >= 80)) return [];
  const severity = percent >= 90 ? 'error' : 'warning';
  return [{ name: `room ${what}`, severity, text: `${what} is ${percent} % full: ${hint}` }];
}

/** Types of file systems that a machine config can make on disks. */
const TYPES = ['ext4', 'xfs', 'btrfs', 'vfat'].flatMap((type) => ['-t', type]);

/** File systems of the machine config. The state partition is separate: it is /, with its bind mounts. */
function mountedRoom(box: Box): Condition[] {
  const command = ['df', '--output=pcent,target', ...TYPES];
  const ran = box.run(command, { timeoutSeconds: 30 });
  // df(1) ends with 1 if there is none, or if it cannot look at one of them.
  if (ran.code > 1) throw new BoxError(`cannot ask for the room of file systems: ${whyFailed(command, ran)}`);
  const { stdout } = ran;
  const rows = [...stdout.matchAll(/^\s*(\d+)% (\/.+)$/gm)];
  return rows
    .filter(([, , target = '']) => !/^\/(etc|var|run\/draisine\/.*)?$/.test(target))
    .flatMap(([, percent, target = '']) => full(target, Number(percent), 'remove unneeded files there'));
}

/** Datasets with a quota. */
function quotaRoom(box: Box): Condition[] {
  const list = ['zfs', 'list', '-Hp', '-t', 'filesystem', '-o', 'name,quota,used'];
  return mustRun(box, 'cannot list datasets', list, { timeoutSeconds: 60 })
    .split('\n')
    .flatMap((line) => {
      const [name = '', quota, used] = line.split('\t');
      const most = Number(quota ?? 0);
      return most > 0
        ? full(
            `dataset ${name}`,
            Math.floor((100 * Number(used)) / most),
            'it has a quota: raise it, or remove data',
          )
        : [];
    });
}

/** Used room of the state partition, other file systems, pools, and datasets with a quota. */
export function roomConditions(box: Box, pools: readonly Pool[]): Condition[] {
  const df = ['df', '--output=pcent', '/var'];
  const told = mustRun(box, 'cannot ask for the room of the state partition', df, { timeoutSeconds: 30 });
  const state = /(\d+)%/.exec(told)?.[1];
  const capacity =
    pools.length === 0
      ? ''
      : mustRun(box, 'cannot list pools', ['zpool', 'list', '-H', '-o', 'name,capacity'], {
          timeoutSeconds: 30,
        });
  return [
    ...full('the state partition', Number(state ?? 0), 'draisine free removes unused images'),
    ...mountedRoom(box),
    ...capacity
      .trim()
      .split('\n')
      .flatMap((line) => {
        const [pool = '', percent = '0'] = line.split('\t');
        return pool === ''
          ? []
          : full(`pool ${pool}`, Number.parseInt(percent, 10), 'remove data or snapshots, or add disks');
      }),
    ...(pools.length === 0 ? [] : quotaRoom(box)),
  ];
}

/** The health of a disk, and its last self-test. */
export function diskConditions({ device, passed, test, fault }: Disk): Condition[] {
  const told: Condition[] = [
    ...(passed === false
      ? [
          {
            name: `disk ${device}`,
            severity: 'error' as const,
            text: `${device} reports that it is failing: smartctl -a ${device}`,
          },
        ]
      : []),
    ...(test?.failed
      ? [
          {
            name: `self-test ${device}`,
            severity: 'error' as const,
            text: `${device}: its last self-test found a fault: ${test.result} (smartctl -l selftest ${device})`,
          },
        ]
      : []),
  ];
  if (fault === undefined) return told.map((one) => ({ ...one, source: `disks ${device}` }));
  return [{ name: `ask ${device}`, severity: 'warning', text: `cannot check ${device}: ${fault}` }];
}
