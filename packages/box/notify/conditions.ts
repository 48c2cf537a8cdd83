import { type Box, describeError, readTextIfThere } from '../io/box.ts';
import { isoTime } from '../io/fields.ts';
import { readReplication, replicationNames } from '../replicate/config.ts';
import { readReplicationState } from '../replicate/state.ts';
import { RESET } from '../reset/request.ts';
import { disksOf } from '../smart/disks.ts';
import { containersOf, failedUnits } from '../trial/baseline.ts';
import { readState } from '../update/state.ts';
import { importedPools, type Pool } from '../zfs/pools.ts';

export const SEVERITIES = ['info', 'warning', 'error'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** Something that is so now. While it stays so it is told once; the name says whether it is the same. */
export interface Condition {
  readonly name: string;
  readonly severity: Severity;
  readonly text: string;
  /** True of what happened once: nobody is told that it is over. */
  readonly event?: boolean;
}

const PROBLEMS = '/run/draisine/problems';

const good = (state: string): boolean => ['ONLINE', 'AVAIL', 'INUSE'].includes(state);

function poolConditions({ name, state, vdevs }: Pool): Condition[] {
  const bad = vdevs.filter((vdev) => !good(vdev.state));
  const parts = bad.map((vdev) => `${vdev.name} is ${vdev.state}`).join(', ');
  const errors = vdevs.filter((vdev) => vdev.errors > 0);
  return [
    ...(state === 'ONLINE'
      ? []
      : [
          {
            name: `pool ${name}`,
            severity: 'error' as const,
            text: `pool ${name} is ${state}${parts === '' ? '' : `: ${parts}`}`,
          },
        ]),
    ...errors.map(
      (vdev): Condition => ({
        ...{ name: `errors ${name} ${vdev.guid}`, severity: 'warning' },
        text: `pool ${name}: ${vdev.name} has had ${vdev.errors} errors (zpool status ${name})`,
      }),
    ),
  ];
}

/** Percent of room that is taken: `zpool list`, and df(1) of the state partition. */
function roomConditions(box: Box, pools: readonly Pool[]): Condition[] {
  const full = (what: string, percent: number, hint: string): Condition[] =>
    percent < 80
      ? []
      : [
          {
            name: `room ${what} ${percent >= 90 ? 90 : 80}`,
            severity: percent >= 90 ? 'error' : 'warning',
            text: `${what} is ${percent} % full: ${hint}`,
          },
        ];
  const state = /(\d+)%/.exec(box.run(['df', '--output=pcent', '/var']).stdout)?.[1];
  const capacity =
    pools.length === 0
      ? ''
      : box.run(['zpool', 'list', '-H', '-o', 'name,capacity'], { timeoutSeconds: 30 }).stdout;
  return [
    ...full(
      'the state partition',
      Number(state ?? 0),
      'podman system prune -a and journalctl --vacuum-size=100M free some',
    ),
    ...capacity
      .trim()
      .split('\n')
      .flatMap((line) => {
        const [pool = '', percent = '0'] = line.split('\t');
        return pool === ''
          ? []
          : full(`pool ${pool}`, Number.parseInt(percent, 10), 'remove data or snapshots, or add disks');
      }),
  ];
}

/** Restarts after which a container counts as one that does not get on. */
const RESTARTS = 5;

function containerConditions(box: Box): Condition[] {
  const sick = containersOf(box)
    .filter(({ healthy, running }) => running && healthy === false)
    .map(
      ({ name }): Condition => ({
        ...{ name: `container ${name}`, severity: 'error' },
        text: `container ${name} is unhealthy: podman logs ${name}`,
      }),
    );
  const told = box.run(['systemctl', 'show', '--property=Id,NRestarts,SubState', '--', '*.service'], {
    timeoutSeconds: 60,
  });
  const restarting = told.stdout.split('\n\n').flatMap((block): Condition[] => {
    const value = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(block)?.[1] ?? '';
    if (Number(value('NRestarts')) < RESTARTS || value('SubState') !== 'auto-restart') return [];
    const unit = value('Id');
    return [
      {
        name: `restarts ${unit}`,
        severity: 'error',
        text: `${unit} does not stay up: systemctl status ${unit}`,
      },
    ];
  });
  return [...sick, ...restarting];
}

function updateConditions(box: Box): Condition[] {
  const { staged, rejected, lastTrial } = readState(box);
  const last = rejected.at(-1);
  return [
    ...(staged
      ? [
          {
            name: `staged ${staged.version}`,
            severity: 'info' as const,
            event: true,
            text: `${staged.version} is staged`,
          },
        ]
      : []),
    ...(last
      ? [
          {
            name: `rejected ${last.version}`,
            severity: 'error' as const,
            event: true,
            text: `${last.version} was rejected: ${last.reason}`,
          },
        ]
      : []),
    ...(lastTrial
      ? [
          {
            name: `trial ${lastTrial.version} ${lastTrial.at}`,
            severity: 'info' as const,
            event: true,
            text: `${lastTrial.version}: ${lastTrial.text}`,
          },
        ]
      : []),
  ];
}

/** What disks say of themselves, and what their last self-test found. */
function diskConditions(box: Box): Condition[] {
  return disksOf(box).flatMap(({ device, passed, test }): Condition[] => [
    ...(passed === false
      ? [
          {
            name: `disk ${device}`,
            severity: 'error' as const,
            text: `${device} says of itself that it is failing: smartctl -a ${device}`,
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
  ]);
}

function clockConditions(box: Box): Condition[] {
  // timesyncd touches it when it has the time; a machine that is just up has not yet.
  const up = Number.parseFloat(readTextIfThere(box, '/proc/uptime') ?? '0');
  if (up < 900 || box.stat('/run/systemd/timesync/synchronized') !== undefined) return [];
  return [
    { name: 'clock', severity: 'warning', text: 'the clock is not synchronised: is a time server reached?' },
  ];
}

function problemConditions(box: Box): Condition[] {
  if (box.stat(PROBLEMS) === undefined) return [];
  return box.list(PROBLEMS).map(
    (name): Condition => ({
      ...{ name: `problem ${name}`, severity: 'error' },
      text: box.readText(`${PROBLEMS}/${name}`).trim(),
    }),
  );
}

/** Of each replication whose last run failed, why. */
function replicationConditions(box: Box): Condition[] {
  return replicationNames(box).flatMap((name): Condition[] => {
    const { failure, success } = readReplicationState(box, name);
    if (!failure) return [];
    const { dataset, host } = readReplication(box, name);
    const last = success ? `the last that arrived is of ${isoTime(success.at)}` : 'nothing has arrived yet';
    return [
      {
        ...{ name: `replication ${name}`, severity: 'error' },
        text: `${dataset} is not sent to ${host}: ${failure.text}; ${last}`,
      },
    ];
  });
}

/** The unit of a replication fails with it: that is told once, with the reason. */
function unitConditions(box: Box): Condition[] {
  const told = new Set(
    replicationNames(box)
      .filter((name) => readReplicationState(box, name).failure)
      .map((name) => `replicate-${name}.service`),
  );
  return failedUnits(box)
    .filter((unit) => !told.has(unit))
    .map((unit) => ({
      ...{ name: `unit ${unit}`, severity: 'error' as const },
      text: `${unit} has failed: systemctl status ${unit}`,
    }));
}

/** The next restart empties the state partition: nobody should be surprised by that. */
function resetConditions(box: Box): Condition[] {
  if (box.stat(RESET) === undefined) return [];
  return [
    {
      ...{ name: 'reset', severity: 'warning' },
      text: `the next restart empties the state partition, if it finds a machine config: rm ${RESET} takes that back`,
    },
  ];
}

/** All that somebody should know about this machine now. A question that cannot be answered is a condition too. */
export function conditionsOf(box: Box): Condition[] {
  const ask = (what: string, look: () => Condition[]): Condition[] => {
    try {
      return look();
    } catch (error) {
      return [
        {
          name: `ask ${what}`,
          severity: 'warning',
          text: `${what} cannot be looked at: ${describeError(error)}`,
        },
      ];
    }
  };
  let pools: Pool[] = [];
  const ofPools = ask('pools', () => {
    pools = importedPools(box);
    return pools.flatMap(poolConditions);
  });
  return [
    ...ofPools,
    ...ask('failed units', () => unitConditions(box)),
    ...ask('replications', () => replicationConditions(box)),
    ...ask('problems', () => problemConditions(box)),
    ...ask('a reset', () => resetConditions(box)),
    ...ask('containers', () => containerConditions(box)),
    ...ask('room', () => roomConditions(box, pools)),
    ...ask('disks', () => diskConditions(box)),
    ...ask('updates', () => updateConditions(box)),
    ...ask('the clock', () => clockConditions(box)),
  ];
}
