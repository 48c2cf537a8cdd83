import type { Channel, Release } from '../../../build/release/format/types.ts';
import { compareVersions } from '../../../build/release/format/version.ts';
import { isoTime } from '../io/fields.ts';
import type { Policy } from '../settings/update.ts';
import { rolloutPlace, takesPartAt } from './rollout.ts';
import type { State } from './state.ts';
import { currentOrNext } from './windows.ts';
import type { Zone } from './zone.ts';

/** A reason for waiting, and the event that ends it. */
export interface Wait {
  readonly kind:
    | 'pin'
    | 'max'
    | 'floor'
    | 'rejected'
    | 'withdrawn'
    | 'halted'
    | 'expired'
    | 'hold'
    | 'rollout'
    | 'mode'
    | 'window'
    | 'needs'
    | 'features'
    | 'retry';
  readonly reason: string;
  /** When it ends by itself, in milliseconds since 1970; undefined if another event ends it. */
  readonly until: number | undefined;
  /** The event, as text. */
  readonly end: string;
}

/** The next action. `reason`: one sentence. */
export type Decision =
  | { readonly action: 'none'; readonly reason: string }
  | { readonly action: 'wait'; readonly version: string; readonly waits: readonly [Wait, ...Wait[]] }
  | { readonly action: 'stage' | 'reboot' | 'unstage'; readonly version: string; readonly reason: string };

/**
 * A release as the channel names it. `release`: SHA-256 of its release.json, undefined if only a pin names
 * it.
 */
export interface Target {
  readonly version: string;
  readonly release: string | undefined;
}

/** All inputs of the decision. */
export interface Situation {
  /** Trusted time, milliseconds since 1970. */
  readonly now: number;
  readonly machineId: string;
  /** The running version. */
  readonly running: string;
  readonly policy: Policy;
  readonly zone: Zone;
  readonly state: Pick<State, 'staged' | 'rejected' | 'unstaged' | 'holds' | 'floor'>;
  readonly channel: Channel;
  /** The target's release.json, if it is known. */
  readonly release?: Release | undefined;
  /** Active pool features that the target cannot read: `POOL: feature, …`. */
  readonly unreadable?: readonly string[];
  /** The owner asks now: rollout, mode and windows do not count. */
  readonly asked?: { readonly version?: string | undefined };
}

/** The next release for this box: a barrier on the way, a pinned version, or the channel's release. */
export function targetOf({
  channel,
  policy,
  running,
}: Pick<Situation, 'channel' | 'policy' | 'running'>): Target | undefined {
  const { pin } = policy;
  const named: Target[] = [...channel.barriers];
  if (channel.version !== undefined) named.push({ version: channel.version, release: channel.release });
  const ahead = named
    .filter(({ version }) => compareVersions(version, running) > 0)
    .sort((a, b) => compareVersions(a.version, b.version));
  const barriers = ahead.filter(({ version }) =>
    channel.barriers.some((barrier) => barrier.version === version),
  );
  const reach = pin ?? channel.version;
  const onTheWay = barriers.find(
    ({ version }) => reach === undefined || compareVersions(version, reach) <= 0,
  );
  if (onTheWay) return onTheWay;
  // Never a barrier later than the channel's release.
  if (pin === undefined) return ahead.find(({ version }) => version === channel.version);
  if (compareVersions(pin, running) <= 0) return undefined;
  return ahead.find(({ version }) => version === pin) ?? { version: pin, release: undefined };
}

type Check = (situation: Situation, target: Target) => Wait | undefined;

const wait = (kind: Wait['kind'], reason: string, end: string, until?: number): Wait => ({
  kind,
  reason,
  end,
  until,
});

/** Checks against staging a release, in the order in which people are told. */
const STAGING: readonly Check[] = [
  beyondMax,
  ({ state: { floor } }, { version }) =>
    floor !== undefined && compareVersions(version, floor) < 0
      ? wait(
          'floor',
          `${version} is older than ${floor}, which this box has committed before`,
          'the channel names a later release',
        )
      : undefined,
  ({ state, asked, now }, { version }) => {
    const rejected = state.rejected.find((each) => each.version === version);
    if (!rejected || asked?.version === version) return undefined;
    const { since, reason, again } = rejected;
    // A clock that was set back must not postpone it.
    if (again !== undefined && (again <= now || since > now)) return undefined;
    const second = again === undefined ? '' : 'its second trial begins, ';
    return wait(
      'rejected',
      `${version} was rejected at ${isoTime(since)}: ${reason}`,
      `${second}the channel names another release, or you run draisine stage ${version}`,
      again,
    );
  },
  ({ channel }, { version }) => {
    const withdrawn = channel.withdrawn.find((each) => each.version === version);
    return (
      withdrawn &&
      wait('withdrawn', `${version} was withdrawn: ${withdrawn.reason}`, 'the channel names another release')
    );
  },
  ({ channel: { halted, channel } }) =>
    halted && wait('halted', `the channel ${channel} is halted: ${halted.reason}`, 'the channel is resumed'),
  ({ channel, now, asked }, { version }) =>
    Date.parse(channel.expires) < now && asked?.version !== version
      ? wait(
          'expired',
          `the channel file expired at ${channel.expires}`,
          'its publisher renews it (channel refresh), or you correct the clock',
        )
      : undefined,
  holdOf,
  retryOf,
  ({ channel: { rollout }, policy, machineId, now, asked }, { version }) => {
    const begins = takesPartAt(rollout, policy.wariness ?? rolloutPlace(machineId, version));
    return !asked && begins !== undefined && begins > now
      ? wait(
          'rollout',
          `the rollout of ${version} takes ${rollout!.hours} hours, and the turn of this box is later`,
          `its turn at ${isoTime(begins)}`,
          begins,
        )
      : undefined;
  },
  ({ policy, asked }, { version }) =>
    !asked && policy.mode === 'notify'
      ? wait('mode', `${version} is available, and this box only reports it (mode notify)`, 'draisine stage')
      : undefined,
  ({ release, running }, { version }) =>
    release?.needs !== undefined && compareVersions(running, release.needs) < 0
      ? wait(
          'needs',
          `${version} can only follow ${release.needs} or later`,
          `the channel gets ${release.needs} as a barrier, or you run draisine-install --keep-state`,
        )
      : undefined,
  ({ unreadable = [] }, { version }) =>
    unreadable.length > 0
      ? wait(
          'features',
          `${version} cannot read these pools: ${unreadable.join('; ')}`,
          'the channel names a release that can',
        )
      : undefined,
];

/** Checks against booting a staged release. */
const REBOOTING: readonly Check[] = [
  // The policy and the channel may have changed since it was staged.
  beyondMax,
  ({ policy: { pin } }, { version }) =>
    pin !== undefined && compareVersions(version, pin) > 0
      ? wait(
          'pin',
          `${version} is staged, but it is later than update.pin, ${pin}`,
          'raise update.pin in the machine config, or draisine reboot',
        )
      : undefined,
  ({ channel: { channel, halted, version: named } }, { version }) =>
    halted && named === version
      ? wait(
          'halted',
          `${version} is staged, but the channel ${channel} is halted: ${halted.reason}`,
          'the channel is resumed, or draisine reboot',
        )
      : undefined,
  holdOf,
  ({ state: { staged }, asked }, { version }) =>
    !asked && passedBy(staged)
      ? wait('retry', `${version} is staged, ${PASSED}`, 'draisine reboot, or a restart that leads to it')
      : undefined,
  ({ policy, asked }, { version }) =>
    !asked && policy.mode !== 'auto'
      ? wait(
          'mode',
          `${version} is staged, and this box does not restart by itself (mode ${policy.mode})`,
          'draisine reboot, or any restart',
        )
      : undefined,
  ({ policy, zone, now, asked }, { version }) => {
    if (asked || policy.windows.length === 0) return undefined;
    const span = currentOrNext(policy.windows, zone, now);
    if (span && span.from <= now) return undefined;
    const end = span ? `the window that begins at ${isoTime(span.from)}` : 'a window';
    return wait(
      'window',
      `${version} is staged and waits for a restart window (${policy.zone})`,
      end,
      span?.from,
    );
  },
];

/** The fault of a box that restarts, and does not come to its staged release. */
export const PASSED = 'but the boot loader has started another release at each restart (bootctl list)';

/** Whether the boot loader passes by the staged release. Otherwise the box would restart again and again. */
export function passedBy(staged: State['staged']): boolean {
  return (staged?.restarts ?? 0) >= 3;
}

function beyondMax({ policy: { max } }: Situation, { version }: Target): Wait | undefined {
  return max !== undefined && compareVersions(version, max) > 0
    ? wait('max', `${version} is later than update.max, ${max}`, 'raise update.max in the machine config')
    : undefined;
}

/** Milliseconds after a first failure to stage a release, and at most: each failure doubles the pause. */
const PAUSE = 30 * 60_000;
const LONGEST_PAUSE = 24 * 3_600_000;

/** A bad disk, or a server with wrong files, must not be written or read all day. */
function retryOf({ state: { unstaged }, now, asked }: Situation, { version }: Target): Wait | undefined {
  if (asked || unstaged?.version !== version) return undefined;
  const until = unstaged.at + Math.min(PAUSE * 2 ** (unstaged.times - 1), LONGEST_PAUSE);
  // A clock that was set back must not make the pause longer.
  if (until <= now || unstaged.at > now) return undefined;
  const often = unstaged.times === 1 ? '' : ` (${unstaged.times} times)`;
  const end = 'the next attempt, or you run draisine stage';
  return wait('retry', `${version} could not be staged${often}: ${unstaged.reason}`, end, until);
}

function holdOf({ state, now }: Situation): Wait | undefined {
  const hold = state.holds.find(({ until }) => until === undefined || until > now);
  if (!hold) return undefined;
  const end = hold.until === undefined ? '' : ` or at ${isoTime(hold.until)}`;
  return wait(
    'hold',
    `updates are held by ${hold.name}: ${hold.reason}`,
    `draisine release-hold ${hold.name}${end}`,
    hold.until,
  );
}

function waitsOf(checks: readonly Check[], situation: Situation, target: Target): Wait[] {
  return checks.flatMap((check) => check(situation, target) ?? []);
}

/**
 * The next action of a box. A pure function: the box, its tests and the simulation of thousands of boxes call
 * it.
 */
export function decide(situation: Situation): Decision {
  const { channel, state, running } = situation;
  const { staged } = state;
  const target = targetOf(situation);
  if (staged) {
    const withdrawn = channel.withdrawn.find(({ version }) => version === staged.version);
    if (withdrawn) {
      return {
        action: 'unstage',
        version: staged.version,
        reason: `${staged.version} was withdrawn: ${withdrawn.reason}`,
      };
    }
    // A later release replaces a staged one that was never booted, if it may be staged at all. So does one that
    // the owner names.
    const named = situation.asked?.version !== undefined && target?.version !== staged.version;
    const later = target !== undefined && compareVersions(target.version, staged.version) > 0;
    if (!named && (!later || waitsOf(STAGING, situation, target).length > 0))
      return rebootOrWait(situation, staged.version);
  }
  if (!target) {
    // Whoever serves an old file hides newer releases.
    const old = Date.parse(channel.expires) < situation.now;
    const warning = `, but the channel file expired at ${channel.expires}, so there may be later ones`;
    return { action: 'none', reason: `${upToDate(situation)}${old ? warning : ''}` };
  }
  const [first, ...others] = waitsOf(STAGING, situation, target);
  if (first) return { action: 'wait', version: target.version, waits: [first, ...others] };
  return { action: 'stage', version: target.version, reason: `${target.version} follows ${running}` };
}

function rebootOrWait(situation: Situation, version: string): Decision {
  const [first, ...others] = waitsOf(REBOOTING, situation, { version, release: undefined });
  if (first) return { action: 'wait', version, waits: [first, ...others] };
  return { action: 'reboot', version, reason: `${version} is staged` };
}

function upToDate({ channel: { channel, version }, running, policy: { pin }, asked }: Situation): string {
  if (asked?.version === running) return `${running} runs already`;
  if (asked?.version !== undefined)
    return `${running} runs, and ${asked.version} is older: only draisine rollback goes back, to the release in the other slot`;
  if (pin !== undefined) return `this box is pinned to ${pin} and runs ${running}`;
  if (version === undefined) return `the channel ${channel} names no release yet`;
  if (version === running) return `${running} is the release that the channel ${channel} names`;
  return `${running} is later than ${version}, which the channel ${channel} names: a box never goes back by itself`;
}
