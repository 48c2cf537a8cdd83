import { DEFAULT_POLICY, type Mode, type Policy, type UpdateWindow } from '../settings/update.ts';
import type { State } from '../update/state.ts';
import { parseZone, type Zone } from '../update/zone.ts';

/** Simulated boxes: generated, and the same for the same seed. */

/** Numbers from 0 to 1, the same for the same seed (mulberry32 by T. Ettinger). */
export type Random = () => number;

/** Makes the numbers of a seed. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A box of the simulation: its owner's choices, its clock, and its state. */
export interface SimulatedBox {
  readonly machineId: string;
  readonly policy: Policy;
  readonly zone: Zone;
  /** Error of its clock in milliseconds, until a signed file gives it the time. */
  readonly skew: number;
  /** Download rate in bytes a second. */
  readonly speed: number;
  /** Whether the bad release fails on this box. */
  readonly fragile: boolean;
  /** Days from the beginning during which it is switched off. */
  readonly off: readonly (readonly [from: number, to: number])[];
  running: string;
  state: Pick<State, 'staged' | 'rejected' | 'unstaged' | 'holds' | 'floor'>;
  /** Number of the last channel file that it has seen; −1: none. */
  seen: number;
  /** Its next look, in milliseconds; Infinity: after the next event. */
  next: number;
}

/** Rules of time zones (POSIX, TZ), and the percentage of boxes in each. */
const ZONES: readonly (readonly [rule: string, share: number])[] = [
  ['CET-1CEST,M3.5.0,M10.5.0/3', 45],
  ['GMT0BST,M3.5.0/1,M10.5.0', 10],
  ['EST5EDT,M3.2.0,M11.1.0', 18],
  ['PST8PDT,M3.2.0,M11.1.0', 10],
  ['IST-5:30', 7],
  ['JST-9', 5],
  ['AEST-10AEDT,M10.1.0,M4.1.0/3', 5],
];

/** A file of tzdata with nothing but a rule (RFC 8536), for the box's own reader. */
function zoneFile(rule: string): Uint8Array {
  const header = (types: number) => {
    const bytes = new Uint8Array(44);
    bytes.set([0x54, 0x5a, 0x69, 0x66, 0x32]);
    const view = new DataView(bytes.buffer);
    view.setUint32(36, types);
    view.setUint32(40, types);
    return bytes;
  };
  const data = new Uint8Array(7);
  return Uint8Array.from([...header(1), ...data, ...header(1), ...data, ...Buffer.from(`\n${rule}\n`)]);
}

/** Zones change their offset only at full hours, so the offset is computed once for each hour. */
function remembered(zone: Zone): Zone {
  const known = new Map<number, number>();
  return (seconds) => {
    const hour = Math.floor(seconds / 3600);
    const found = known.get(hour) ?? zone(seconds);
    known.set(hour, found);
    return found;
  };
}

function pick<T>(random: Random, choices: readonly (readonly [value: T, share: number])[]): T {
  let left = random() * choices.reduce((sum, [, share]) => sum + share, 0);
  for (const [value, share] of choices) {
    left -= share;
    if (left < 0) return value;
  }
  return choices.at(-1)![0];
}

const NIGHTLY: readonly UpdateWindow[] = [{ from: '02:00', minutes: 120 }];
const WEEKLY: readonly UpdateWindow[] = [{ days: ['sun'], from: '03:00', minutes: 120 }];

/** The number of boxes, and of those on which the bad release fails. */
export interface FleetOptions {
  readonly boxes: number;
  readonly days: number;
  readonly running: string;
  /** By channel: the share of boxes on which the bad release fails. */
  readonly fragile: Readonly<Record<string, number>>;
}

/** Makes the boxes. */
export function makeFleet(random: Random, options: FleetOptions): SimulatedBox[] {
  const { boxes, days, running, fragile } = options;
  const zones = ZONES.map(([rule, share]) => [remembered(parseZone(zoneFile(rule), rule)), share] as const);
  return Array.from({ length: boxes }, (): SimulatedBox => {
    const channel = pick<string>(random, [
      ['alpha', 2],
      ['beta', 8],
      ['stable', 85],
      ['lts', 5],
    ]); // prettier-ignore
    const windows = pick(random, [
      [[], 40],
      [NIGHTLY, 40],
      [WEEKLY, 20],
    ]); // prettier-ignore
    const mode = pick<Mode>(random, [
      ['auto', 92],
      ['stage', 6],
      ['notify', 2],
    ]); // prettier-ignore
    const holds =
      random() < 0.02
        ? [{ name: 'owner', reason: 'busy', since: 0, until: random() * days * 86_400_000 }]
        : [];
    const off: [number, number][] = [];
    // One in four is switched off now and then, some for months
    if (random() < 0.25)
      for (let day = random() * 60; day < days; ) {
        const length = random() < 0.1 ? 20 + random() * 80 : random() * 4;
        off.push([day, day + length]);
        day += length + 5 + random() * 60;
      }
    return {
      machineId: Array.from({ length: 4 }, () =>
        Math.floor(random() * 2 ** 32)
          .toString(16)
          .padStart(8, '0'),
      ).join(''),
      policy: { ...DEFAULT_POLICY, base: 'https://releases.example', channel, windows, mode },
      zone: pick(random, zones),
      skew: random() < 0.01 ? -random() * 300 * 86_400_000 : (random() - 0.5) * 120_000,
      speed: pick(random, [
        [1e6, 30],
        [5e6, 50],
        [3e7, 20],
      ]), // prettier-ignore
      fragile: random() < (fragile[channel] ?? 0),
      off,
      running,
      state: { staged: undefined, rejected: [], unstaged: undefined, holds, floor: undefined },
      seen: -1,
      next: Number.POSITIVE_INFINITY,
    };
  });
}
