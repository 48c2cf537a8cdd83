import {
  type BoxReports,
  CHANNELS,
  halt,
  issue,
  newChannel,
  objections,
  POLICIES,
  place,
  resume,
  withdraw,
} from '../../../build/release/channel/rules.ts';
import type { Channel, Policy, Release } from '../../../build/release/format/types.ts';
import { versionOf } from '../../../build/release/format/version.ts';

/**
 * The publisher: follows the pipeline of docs/ci.md with the real rules for channels. Times in milliseconds
 * since 1970.
 */

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** Number of reports of boxes before their share counts. */
const TOLD = 20;

/** A release of the simulated year. `at`: milliseconds since 1970. */
export interface SimulatedRelease {
  readonly version: string;
  readonly at: number;
  /** Share of a whole release that a box fetches if it has the previous one. */
  readonly delta: number;
  readonly bad: boolean;
  readonly security: boolean;
}

/** The publisher: its releases, its channels, and the reports of boxes. */
export interface Publisher {
  readonly releases: SimulatedRelease[];
  readonly channels: Map<string, Channel>;
  /** Reports of boxes, by version. */
  readonly reports: Map<string, { committed: number; rejected: number }>;
  /** The time at which the bad release was stopped. */
  stopped: number | undefined;
}

/** The begin of the year, and properties of its releases. */
export interface PublisherOptions {
  readonly begins: number;
  readonly days: number;
  readonly policies: Readonly<Record<string, Policy>>;
  /**
   * Shares of a release that are fetched: with changed packages, and with a changed kernel (every fourth).
   */
  readonly delta: { readonly packages: number; readonly kernel: number };
}

/**
 * A publisher with one release a week, a bad one in the middle of the year, and channels without a release.
 */
export function makePublisher({ begins, days, policies, delta }: PublisherOptions): Publisher {
  const releases: SimulatedRelease[] = [];
  const weeks = Math.floor(days / 7);
  for (let week = 1; week < weeks; week++) {
    const at = begins + week * 7 * DAY + 10 * HOUR;
    releases.push({
      version: versionOf(at / 1000),
      at,
      delta: week % 4 === 0 ? delta.kernel : delta.packages,
      bad: week === Math.floor(weeks / 2),
      security: week % 3 === 0,
    });
  }
  const channels = new Map(
    CHANNELS.map((name) => {
      const policy = policies[name] ?? POLICIES[name] ?? {};
      return [name, issue(newChannel('box', name, policy, begins), begins)] as const;
    }),
  );
  return { releases, channels, reports: new Map(), stopped: undefined };
}

/** The release.json of a simulated release. */
function releaseFile({ version, security }: SimulatedRelease): Release {
  return {
    ...{
      format: 1,
      image: 'box',
      version,
      date: '2026-01-01T00:00:00Z',
      kernel: '6',
      rootHash: '0'.repeat(64),
    },
    ...{ usr: { data: 0, hash: 0, hashOffset: 0 }, files: {}, severity: security ? 'important' : 'none' },
  };
}

const GREEN = {
  ...({ format: 1, image: 'box', passed: 300, failed: 0, skipped: 0, complete: true } as const),
  ...{ results: '0'.repeat(64), artifacts: {} },
};

function reportsOf({ reports }: Publisher, version: string): BoxReports {
  return reports.get(version) ?? { committed: 0, rejected: 0 };
}

/** Puts the next release on alpha. Returns the channels that changed. */
export function publish(publisher: Publisher, release: SimulatedRelease): string[] {
  return change(publisher, 'alpha', (channel) => {
    const resumed = resume(channel, release.at) ?? channel;
    return place(resumed, { version: release.version, release: '0'.repeat(64) }, release.at);
  });
}

function change(
  { channels }: Publisher,
  name: string,
  next: (channel: Channel) => Channel | undefined,
): string[] {
  const before = channels.get(name);
  const after = before && next(before);
  if (!after) return [];
  channels.set(name, after);
  return [name];
}

/** The nightly job: promotes releases if the rules allow it, and renews channel files for seven days. */
export function promoteAll(publisher: Publisher, now: number): string[] {
  const changed: string[] = [];
  for (const name of [...CHANNELS].reverse()) {
    const to = publisher.channels.get(name);
    const from = publisher.channels.get(to?.policy?.from ?? '');
    const release = publisher.releases.find(({ version }) => version === from?.version);
    if (!to || !from || !release || to.version === release.version) continue;
    if (from.withdrawn.some(({ version }) => version === release.version)) continue;
    const boxes = reportsOf(publisher, release.version);
    const report = { ...GREEN, version: release.version };
    if (objections({ from, to, release: releaseFile(release), report, boxes }, now).length > 0) continue;
    changed.push(
      ...change(publisher, name, (channel) =>
        place(resume(channel, now) ?? channel, { version: release.version, release: '0'.repeat(64) }, now),
      ),
    );
  }
  for (const [name, channel] of publisher.channels) publisher.channels.set(name, issue(channel, now));
  return changed;
}

/**
 * Each hour somebody looks at the reports of boxes: a release with too many rejections is halted and
 * withdrawn.
 */
export function watch(publisher: Publisher, now: number): string[] {
  const changed: string[] = [];
  for (const [name, { version, policy, halted, withdrawn }] of publisher.channels) {
    if (version === undefined || halted || withdrawn.some((each) => each.version === version)) continue;
    const { committed, rejected } = reportsOf(publisher, version);
    if (committed + rejected < TOLD || rejected / (committed + rejected) <= (policy?.failed ?? 0.02))
      continue;
    const reason = `${rejected} of ${committed + rejected} boxes rejected it`;
    publisher.stopped ??= now;
    changed.push(...change(publisher, name, (channel) => halt(channel, reason, now)));
    for (const each of publisher.channels.keys())
      changed.push(...change(publisher, each, (channel) => withdraw(channel, version, reason, now)));
  }
  return [...new Set(changed)];
}
