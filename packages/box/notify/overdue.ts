import { type Box, BoxError, mustRun, uptime, whyFailed } from '../io/box.ts';
import { isoTime } from '../io/fields.ts';
import { readReplicationState } from '../replicate/state.ts';
import { readReplications } from '../settings/replicate.ts';
import { PERIODS, SCRUBS, SNAPSHOTS, scrubUnit, snapshotsOf, snapshotUnit } from '../settings/storage.ts';
import type { Pool } from '../zfs/pools.ts';
import type { Condition } from './condition.ts';

/* Jobs of timers that are overdue: snapshots, scrubs, replications. */

interface Job {
  readonly what: string;
  readonly timer: string;
  /** Milliseconds between two runs; undefined: as the timer says. */
  readonly period: number | undefined;
  /**
   * The last success, or else the time when the job was set up, in milliseconds since 1970. Undefined if
   * unknown.
   */
  readonly last: number | undefined;
}

interface Timer {
  readonly active: boolean;
  readonly period: number | undefined;
  /** The begin of the run that lasts, in milliseconds since 1970; undefined if the job does not run. */
  readonly began: number | undefined;
}

/** Milliseconds that a run may last. The first transfer of a large dataset takes days. */
const RUN = 7 * PERIODS.daily;

/** All files below a folder. */
function filesBelow(box: Box, folder: string): string[] {
  if (box.stat(folder) === undefined) return [];
  return box.list(folder).flatMap((name) => {
    const path = `${folder}/${name}`;
    return box.stat(path)?.type === 'directory' ? filesBelow(box, path) : [path];
  });
}

const modified = (box: Box, path: string): number | undefined => box.stat(path)?.modified;

/**
 * The newest snapshot of a dataset for each period. Times in milliseconds since 1970. Undefined without the
 * dataset: its pool or its unit is then the problem, and other jobs still count.
 */
function newestSnapshots(box: Box, dataset: string): Map<string, number> | undefined {
  const list = [
    'zfs',
    'list',
    '-Hp',
    '-d',
    '1',
    '-t',
    'snapshot',
    '-o',
    'name,creation',
    '-s',
    'createtxg',
    dataset,
  ];
  const ran = box.run(list, { timeoutSeconds: 60 });
  if (/dataset does not exist/.test(ran.stderr)) return undefined;
  if (ran.code !== 0) throw new BoxError(`cannot list snapshots of ${dataset}: ${whyFailed(list, ran)}`);
  return new Map(
    [...ran.stdout.matchAll(/@auto-([a-z]+)-\S+\t(\d+)$/gm)].map(([, period = '', creation]) => [
      period,
      1000 * Number(creation),
    ]),
  );
}

function snapshotJobs(box: Box): Job[] {
  const newest = new Map<string, Map<string, number> | undefined>();
  return filesBelow(box, SNAPSHOTS).flatMap((path): Job[] => {
    const job = snapshotsOf(path);
    if (job === undefined) return [];
    const { dataset, period } = job;
    if (!newest.has(dataset)) newest.set(dataset, newestSnapshots(box, dataset));
    const known = newest.get(dataset);
    return [
      {
        what: `${period} snapshots of ${dataset}`,
        timer: `${snapshotUnit(dataset, period)}.timer`,
        period: PERIODS[period],
        last: known && (known.get(period) ?? modified(box, path)),
      },
    ];
  });
}

function scrubJobs(box: Box, pools: readonly Pool[]): Job[] {
  return filesBelow(box, SCRUBS).flatMap((path): Job[] => {
    const name = path.slice(SCRUBS.length + 1).replace(/\.sh$/, '');
    const pool = pools.find((one) => one.name === name);
    if (!pool) return [];
    const { scan } = pool;
    // A running scrub is not overdue. A resilver replaces the record of the last scrub.
    const last = scan === undefined ? modified(box, path) : scan.kind === 'scrub' ? scan.end : undefined;
    return [{ what: `scrubs of pool ${name}`, timer: `${scrubUnit(name)}.timer`, period: undefined, last }];
  });
}

function replicationJobs(box: Box): Job[] {
  return readReplications(box).flatMap(({ name, replication }): Job[] => {
    if (!replication) return []; // replicationConditions reports the fault
    const { dataset, host } = replication;
    const job = {
      what: `transfers of ${dataset} to ${host}`,
      timer: `replicate-${name}.timer`,
      period: undefined,
      last:
        readReplicationState(box, name).success?.at ?? modified(box, `/etc/draisine/replicate/${name}.json`),
    };
    return [job];
  });
}

/**
 * Timers of systemd, with the time between two runs if it is known. A timer has no next time while its job runs.
 * `systemctl show` of systemd 257 writes these times as `Mon 2026-11-30 13:51:40 UTC`, with --timestamp=unix as well: that
 * option is for properties whose name ends with Timestamp.
 */
function timersOf(box: Box, names: readonly string[]): Map<string, Timer> {
  const properties = 'Id,ActiveState,SubState,LastTriggerUSec,NextElapseUSecRealtime';
  const show = ['systemctl', 'show', `--property=${properties}`, '--', ...names];
  const told = mustRun(box, 'cannot ask for timers', show, { timeoutSeconds: 60, env: { TZ: 'UTC' } });
  return new Map(
    told.split('\n\n').map((block) => {
      const value = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(block)?.[1] ?? '';
      const time = (name: string): number | undefined => {
        const [, day, hour] = /^\w+ (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC$/.exec(value(name)) ?? [];
        return day === undefined ? undefined : Date.parse(`${day}T${hour}Z`);
      };
      const [before, next] = [time('LastTriggerUSec'), time('NextElapseUSecRealtime')];
      const period = before !== undefined && next !== undefined && next > before ? next - before : undefined;
      const began = value('SubState') === 'running' ? before : undefined;
      return [value('Id'), { active: value('ActiveState') === 'active', period, began }];
    }),
  );
}

/**
 * Seconds since the boot before jobs count as overdue: a run takes time, and a machine that was off must
 * catch up.
 */
const GRACE = 3600;

/** Whether it is too early after the boot to tell. */
export const isEarly = (box: Box): boolean => uptime(box) < GRACE;

/** Jobs whose timer does not run, whose last success is older than two intervals, or whose run does not end. */
export function overdueConditions(box: Box, pools: readonly Pool[]): Condition[] {
  if (isEarly(box)) return [];
  const jobs = [...snapshotJobs(box), ...scrubJobs(box, pools), ...replicationJobs(box)];
  if (jobs.length === 0) return [];
  const timers = timersOf(
    box,
    jobs.map(({ timer }) => timer),
  );
  return jobs.flatMap(({ what, timer, period, last }): Condition[] => {
    const { active = false, period: measured, began } = timers.get(timer) ?? {};
    if (!active)
      return [
        {
          ...{ name: `timer ${timer}`, severity: 'warning' },
          text: `${what}: their timer does not run: systemctl enable --now ${timer}`,
        },
      ];
    const every = period ?? measured;
    const since = every === undefined ? began : last;
    const most = every === undefined ? RUN : 2 * every + PERIODS.hourly;
    if (last === undefined || since === undefined || box.now() - since <= most) return [];
    return [
      {
        ...{ name: `overdue ${timer}`, severity: 'error' },
        text: `${what} are overdue, there was no success since ${isoTime(last)}: systemctl status ${timer.replace(/timer$/, 'service')}`,
      },
    ];
  });
}
