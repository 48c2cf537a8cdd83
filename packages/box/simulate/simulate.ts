import type { Channel, Policy } from '../../../build/release/format/types.ts';
import { AGAIN, EVERY } from '../cli/timer.ts';
import { type Decision, decide } from '../update/decide.ts';
import { rolloutPlace, takesPartAt } from '../update/rollout.ts';
import { epochOf } from '../update/running.ts';
import { type FleetOptions, makeFleet, type Random, randomFrom, type SimulatedBox } from './fleet.ts';
import { Measures, type Report } from './measures.ts';
import { makePublisher, type Publisher, promoteAll, publish, watch } from './publisher.ts';
import { Queue } from './queue.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Delay of the timer in a simulation: it runs every 20 to 30 minutes. */
const LAG = 25 * MINUTE;
/** Share of checks that do not reach the server. */
const UNREACHED = 0.01;
/** Days until an owner restarts by hand. */
const OWNER_DAYS = 5;

/** The inputs of a simulation. */
export interface SimulationOptions {
  readonly boxes: number;
  readonly days: number;
  readonly seed: number;
  /** Bytes of a whole release: usr.img and uki.efi. */
  readonly size: number;
  readonly delta: { readonly packages: number; readonly kernel: number };
  readonly policies: Readonly<Record<string, Policy>>;
  readonly fragile: FleetOptions['fragile'];
  /** Begin, in milliseconds since 1970. */
  readonly begins: number;
}

/** The activity of a box, besides waiting. */
interface Doing {
  readonly kind: 'download' | 'trial';
  readonly version: string;
  readonly until: number;
}

interface Live {
  readonly box: SimulatedBox;
  /** The last accepted channel file, and the time of its acceptance. */
  heard: Channel;
  heardAt: number;
  /** The newest signed time that it has seen. */
  signed: number;
  /** The time of its next question; Infinity: the usual ones, which find nothing new. */
  asks: number;
  doing: Doing | undefined;
  /** The time at which its owner restarts it. */
  owner: number;
  /** Its position in the rollout of a version. It is asked for often, and does not change. */
  place: { readonly version: string; readonly at: number } | undefined;
}

/** Simulates a year. The boxes decide by `decide`, as real ones do; the publisher by the real rules. */
export class Simulation {
  private readonly random: Random;
  private readonly queue = new Queue();
  private readonly publisher: Publisher;
  private readonly fleet: readonly Live[];
  private readonly measures: Measures;
  private nextRelease = 0;

  constructor(private readonly options: SimulationOptions) {
    const { begins, days, policies, delta, seed } = options;
    this.random = randomFrom(seed);
    this.publisher = makePublisher({ begins, days, policies, delta });
    const running = '2025.101.0';
    const fleet = makeFleet(this.random, { ...options, running });
    this.fleet = fleet.map((box) => ({
      box,
      heard: this.channelOf(box),
      heardAt: begins,
      signed: Math.max(begins, epochOf(running)),
      asks: Number.POSITIVE_INFINITY,
      doing: undefined,
      owner: Number.POSITIVE_INFINITY,
      place: undefined,
    }));
    this.measures = new Measures(options, this.publisher, fleet);
  }

  run(): Report {
    const { begins, days } = this.options;
    const [publishing, nightly, hourly] = [-1, -2, -3];
    const first = this.publisher.releases[0];
    if (first) this.queue.push(first.at, publishing);
    this.queue.push(begins + 3.3 * HOUR, nightly);
    this.queue.push(begins + HOUR, hourly);
    const end = begins + days * DAY;
    for (let event = this.queue.pop(); event && event.time < end; event = this.queue.pop()) {
      const { time, thing } = event;
      if (thing >= 0) this.look(thing, time);
      else if (thing === publishing) {
        this.changed(publish(this.publisher, this.publisher.releases[this.nextRelease++]!), time);
        const next = this.publisher.releases[this.nextRelease];
        if (next) this.queue.push(next.at, publishing);
      } else if (thing === nightly) {
        this.changed(promoteAll(this.publisher, time), time);
        this.measures.day(time);
        this.queue.push(time + DAY, nightly);
      } else {
        this.changed(watch(this.publisher, time), time);
        this.queue.push(time + HOUR, hourly);
      }
    }
    return this.measures.report(end);
  }

  private channelOf({ policy }: SimulatedBox): Channel {
    return this.publisher.channels.get(policy.channel)!;
  }

  /** A channel file has news. Each box of the channel sees it when it asks the next time. */
  private changed(names: readonly string[], now: number): void {
    for (const name of names) {
      this.measures.channelChanged(this.publisher.channels.get(name)!, now);
      for (const [index, live] of this.fleet.entries()) {
        if (live.box.policy.channel !== name) continue;
        live.asks = Math.min(live.asks, now + this.random() * (EVERY + LAG));
        this.wake(index, live.asks);
      }
    }
  }

  private wake(index: number, time: number): void {
    const { box } = this.fleet[index]!;
    if (time >= box.next) return;
    box.next = time;
    this.queue.push(time, index);
  }

  /** The timer of a box. */
  private look(index: number, now: number): void {
    const live = this.fleet[index]!;
    const { box } = live;
    if (box.next !== now) return; // it was called for an earlier time
    box.next = Number.POSITIVE_INFINITY;
    const back = this.switchedOn(box, now);
    if (back > now) {
      this.wake(index, back + this.random() * LAG);
      return;
    }
    if (live.doing) this.finish(index, live, live.doing, now);
    else if (now >= live.asks && this.random() < UNREACHED) live.asks = now + AGAIN;
    else this.act(index, live, now);
    this.wake(index, live.doing ? live.doing.until : Math.max(live.asks, now + 1));
  }

  private switchedOn({ off }: SimulatedBox, now: number): number {
    const day = (now - this.options.begins) / DAY;
    const away = off.find(([from, to]) => day >= from && day < to);
    return away ? this.options.begins + away[1] * DAY : now;
  }

  private ask(live: Live, now: number): void {
    live.heard = this.channelOf(live.box);
    live.heardAt = now;
    live.signed = Math.max(live.signed, Date.parse(live.heard.issued));
    live.asks = Number.POSITIVE_INFINITY;
  }

  /**
   * The box's own function, called once while the channel names this version. The publisher here sets no
   * barriers.
   */
  private placeOf(live: Live, version: string): number {
    if (live.place?.version !== version)
      live.place = { version, at: rolloutPlace(live.box.machineId, version) };
    return live.place.at;
  }

  private decide(live: Live, now: number, asked = false): Decision {
    const { box, heard } = live;
    // The same as trustedTime: the latest of the clock, the running build's epoch and signed times.
    const trusted = Math.max(now + box.skew, live.signed);
    const { machineId, running, zone, state } = box;
    const { version } = heard;
    return decide({
      now: trusted,
      machineId,
      running,
      policy: version === undefined ? box.policy : { ...box.policy, wariness: this.placeOf(live, version) },
      zone,
      state,
      channel: heard,
      ...(asked ? { asked: {} } : {}),
    });
  }

  private act(index: number, live: Live, now: number): void {
    // It has asked every four hours since then, and has got the renewed files.
    if (now >= live.asks || now - live.heardAt >= EVERY) this.ask(live, now);
    const asked = now >= live.owner;
    if (asked) live.owner = Number.POSITIVE_INFINITY;
    let decision = this.decide(live, now, asked);
    if (decision.action === 'stage') {
      this.ask(live, now); // before anything is fetched
      decision = this.decide(live, now, asked);
    }
    this.follow(index, live, decision, now);
  }

  private follow(index: number, live: Live, decision: Decision, now: number): void {
    const { box } = live;
    switch (decision.action) {
      case 'none':
        return;
      case 'stage': {
        const bytes = this.measures.staging(box, decision.version, now);
        live.doing = { kind: 'download', version: decision.version, until: now + (bytes / box.speed) * 1000 };
        return;
      }
      case 'reboot':
        live.owner = Number.POSITIVE_INFINITY;
        live.doing = {
          kind: 'trial',
          version: decision.version,
          until: now + MINUTE + box.policy.settle * 1000,
        };
        this.measures.trial(box, decision.version, now);
        return;
      case 'unstage':
        box.state = { ...box.state, staged: undefined };
        this.wake(index, now + 1);
        return;
      case 'wait':
        this.waitFor(index, live, decision.waits, now);
    }
  }

  private waitFor(
    index: number,
    live: Live,
    waits: readonly { readonly kind: string; readonly until: number | undefined }[],
    now: number,
  ): void {
    this.watchTurn(index, live, now);
    if (live.box.state.staged && waits.some(({ kind }) => kind === 'mode')) {
      if (live.owner === Number.POSITIVE_INFINITY)
        live.owner = now - Math.log(1 - this.random()) * OWNER_DAYS * DAY;
      this.wake(index, Math.max(live.owner, now + MINUTE));
      return;
    }
    const untils = waits.flatMap(({ until }) =>
      until === undefined ? [] : [until - Math.min(0, live.box.skew)],
    );
    if (untils.length > 0) this.wake(index, Math.max(Math.min(...untils), now) + this.random() * LAG + 1);
    // With a clock far behind, only signed files give the time.
    if (live.box.skew < -HOUR) live.asks = Math.min(live.asks, now + EVERY);
  }

  /** The timer also looks whether a release later than the staged one has its turn. */
  private watchTurn(index: number, live: Live, now: number): void {
    const { box, heard } = live;
    const { staged } = box.state;
    if (!staged || heard.version === undefined || heard.version === staged.version) return;
    const turn = (takesPartAt(heard.rollout, this.placeOf(live, heard.version)) ?? 0) - Math.min(0, box.skew);
    if (turn > now) this.wake(index, turn + this.random() * LAG);
  }

  /** A download or a trial has ended. */
  private finish(index: number, live: Live, { kind, version, until }: Doing, now: number): void {
    if (now < until) {
      this.wake(index, until);
      return;
    }
    const { box } = live;
    live.doing = undefined;
    const { running, state } = box;
    if (kind === 'download') {
      const staged = { version, rootHash: '0'.repeat(64), from: running, since: now, rebooting: false };
      box.state = { ...state, staged };
    } else if (box.fragile && this.measures.isBad(version)) {
      const rejected = { version, reason: 'gate', since: now, evidence: undefined };
      box.state = { ...state, staged: undefined, rejected: [...state.rejected, rejected] };
      this.measures.rejected(version, now);
    } else {
      box.running = version;
      live.signed = Math.max(live.signed, epochOf(version));
      box.state = { ...state, staged: undefined, floor: version };
      this.measures.committed(box, version, now);
    }
    this.wake(index, now + 1);
  }
}
