import { type Box, mustRun, uptime } from '../io/box.ts';
import { isoTime } from '../io/fields.ts';
import { readReplicationState } from '../replicate/state.ts';
import { readReplications, replicationNames } from '../settings/replicate.ts';
import { containersOf, failedUnits, HEALTH_CHECK } from '../trial/baseline.ts';
import type { Condition } from './condition.ts';

/* Problems of units, of containers, and of jobs that run by timers. */

/**
 * Number of restarts from which a container counts as unstable, and seconds of running after which it is
 * stable again.
 */
const RESTARTS = 5;
const STEADY = 600;
/** Seconds within which so many restarts are too many. systemd counts restarts for as long as nobody starts the unit. */
const SPAN = 3600;
/** Of the message of the journal about a restart (sd-messages(3), SD_MESSAGE_UNIT_RESTART_SCHEDULED). */
const RESTARTED = '5eb03494b6584870a536b337290809b3';

interface Shown {
  readonly unit: string;
  readonly value: (name: string) => string;
}

/** Properties of units, as in `systemctl show`. */
function show(box: Box, properties: string, units: readonly string[]): Shown[] {
  const command = ['systemctl', 'show', `--property=Id,${properties}`, '--', ...units];
  const told = mustRun(box, 'cannot ask for units', command, { timeoutSeconds: 60 });
  return told.split('\n\n').map((block) => {
    const value = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(block)?.[1] ?? '';
    return { unit: value('Id'), value };
  });
}

/** Whether the unit starts or waits for its next restart, or has been running only for moments, again and again. */
function isRestless(value: Shown['value'], uptime: number): boolean {
  if (Number(value('NRestarts')) < RESTARTS) return false;
  const since = Number(value('ActiveEnterTimestampMonotonic')) / 1e6;
  return (
    /^(auto-restart|start)/.test(value('SubState')) ||
    (value('SubState') === 'running' && uptime - since < STEADY)
  );
}

/**
 * Whether the last restarts of a unit are close together. systemd's count alone does not show that, because it also
 * grows with one restart a night. If the journal has lost the restarts, systemd's count decides.
 */
function restartsOften(box: Box, unit: string, uptime: number): boolean {
  const asked = ['--boot', '--quiet', '--output=json', '--output-fields=UNIT', `--lines=${RESTARTS}`];
  const command = ['journalctl', ...asked, `MESSAGE_ID=${RESTARTED}`, `UNIT=${unit}`];
  const { stdout } = box.run(command, { timeoutSeconds: 60 });
  const times = [...stdout.matchAll(/"__MONOTONIC_TIMESTAMP":"(\d+)"/g)].map(
    ([, time]) => Number(time) / 1e6,
  );
  const [first] = times;
  return first === undefined || (times.length >= RESTARTS && uptime - first <= SPAN);
}

/** Units that programs have made since the boot (systemd-run(1)). */
const TRANSIENT = '/run/systemd/transient';

/**
 * Containers that are unhealthy. podman is asked only if there are health checks, because each of its processes writes to
 * storage.lock in its storage. Every two minutes, that would keep disks awake and wear out flash.
 */
export function containerConditions(box: Box): Condition[] {
  if (box.stat(TRANSIENT) === undefined || !box.list(TRANSIENT).some((name) => HEALTH_CHECK.test(name)))
    return [];
  return containersOf(box)
    .filter(({ healthy, starting, running }) => running && !starting && healthy === false)
    .map(
      ({ name }): Condition => ({
        ...{ name: `container ${name}`, severity: 'error' },
        text: `container ${name} is unhealthy: podman logs ${name}`,
      }),
    );
}

/** Units that restart again and again. */
export function restartConditions(box: Box): Condition[] {
  const up = uptime(box);
  return show(box, 'NRestarts,SubState,ActiveEnterTimestampMonotonic', ['*.service'])
    .filter(({ value }) => isRestless(value, up))
    .filter(({ unit }) => restartsOften(box, unit, up))
    .map(
      ({ unit }): Condition => ({
        ...{ name: `restarts ${unit}`, severity: 'error' },
        text: `${unit} restarts again and again: systemctl status ${unit}`,
      }),
    );
}

/** The reason of each replication whose last run failed, or left old snapshots. */
export function replicationConditions(box: Box): Condition[] {
  return readReplications(box).flatMap(({ name, replication, fault }): Condition[] => {
    if (!replication)
      return [
        {
          ...{ name: `replication ${name}`, severity: 'error' },
          text: `replication ${name} cannot run: ${fault}`,
        },
      ];
    const { failure, success, leftovers } = readReplicationState(box, name);
    if (!failure && leftovers === undefined) return [];
    const { dataset, host } = replication;
    const last = success ? `the last success was at ${isoTime(success.at)}` : 'it has never succeeded';
    const failed = failure && `${dataset} is not sent to ${host}: ${failure.text}; ${last}`;
    return failed
      ? [{ ...{ name: `replication ${name}`, severity: 'error' }, text: failed }]
      : [
          {
            ...{ name: `leftovers ${name}`, severity: 'warning' },
            text: `${dataset} is at ${host}, but old snapshots cannot be removed: ${leftovers}`,
          },
        ];
  });
}

/** The unit of a replication fails as well. It is reported once, with the reason. */
export function unitConditions(box: Box): Condition[] {
  const told = new Set(
    replicationNames(box)
      .filter((name) => readReplicationState(box, name).failure)
      .map((name) => `replicate-${name}.service`),
  );
  const failed = failedUnits(box).filter((unit) => !told.has(unit));
  const given = failed.length === 0 ? [] : show(box, 'Result,NRestarts', failed);
  // systemd.unit(5), StartLimitBurst=: after that only a person starts it again. Result= is start-limit-hit only if the
  // service did not fail before (github.com/systemd/systemd/issues/32203). One that was restarted, and is not any more,
  // still has its count.
  const isLeft = ({ value }: Shown): boolean =>
    value('Result') === 'start-limit-hit' || Number(value('NRestarts')) > 0;
  const left = new Set(given.filter(isLeft).map(({ unit }) => unit));
  return failed.map((unit) => ({
    ...{ name: `unit ${unit}`, severity: 'error' as const },
    text: left.has(unit)
      ? `${unit} failed too often and is not started again: systemctl status ${unit}, then systemctl reset-failed ${unit} && systemctl start ${unit}`
      : `${unit} has failed: systemctl status ${unit}`,
  }));
}
