import type { Channel } from '../../../build/release/format/types.ts';
import { rolloutPlace } from '../update/rollout.ts';
import type { SimulatedBox } from './fleet.ts';
import type { Publisher } from './publisher.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** The results of a simulated year. Times in milliseconds since 1970 unless stated otherwise. */
export interface Report {
  readonly boxes: number;
  readonly days: number;
  readonly releases: number;
  /** Bytes of releases that servers sent. */
  readonly bytes: number;
  /** Bytes a second in the busiest minute, and its time. */
  readonly peak: { readonly bytesPerSecond: number; readonly at: number };
  /** The same for the busiest hour. */
  readonly peakHour: number;
  /**
   * The rate of one server without rollouts, if all boxes came within the hour after a release, in bytes a
   * second.
   */
  readonly withoutRollout: number;
  readonly bad: {
    readonly version: string;
    /** Boxes that booted it on trial, and boxes that rejected it and went back. */
    readonly tried: number;
    readonly rejected: number;
    /** Boxes of channels that had it. */
    readonly share: number;
    /** Hours from its arrival in a channel until it was halted; undefined if nobody noticed. */
    readonly hours: number | undefined;
    readonly channel: string;
    /** The boxes of that channel alone: how many tried it, and how many there are. */
    readonly last: { readonly tried: number; readonly boxes: number };
  };
  readonly rollout: RolloutReport;
  /**
   * Hours from the channel's naming a release until a box has committed it, for boxes that restart by
   * themselves.
   */
  readonly behind: { readonly median: number; readonly p95: number; readonly max: number };
  /** The same for boxes that were never switched off. */
  readonly behindOn: { readonly median: number; readonly p95: number; readonly max: number };
  /** Bytes for each hour from the beginning. */
  readonly hours: readonly number[];
  /** For each day: the number of boxes by version. */
  readonly running: readonly ReadonlyMap<string, number>[];
}

/**
 * How well the rollouts of the good releases of stable keep their plan.
 *
 * The error of a rollout is the largest difference, over all its moments, between the planned share of the boxes of the
 * channel and the share of them whose turn has come. A turn is a hash of machine id and version, and no box knows of
 * others. So the error is chance: it shrinks with the root of the number of boxes, and nothing but a list of boxes in
 * the publisher's hands could make it smaller.
 */
export interface RolloutReport {
  /** The error: its average, and that of the worst release. */
  readonly mean: number;
  readonly max: number;
  /** Number of boxes of the channel, and of rollouts. */
  readonly boxes: number;
  readonly releases: number;
  /**
   * Limits of chance for this number of boxes: exceeded in one release of twenty, and in one year of twenty.
   */
  readonly chance: { readonly release: number; readonly year: number };
  /** Minutes from its turn until a box begins to fetch, for boxes that are on and have a right clock. */
  readonly late: { readonly median: number; readonly p95: number; readonly max: number };
}

interface Rollout {
  readonly begins: number;
  readonly hours: number;
  /** Minutes from the turns of boxes to their downloads. */
  readonly late: number[];
}

/** Counts what happens. */
export class Measures {
  private readonly minutes: Float64Array;
  private readonly running: Map<string, number>[] = [];
  private readonly since = new Map<string, number>();
  private readonly rollouts = new Map<string, Rollout>();
  private readonly lags: { readonly hours: number; readonly on: boolean }[] = [];
  /** By version: the sum of all deltas up to it. */
  private readonly deltas = new Map<string, number>();
  private readonly bad: string = '';
  private tried = 0;
  private readonly triedIn = new Map<string, number>();
  private turned = 0;
  private bytes = 0;

  constructor(
    private readonly options: {
      readonly begins: number;
      readonly days: number;
      readonly size: number;
      readonly boxes: number;
    },
    private readonly publisher: Publisher,
    private readonly fleet: readonly SimulatedBox[],
  ) {
    this.minutes = new Float64Array(options.days * 1440 + 1440);
    let sum = 0;
    for (const { version, delta, bad } of publisher.releases) {
      sum += delta;
      this.deltas.set(version, sum);
      if (bad) this.bad = version;
    }
  }

  channelChanged({ channel, version, rollout }: Channel, now: number): void {
    if (version === undefined || this.since.has(`${channel} ${version}`)) return;
    this.since.set(`${channel} ${version}`, now);
    if (channel === 'stable' && rollout && rollout.hours > 0)
      this.rollouts.set(version, { begins: Date.parse(rollout.begins), hours: rollout.hours, late: [] });
  }

  day(_now: number): void {
    const counts = new Map<string, number>();
    for (const { running } of this.fleet) counts.set(running, (counts.get(running) ?? 0) + 1);
    this.running.push(counts);
  }

  /** Counts the download of a release, and spreads it over time. Returns the bytes. */
  staging(box: SimulatedBox, version: string, now: number): number {
    const share = Math.min(1, (this.deltas.get(version) ?? 0) - (this.deltas.get(box.running) ?? 0));
    const bytes = share * this.options.size;
    this.bytes += bytes;
    let left = bytes;
    for (
      let minute = Math.floor((now - this.options.begins) / MINUTE);
      left > 0 && minute < this.minutes.length;
      minute++
    ) {
      const part = Math.min(left, box.speed * 60);
      this.minutes[minute]! += part;
      left -= part;
    }
    const rollout = this.rollouts.get(version);
    if (rollout && this.isSteady(box)) {
      const turn = rollout.begins + rolloutPlace(box.machineId, version) * rollout.hours * HOUR;
      rollout.late.push((now - turn) / MINUTE);
    }
    return bytes;
  }

  /** Whether a box of stable waits only for its turn. */
  private isSteady({ policy, off, state, skew }: SimulatedBox): boolean {
    return (
      policy.channel === 'stable' &&
      policy.mode !== 'notify' &&
      off.length === 0 &&
      state.holds.length === 0 &&
      Math.abs(skew) < HOUR
    );
  }

  trial({ policy }: SimulatedBox, version: string, _now: number): void {
    if (!this.isBad(version)) return;
    this.tried++;
    this.triedIn.set(policy.channel, (this.triedIn.get(policy.channel) ?? 0) + 1);
  }

  isBad(version: string): boolean {
    return version === this.bad;
  }

  private told(version: string): { committed: number; rejected: number } {
    const known = this.publisher.reports.get(version) ?? { committed: 0, rejected: 0 };
    this.publisher.reports.set(version, known);
    return known;
  }

  rejected(version: string, _now: number): void {
    this.told(version).rejected++;
    this.turned++;
  }

  committed({ policy, off, state }: SimulatedBox, version: string, now: number): void {
    this.told(version).committed++;
    const since = this.since.get(`${policy.channel} ${version}`);
    if (since === undefined || policy.mode !== 'auto' || state.holds.length > 0) return;
    this.lags.push({ hours: (now - since) / HOUR, on: off.length === 0 });
  }

  report(end: number): Report {
    const { boxes, days, begins, size } = this.options;
    const hours = Array.from({ length: days * 24 }, (_, hour) =>
      this.minutes.subarray(hour * 60, hour * 60 + 60).reduce((sum, value) => sum + value, 0),
    );
    const busiest = this.minutes.reduce((best, value, at) => (value > this.minutes[best]! ? at : best), 0);
    const mostDelta = Math.max(...this.publisher.releases.map(({ delta }) => delta));
    return {
      boxes,
      days,
      releases: this.publisher.releases.length,
      bytes: this.bytes,
      peak: { bytesPerSecond: this.minutes[busiest]! / 60, at: begins + busiest * MINUTE },
      peakHour: Math.max(...hours) / 3600,
      withoutRollout: (boxes * size * mostDelta) / 3600,
      bad: this.badReport(),
      rollout: this.rolloutReport(end),
      behind: quantiles(this.lags.map((lag) => lag.hours)),
      behindOn: quantiles(this.lags.filter(({ on }) => on).map((lag) => lag.hours)),
      hours,
      running: this.running,
    };
  }

  private rolloutReport(end: number): RolloutReport {
    const whole = [...this.rollouts].filter(
      ([version, { begins, hours }]) => !this.isBad(version) && begins + hours * HOUR < end,
    );
    const ids = this.fleet
      .filter(({ policy }) => policy.channel === 'stable')
      .map(({ machineId }) => machineId);
    const errors = whole.map(([version]) => rolloutError(ids.map((id) => rolloutPlace(id, version))));
    return {
      mean: errors.reduce((sum, each) => sum + each, 0) / Math.max(1, errors.length),
      max: Math.max(0, ...errors),
      boxes: ids.length,
      releases: whole.length,
      chance: { release: chanceError(ids.length, 1), year: chanceError(ids.length, whole.length) },
      late: quantiles(whole.flatMap(([, { late }]) => late)),
    };
  }

  private badReport(): Report['bad'] {
    const version = this.bad;
    const reached = [...this.publisher.channels.keys()].filter((name) =>
      this.since.has(`${name} ${version}`),
    );
    const boxes = this.fleet.filter(({ policy }) => reached.includes(policy.channel)).length;
    const channel = reached.at(-1) ?? 'none';
    const since = this.since.get(`${channel} ${version}`);
    const { stopped } = this.publisher;
    return {
      ...{
        version,
        tried: this.tried,
        rejected: this.turned,
        share: this.tried / Math.max(1, boxes),
        channel,
        last: {
          tried: this.triedIn.get(channel) ?? 0,
          boxes: this.fleet.filter(({ policy }) => policy.channel === channel).length,
        },
      },
      hours: stopped === undefined || since === undefined ? undefined : (stopped - since) / HOUR,
    };
  }
}

/**
 * The largest distance between positions and an even spread of them over 0 to 1 (the statistic of Kolmogorov
 * and Smirnov).
 */
export function rolloutError(places: readonly number[]): number {
  const sorted = Float64Array.from(places).sort();
  return sorted.reduce(
    (worst, place, index) =>
      Math.max(worst, place - index / sorted.length, (index + 1) / sorted.length - place),
    0,
  );
}

/**
 * The error that random places of `boxes` boxes exceed in at least one of `releases` rollouts with a probability of 5 %
 * at most (the inequality of Dvoretzky, Kiefer and Wolfowitz with the constant of Massart).
 */
export function chanceError(boxes: number, releases: number): number {
  return Math.sqrt(Math.log((2 * Math.max(1, releases)) / 0.05) / (2 * Math.max(1, boxes)));
}

function quantiles(values: readonly number[]): { median: number; p95: number; max: number } {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return { median: at(0.5), p95: at(0.95), max: at(1) };
}
