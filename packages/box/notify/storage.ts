import { type Box, BoxError, mustRun, whyFailed } from '../io/box.ts';
import type { Severity } from '../settings/notify.ts';
import type { Disk } from '../smart/disks.ts';
import type { Pool } from '../zfs/pools.ts';
import type { Condition } from './condition.ts';

/* Problems of pools and disks, and of the room on them. */

const good = (state: string): boolean => ['ONLINE', 'AVAIL', 'INUSE'].includes(state);

/** Names of groups of disks, as in zpool-status(8). */
const GROUP = /^(mirror|raidz|draid|replacing|spare|indirect)/;

/** Problems of a pool. */
export function poolConditions({ name, state, vdevs, damaged = 0 }: Pool): Condition[] {
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
    ...(damaged > 0
      ? [
          {
            name: `damage ${name}`,
            severity: 'error' as const,
            text: `pool ${name} has ${damaged} errors in its data that it could not repair: zpool status -v ${name}`,
          },
        ]
      : []),
    // An event, because a restart sets the numbers to 0, and the disk is no better after it.
    ...errors.map(
      (vdev): Condition => ({
        ...{ name: `errors ${name} ${vdev.guid}`, severity: 'warning', event: true },
        text: `pool ${name}: ${vdev.name} has had ${vdev.errors} errors (zpool status ${name})`,
      }),
    ),
  ];
}

/** A warning from 80 percent on, an error from 90 percent on. `has`: `is … full`, or another use of the place. */
function full(what: string, percent: number, hint: string, has = `is ${percent} % full`): Condition[] {
  if (!(percent >= 80)) return [];
  const severity = percent >= 90 ? 'error' : 'warning';
  return [{ name: `room ${what}`, severity, text: `${what} ${has}: ${hint}` }];
}

/** Room and inodes of a file system, as df(1) shows them: `85%`, or `-` if it has no fixed number of inodes. */
function fullSystem(what: string, room: string, inodes: string, hint: string): Condition[] {
  const files = Number.parseInt(inodes, 10);
  const has = `holds ${files} % of the files that it can hold (df -i)`;
  return [
    ...full(what, Number.parseInt(room, 10), hint),
    ...full(what, files, hint, has).map((one) => ({ ...one, name: `inodes ${what}` })),
  ];
}

/** Types of file systems that a machine config can make on disks. */
const TYPES = ['ext4', 'xfs', 'btrfs', 'vfat'].flatMap((type) => ['-t', type]);

/** A row of df(1): room, inodes, and the place where it is mounted. */
const ROW = /^ *(\d+%|-) +(\d+%|-)(?: (\/.*))?$/gm;

/** File systems of the machine config. The state partition is separate: it is /, with its bind mounts. */
function mountedRoom(box: Box): Condition[] {
  const command = ['df', '--output=pcent,ipcent,target', ...TYPES];
  const ran = box.run(command, { timeoutSeconds: 30 });
  // df(1) ends with 1 if there is none, or if it cannot look at one of them.
  if (ran.code > 1) throw new BoxError(`cannot ask for the room of file systems: ${whyFailed(command, ran)}`);
  return [...ran.stdout.matchAll(ROW)]
    .filter(([, , , target = '']) => target !== '' && !/^\/(etc|var|run\/draisine\/.*)?$/.test(target))
    .flatMap(([, room = '', inodes = '', target = '']) =>
      fullSystem(target, room, inodes, 'remove unneeded files there'),
    );
}

/** Used room of the state partition, other file systems, and pools. */
export function roomConditions(box: Box, pools: readonly Pool[]): Condition[] {
  const df = ['df', '--output=pcent,ipcent', '/var'];
  const told = mustRun(box, 'cannot ask for the room of the state partition', df, { timeoutSeconds: 30 });
  const [, room = '', inodes = ''] = [...told.matchAll(ROW)][0] ?? [];
  return [
    ...fullSystem('the state partition', room, inodes, 'draisine free removes unused images'),
    ...mountedRoom(box),
    ...pools.flatMap(({ name, used = 0 }) =>
      full(`pool ${name}`, used, 'remove data or snapshots, or add disks'),
    ),
  ];
}

/** Datasets that have nearly reached their quota, with or without their snapshots and children. */
export function quotaConditions(box: Box): Condition[] {
  const list = ['zfs', 'list', '-Hp', '-t', 'filesystem', '-o', 'name,used,quota,referenced,refquota'];
  return mustRun(box, 'cannot list datasets', list, { timeoutSeconds: 60 })
    .split('\n')
    .flatMap((line) => {
      const [name = '', ...numbers] = line.split('\t');
      const [used = 0, quota = 0, referenced = 0, refquota = 0] = numbers.map(Number);
      const percent = Math.max(part(used, quota), part(referenced, refquota));
      return full(`dataset ${name}`, percent, 'it has a quota: raise it, or remove data');
    });
}

/** Percent; 0 without a quota. */
const part = (used: number, quota: number): number => (quota > 0 ? Math.floor((100 * used) / quota) : 0);

/** The health of a disk, and its last self-test. A disk has a serial number, because its name may change at a restart. */
export function diskConditions({ device, serial, passed, signs, test, fault }: Disk): Condition[] {
  if (fault !== undefined)
    return [{ name: `ask ${device}`, severity: 'warning', text: `cannot check ${device}: ${fault}` }];
  const disk = serial === undefined ? device : `${device} (serial number ${serial})`;
  const source = `disks ${device}`;
  const told = (name: string, severity: Severity, text: string): Condition => ({
    ...{ name: `${name} ${device}`, severity, text: `${disk} ${text}`, source },
  });
  return [
    ...(passed === false ? [told('disk', 'error', `reports that it is failing: smartctl -a ${device}`)] : []),
    ...(test?.failed
      ? [
          told(
            'self-test',
            'error',
            `has failed its last self-test: ${test.result} (smartctl -l selftest ${device})`,
          ),
        ]
      : []),
    ...signs.map(({ kind, severe, text }) =>
      told(`disk ${kind}`, severe ? 'error' : 'warning', `${text}: smartctl -A ${device}`),
    ),
  ];
}
