import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { Checker, knownFiles, type Verdict } from './check.ts';
import { type Base, CrashDisk, type Region } from './disk.ts';
import type { WriteLog } from './log.ts';
import { type Bounds, type CrashState, crashStates, generator } from './order.ts';
import { Sample } from './sample.ts';

/** The recording of all writes to a disk. */
export interface Recording {
  readonly base: Base;
  readonly log: WriteLog;
  readonly logFd: number;
  /** Bytes of a logical block of the disk. */
  readonly block: number;
  /** Power cuts happen after this number of requests. */
  readonly from: number;
  readonly bounds: Bounds;
}

/** The possible states after a power cut, each with the disk, which changes from one state to the next. */
export function* statesOf(
  recording: Recording,
): Generator<{ readonly disk: CrashDisk; readonly state: CrashState }> {
  const disk = diskOf(recording);
  for (const state of crashStates(recording.log.entries, recording.bounds, recording.from)) {
    disk.goTo(state);
    yield { disk, state };
  }
}

/** A state with a wrong verdict. `state`: its number, from 0. */
export interface Wrong {
  readonly state: number;
  /** The last request that the disk got. */
  readonly at: number;
  readonly why: string;
}

/** The releases that the states of a recording boot. */
export interface Survey {
  readonly states: number;
  /** The number of states that boot each release, by root hash, or `nothing`. */
  readonly boots: ReadonlyMap<string, number>;
  /** The number of states for each kind of fault, and the first state of each. */
  readonly wrong: ReadonlyMap<string, { readonly count: number; readonly first: Wrong }>;
  /** The different state partitions, each with the number of its first state. */
  readonly statePartitions: ReadonlyMap<number, Region>;
  /** A choice of states that boot a release, by their numbers, with as many kinds as possible; the same in each run. */
  readonly sample: readonly number[];
  /** Number of kinds of states that boot a release. Kinds differ in partition table, boot menu, or files of the ESP. */
  readonly kinds: number;
  readonly last: Verdict;
}

/**
 * Checks every state of a recording (those of `crashStates`). `wrong` returns the fault of a verdict, or undefined.
 * `sample`: number of states to choose among those that boot a release.
 */
export function survey(
  recording: Recording,
  options: {
    wrong(verdict: Verdict): string | undefined;
    readonly sample?: number;
    progress?(states: number, at: number): void;
  },
): Survey {
  const known = knownFiles(diskOf(recording), recording);
  let checker: Checker | undefined;
  const boots = new Map<string, number>();
  const wrong = new Map<string, { count: number; first: Wrong }>();
  const statePartitions = new Map<number, Region>();
  const seen = new Set<string>();
  const sample = new Sample(options.sample ?? 0, generator(1));
  let states = 0;
  let last: Verdict = { boots: 'nothing', why: 'no state' };
  for (const { disk, state } of statesOf(recording)) {
    checker ??= new Checker(disk, recording.block, known);
    last = checker.verdict();
    const what = last.boots === 'release' ? last.root : last.boots;
    boots.set(what, (boots.get(what) ?? 0) + 1);
    const why = options.wrong(last);
    if (why) {
      const known = wrong.get(why) ?? { count: 0, first: { state: states, at: state.at, why } };
      known.count += 1;
      wrong.set(why, known);
    } else if (last.boots === 'release') {
      if (last.state && !seen.has(last.state.key)) statePartitions.set(states, last.state);
      if (last.state) seen.add(last.state.key);
      sample.add(last.kind, states);
    }
    states += 1;
    if (states % 1000 === 0) options.progress?.(states, state.at);
  }
  return { states, boots, wrong, statePartitions, sample: sample.chosen(), kinds: sample.kinds, last };
}

function diskOf({ base, log, logFd }: Recording): CrashDisk {
  return new CrashDisk(base, log, logFd);
}

/** Changes a disk to the states with these numbers, which are in ascending order. */
export function* statesAt(
  recording: Recording,
  numbers: readonly number[],
): Generator<{ readonly number: number; readonly disk: CrashDisk; readonly state: CrashState }> {
  const wanted = new Set(numbers);
  let number = 0;
  for (const { disk, state } of statesOf(recording)) {
    if (wanted.delete(number)) yield { number, disk, state };
    if (wanted.size === 0) return;
    number += 1;
  }
}

const PIECE = 1 << 20;
const ZEROS = Buffer.alloc(PIECE);

/** Writes a region as a file with holes. */
export function writeOut(disk: CrashDisk, region: Region, path: string): void {
  const fd = openSync(path, 'wx');
  try {
    ftruncateSync(fd, region.length);
    const view = disk.view(region);
    for (let at = 0; at < region.length; at += PIECE) {
      const length = Math.min(PIECE, region.length - at);
      if (disk.isBlank(region.offset + at, length)) continue;
      const bytes = view.read(at, length);
      if (!bytes.equals(ZEROS.subarray(0, bytes.length))) writeSync(fd, bytes, 0, bytes.length, at);
    }
  } finally {
    closeSync(fd);
  }
}
