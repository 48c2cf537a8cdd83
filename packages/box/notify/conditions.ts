import { compareVersions } from '../../../build/release/format/version.ts';
import { type Box, BoxError, describeError, readTextIfThere, uptime } from '../io/box.ts';
import { isoTime } from '../io/fields.ts';
import { PROBLEMS } from '../io/problems.ts';
import { RESET } from '../reset/request.ts';
import { readPolicy } from '../settings/update.ts';
import { type Disk, disksOf } from '../smart/disks.ts';
import { KEPT } from '../trial/verdict.ts';
import { isSynchronised } from '../trust/trust.ts';
import { KEPT_CHANNEL, keptChannelExpired } from '../update/check.ts';
import { PASSED, passedBy } from '../update/decide.ts';
import { featureNotes, otherVersion } from '../update/readable.ts';
import { releaseIdentity, runningRelease } from '../update/running.ts';
import { readState } from '../update/state.ts';
import { importedPools, type Pool } from '../zfs/pools.ts';
import { arrayConditions, readOnlyConditions, recordedErrors } from './block.ts';
import type { Condition, Look } from './condition.ts';
import { isEarly, overdueConditions } from './overdue.ts';
import { containerConditions, replicationConditions, restartConditions, unitConditions } from './services.ts';
import { diskConditions, poolConditions, quotaConditions, roomConditions } from './storage.ts';

/** Milliseconds after a failure to stage a release for which it is reported. */
const UNSTAGED = 3 * 24 * 3_600_000;

function updateConditions(box: Box): Condition[] {
  const { staged, rejected, unstaged, lastTrial } = readState(box);
  // An older one does not matter any more.
  const isLater = ({ version }: { readonly version: string }) =>
    compareVersions(version, releaseIdentity(box).version) > 0;
  const last = rejected.filter(isLater).at(-1);
  // One failure may be a broken connection. The box tries once a day at least, while it wants the release.
  const fails = unstaged && unstaged.times > 1 && box.now() - unstaged.at < UNSTAGED && !staged;
  return [
    ...(staged && passedBy(staged)
      ? [
          {
            name: `passed ${staged.version}`,
            severity: 'error' as const,
            text: `${staged.version} is staged, ${PASSED}`,
          },
        ]
      : []),
    ...(fails && isLater(unstaged)
      ? [
          {
            name: `unstaged ${unstaged.version}`,
            severity: 'error' as const,
            text: `${unstaged.version} could not be staged, ${unstaged.times} times: ${unstaged.reason}`,
          },
        ]
      : []),
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
    // A rejection is a message of its own, with the same reason.
    ...(lastTrial && !(last?.version === lastTrial.version && lastTrial.text.startsWith('rejected'))
      ? [
          {
            name: `trial ${lastTrial.version} ${lastTrial.at}`,
            severity: lastTrial.text.startsWith(KEPT) ? ('error' as const) : ('info' as const),
            event: true,
            text: `${lastTrial.version}: ${lastTrial.text}`,
          },
        ]
      : []),
  ];
}

/**
 * Whether the start was moments ago. A pool may not be imported yet, a container is starting, timesyncd has not had the
 * time to ask a server. A restart alone ends no problem.
 */
const isFresh = (box: Box): boolean => uptime(box) < 900;

function clockConditions(box: Box): Condition[] {
  if (isFresh(box) || isSynchronised(box)) return [];
  return [
    {
      name: 'clock',
      severity: 'warning',
      text: 'the clock is not synchronised: can this machine reach a time server?',
    },
  ];
}

function problemConditions(box: Box): Condition[] {
  if (box.stat(PROBLEMS) === undefined) return [];
  // `update` shows a staged or rejected release on consoles (cli/notice.ts). updateConditions reports it.
  const names = box.list(PROBLEMS).filter((name) => name !== 'update');
  return names.flatMap((name): Condition[] => {
    // A unit may remove its problem at this moment.
    const text = (readTextIfThere(box, `${PROBLEMS}/${name}`) ?? '').trim();
    return text === '' || isUnlocked(box, text) ? [] : [{ name: `problem ${name}`, severity: 'error', text }];
  });
}

/** Whether the text names a locked dataset whose key somebody has typed since. Nothing removes its file then. */
function isUnlocked(box: Box, text: string): boolean {
  const dataset = /^dataset (.+?) is locked/.exec(text)?.[1];
  if (dataset === undefined) return false;
  const asked = box.run(['zfs', 'get', '-H', '-o', 'value', 'keystatus', dataset], { timeoutSeconds: 30 });
  return asked.code === 0 && asked.stdout.trim() === 'available';
}

/**
 * Faults of pool features: the release in the other slot cannot read a pool, or a pool has more features than
 * its owner wants.
 */
function featureConditions(box: Box): Condition[] {
  return featureNotes(box, otherRelease(box)).map(
    (text): Condition => ({ ...{ name: `features ${text}`, severity: 'warning' }, text }),
  );
}

function otherRelease(box: Box): string | undefined {
  try {
    return otherVersion(runningRelease(box));
  } catch (error) {
    if (!(error instanceof BoxError)) throw error;
    return undefined; // a live system has no other slot
  }
}

/** A reset at the next restart, so that it surprises nobody. */
function resetConditions(box: Box): Condition[] {
  if (box.stat(RESET) === undefined) return [];
  return [
    {
      ...{ name: 'reset', severity: 'warning' },
      text: `the next restart empties the state partition, if it finds a machine config: rm ${RESET} cancels that`,
    },
  ];
}

/** Seconds after a start from which on a source of updates that has never answered is a problem. */
const NEVER = 24 * 3600;

/**
 * A source of updates that brings nothing new for longer than its last file was valid: it is down, or frozen. Or it has
 * never answered, e.g. because its address is wrong.
 */
function channelConditions(box: Box): Condition[] {
  if (readPolicy(box).base === undefined) return [];
  const { lastCheck } = readState(box);
  const failed = lastCheck?.result === 'failed';
  const expired = keptChannelExpired(box);
  const never = failed && uptime(box) > NEVER && box.stat(KEPT_CHANNEL) === undefined;
  if (expired === undefined && !never) return [];
  const end =
    expired === undefined
      ? 'its source has never answered'
      : `the channel file expired at ${isoTime(expired)}, and there is no newer one`;
  const text = `no new release can come: ${end}${failed ? `: ${lastCheck.text}` : ''} (draisine why)`;
  return [{ name: 'channel', severity: 'warning', text }];
}

/** What depends on the list of pools. */
const OF_POOLS = ['features of pools', 'room', 'quotas', 'overdue jobs'];

/**
 * Looks at this machine. A question that fails is a condition as well.
 * @param thorough false: without questions to disks, and others whose answers change slowly. Known problems of these
 *   stay as they are
 */
export function lookAround(box: Box, thorough = true): Look {
  const unseen: string[] = [];
  const sources: string[] = [];
  const ask = (source: string, look: () => readonly Condition[]): Condition[] => {
    sources.push(source);
    try {
      return look().map((one) => ({ source, ...one }));
    } catch (error) {
      unseen.push(source);
      return [
        {
          name: `ask ${source}`,
          source,
          severity: 'warning',
          text: `cannot check ${source}: ${describeError(error)}`,
        },
      ];
    }
  };
  const askRarely: typeof ask = (source, look) => {
    if (thorough) return ask(source, look);
    unseen.push(source);
    return [];
  };
  let pools: Pool[] = [];
  let disks: Disk[] = [];
  const ofPools = ask('pools', () => {
    pools = importedPools(box);
    return pools.flatMap(poolConditions);
  });
  // A suspended pool answers zpool-status(8). Other questions wait for its disks, until nobody waits for this look.
  const stuck = unseen.length > 0 || pools.some(({ state }) => state === 'SUSPENDED');
  if (stuck) unseen.push(...OF_POOLS);
  const ofDatasets = !stuck && pools.length > 0;
  const conditions = [
    ...ofPools,
    ...askRarely('features of pools', () => (ofDatasets ? featureConditions(box) : [])),
    ...ask('failed units', () => unitConditions(box)),
    ...ask('replications', () => replicationConditions(box)),
    ...ask('problems', () => problemConditions(box)),
    ...ask('a reset', () => resetConditions(box)),
    ...ask('containers', () => containerConditions(box)),
    ...ask('restarts', () => restartConditions(box)),
    ...ask('room', () => roomConditions(box, stuck ? [] : pools)),
    ...askRarely('quotas', () => (ofDatasets ? quotaConditions(box) : [])),
    ...askRarely('disks', () => {
      disks = disksOf(box);
      return disks.flatMap(diskConditions);
    }),
    ...ask('arrays of disks', () => arrayConditions(box)),
    ...ask('file systems', () => [...readOnlyConditions(box), ...recordedErrors(box)]),
    ...askRarely('overdue jobs', () => (stuck ? [] : overdueConditions(box, pools))),
    ...ask('updates', () => updateConditions(box)),
    ...ask('the channel', () => channelConditions(box)),
    ...ask('the clock', () => clockConditions(box)),
  ];
  if (isFresh(box)) unseen.push(...sources);
  if (isEarly(box)) unseen.push('overdue jobs');
  const silent = disks.filter(({ asleep, fault }) => asleep || fault !== undefined);
  const silentDisks = silent.map(({ device }) => `disks ${device}`);
  return { conditions, unseen: [...new Set([...unseen, ...silentDisks])] };
}

/** All conditions of this machine. */
export const conditionsOf = (box: Box): readonly Condition[] => lookAround(box).conditions;
