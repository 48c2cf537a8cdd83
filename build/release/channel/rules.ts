import { badInput } from '../../../sdk/lib/errors.ts';
import { CHANNEL_SECONDS } from '../format/namespaces.ts';
import { formatTime } from '../format/time.ts';
import type { Channel, Policy, Release, Rollout, TestReport } from '../format/types.ts';
import { compareVersions } from '../format/version.ts';
import { reportFaults } from '../report-faults.ts';

/** Computes the next channel file. Values only; times in milliseconds since 1970. */

const HOUR_MS = 3_600_000;
/**
 * Boxes ask every four hours (packages/box/cli). If a rollout began at once, the first boxes would be late.
 */
const HEARD_MS = 4 * HOUR_MS;

/** The policies of the usual channels. */
export const POLICIES: Readonly<Record<string, Policy>> = {
  alpha: { rollout: 0 },
  beta: { from: 'alpha', hours: 24, failed: 0.02, rollout: 24 },
  stable: { from: 'beta', hours: 72, failed: 0.01, rollout: 72 },
  lts: { from: 'stable', hours: 168, failed: 0.01, rollout: 168, security: true },
};

/** The usual channels, in the order in which a release goes through them. */
export const CHANNELS = Object.keys(POLICIES);

/** A channel without a release. Its serial is 0; `issue` makes its first file. */
export function newChannel(image: string, channel: string, policy: Policy, now: number): Channel {
  return {
    ...{ format: 1, image, channel, serial: 0 },
    ...{ issued: formatTime(now), expires: formatTime(now), barriers: [], withdrawn: [], policy },
  };
}

/** Clocks of two publishers may differ by this much. */
const SKEW_MS = 10 * 60_000;

/**
 * The next file: its serial is one higher, its dates are new.
 * @throws badInput if the present file is from the future: with the next one, time would go back for the boxes
 */
export function issue(channel: Channel, now: number): Channel {
  if (now + SKEW_MS < Date.parse(channel.issued))
    throw badInput(`the present file was issued at ${channel.issued}, and it is ${formatTime(now)} here`, {
      where: `channel ${channel.channel} of ${channel.image}`,
      hint: 'set the clock of this machine; if it is right, the file was issued on a machine whose clock was ahead: wait, or if it was days ahead: ./draisine keys rotate channel, then channel refresh',
    });
  return {
    ...channel,
    serial: channel.serial + 1,
    issued: formatTime(now),
    expires: formatTime(now + CHANNEL_SECONDS * 1000),
  };
}

/**
 * A channel whose file a replaced key has signed, in a form that can be issued now. Boxes forget the serial and the times of
 * such a key, because a thief may have signed a very high serial, or a time in the far future.
 */
export function fromReplacedKey(channel: Channel, now: number): Channel {
  return {
    ...channel,
    serial: Number.isSafeInteger(channel.serial + 1) ? channel.serial : 0,
    issued: formatTime(Math.min(now, Date.parse(channel.issued))),
  };
}

/** A release, and options for putting it on a channel. */
export interface Placement {
  readonly version: string;
  /** SHA-256 of its release.json as published. */
  readonly release: string;
  /** Hours that the rollout takes; default: the channel's policy. */
  readonly hours?: number;
  /**
   * Begin of the rollout. Default: the time at which every box has read the file, or now if all boxes take
   * part at once.
   */
  readonly begins?: number;
  /** Whether every box must run this release before a later one. */
  readonly barrier?: boolean;
  readonly forced?: { readonly reason: string; readonly refused: string };
}

/** The release is there already: what the placement says about its rollout and its barrier; undefined if nothing new. */
function placeAgain(
  channel: Channel,
  { version, release, ...asked }: Placement,
  now: number,
): Channel | undefined {
  const { rollout, barriers } = channel;
  const next: Channel = {
    ...channel,
    ...(rollout && {
      rollout: {
        begins: asked.begins === undefined ? rollout.begins : formatTime(asked.begins),
        hours: asked.hours ?? rollout.hours,
      },
    }),
    barriers:
      asked.barrier && !barriers.some((each) => each.version === version)
        ? [...barriers, { version, release }]
        : barriers,
  };
  return JSON.stringify(next) === JSON.stringify(channel) ? undefined : issue(next, now);
}

/**
 * Puts a release on a channel; undefined if it is there, with the same rollout and barrier.
 * @throws badInput for a version that does not rise or was withdrawn: these rules cannot be overruled
 */
export function place(channel: Channel, placement: Placement, now: number): Channel | undefined {
  const { version, release, barrier, forced } = placement;
  const hours = placement.hours ?? channel.policy?.rollout ?? 0;
  const begins = placement.begins ?? (hours > 0 ? now + HEARD_MS : now);
  const where = `channel ${channel.channel} of ${channel.image}`;
  const isThere = version === channel.version && release === channel.release;
  const withdrawn = channel.withdrawn.find((each) => each.version === version);
  if (withdrawn && (barrier || !isThere))
    throw badInput(`version ${version} was withdrawn: ${withdrawn.reason}`, {
      where,
      hint: 'build a higher one',
    });
  if (isThere) return placeAgain(channel, placement, now);
  if (channel.version !== undefined) {
    if (compareVersions(version, channel.version) <= 0)
      throw badInput(`version ${version} does not rise: ${channel.channel} has ${channel.version}`, {
        where,
        hint: 'boxes never go back: build the replacement with a higher version',
      });
  }
  const { forced: _before, ...rest } = channel;
  return issue(
    {
      ...rest,
      ...{ version, release, since: formatTime(now) },
      rollout: { begins: formatTime(begins), hours },
      barriers: barrier ? [...channel.barriers, { version, release }] : channel.barriers,
      ...(forced ? { forced: { version, ...forced, since: formatTime(now) } } : {}),
    },
    now,
  );
}

/**
 * Reports of boxes on a release, in `report/boxes.json` beside it. The owner of the channel collects them.
 */
export interface BoxReports {
  readonly committed: number;
  readonly rejected: number;
}

/** The inputs of a decision on a promotion. */
export interface Candidate {
  readonly to: Channel;
  readonly release: Release;
  /** Undefined if there is none. */
  readonly report?: TestReport | undefined;
  readonly boxes?: BoxReports | undefined;
  /** Changes against the channel's present release that are not security fixes, one line each. */
  readonly besides?: readonly string[];
}

/** Reasons against promoting a release, one line each. None: the release may be promoted. */
export function objections(candidate: Candidate & { readonly from: Channel }, now: number): string[] {
  const { from, to } = candidate;
  const { from: lower, hours = 0 } = to.policy ?? {};
  const found: string[] = [];
  if (lower !== undefined && lower !== from.channel)
    found.push(`${to.channel} takes releases from ${lower}, not from ${from.channel}`);
  if (from.halted) found.push(`${from.channel} is halted: ${from.halted.reason}`);
  const age = (now - Date.parse(from.since ?? from.issued)) / HOUR_MS;
  if (age < hours)
    found.push(`it has been in ${from.channel} for ${age.toFixed(1)} of the required ${hours} hours`);
  return [...found, ...releaseObjections(candidate)];
}

/** Reasons against putting a release on a channel, wherever it comes from, one line each. */
export function releaseObjections({ to, release, report, boxes, besides = [] }: Candidate): string[] {
  const { failed, security } = to.policy ?? {};
  const found: string[] = [];
  if (security && release.severity === 'none')
    found.push(`${to.channel} takes security fixes only, and the release says severity none`);
  if (security) found.push(...besides.map((line) => `${to.channel} takes security fixes only: ${line}`));
  found.push(...reportFaults(release, report));
  const told = boxes ? boxes.committed + boxes.rejected : 0;
  if (boxes && failed !== undefined && told > 0 && boxes.rejected / told > failed)
    found.push(
      `${boxes.rejected} of ${told} boxes rejected it, more than ${(failed * 100).toFixed(1)} in 100`,
    );
  return found;
}

/** Halts a channel; undefined if it is halted for this reason already. Another reason does not change its begin. */
export function halt(channel: Channel, reason: string, now: number): Channel | undefined {
  const { halted } = channel;
  if (halted?.reason === reason) return undefined;
  return issue({ ...channel, halted: { reason, since: halted?.since ?? formatTime(now) } }, now);
}

/**
 * Ends a halt; undefined if there is none. The rollout goes on where the halt has stopped it. Otherwise all boxes whose turn
 * has come meanwhile would start the update at once.
 */
export function resume(channel: Channel, now: number): Channel | undefined {
  const { halted, rollout, ...rest } = channel;
  if (!halted) return undefined;
  const later = rollout && { rollout: afterHalt(rollout, Date.parse(halted.since), now) };
  return issue({ ...rest, ...later }, now);
}

/** A rollout that a halt has interrupted at `since`, and that goes on now. */
function afterHalt(rollout: Rollout, since: number, now: number): Rollout {
  const begins = Date.parse(rollout.begins);
  if (begins > now || since >= begins + rollout.hours * HOUR_MS) return rollout;
  return { ...rollout, begins: formatTime(now - Math.max(0, since - begins)) };
}

/**
 * Withdraws a version from a channel; undefined if it is withdrawn already. It is no barrier any more: boxes would wait
 * there for ever. `needs` of a later release still counts.
 */
export function withdraw(
  channel: Channel,
  version: string,
  reason: string,
  now: number,
): Channel | undefined {
  if (channel.withdrawn.some((each) => each.version === version)) return undefined;
  return issue(
    {
      ...channel,
      barriers: channel.barriers.filter((each) => each.version !== version),
      withdrawn: [...channel.withdrawn, { version, reason, since: formatTime(now) }],
    },
    now,
  );
}

/** The renewed file; undefined while more than half of its time is left. */
export function refresh(channel: Channel, now: number, always: boolean): Channel | undefined {
  const left = Date.parse(channel.expires) - now;
  return always || left < (CHANNEL_SECONDS * 1000) / 2 ? issue(channel, now) : undefined;
}
