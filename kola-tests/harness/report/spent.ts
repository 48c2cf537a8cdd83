import type { Started } from '../machine/started.ts';
import type { TestResult } from './result.ts';

/** Durations of a stage of a run, in milliseconds. */
export interface StageTime {
  readonly name: string;
  /** Work before the stage: builds, and fetching tools. */
  readonly preparedMs: number;
  readonly ranMs: number;
  /** The part of both during which a program of this host waited for a processor, if the host's kernel reports it. */
  readonly stalledMs?: number;
}

/** One line of the account. Machines run in parallel, so their lines add up to more than the duration of the run. */
export interface Spent {
  readonly on: string;
  readonly times?: number;
  readonly ms: number;
}

const STARTS: readonly (readonly [Started['how'], string])[] = [
  ['boot', 'boots'],
  ['initrd fork', 'forks of the initrd'],
  ['fork', 'forks'],
];

/** An account of a run's time: its stages by the clock, and the sums over its machines. */
export function spentOn(stages: readonly StageTime[], results: readonly TestResult[]): readonly Spent[] {
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);
  const ran = results.filter(({ cached, skipped }) => cached === undefined && skipped === undefined);
  const starts = ran.flatMap((result) => result.starts ?? []);
  const machines = STARTS.map(([how, on]) => {
    const each = starts.filter((start) => start.how === how);
    return { on, times: each.length, ms: sum(each.map(({ ms }) => ms)) };
  });
  const waited = ran.filter(({ waitMs = 0 }) => waitMs > 0);
  const own = sum(ran.map(({ bodyMs = 0, checkMs = 0 }) => bodyMs + checkMs));
  const lines: readonly Spent[] = [
    { on: 'builds, and tools fetched', ms: sum(stages.map(({ preparedMs }) => preparedMs)) },
    ...stages.map(({ name, ranMs }) => ({ on: name, ms: ranMs })),
    { on: 'some program waited for a processor', ms: sum(stages.map(({ stalledMs = 0 }) => stalledMs)) },
    ...machines,
    {
      on: 'waiting for memory of the host',
      times: waited.length,
      ms: sum(waited.map(({ waitMs = 0 }) => waitMs)),
    },
    { on: 'tests and checks after them', times: ran.length, ms: own },
  ];
  return lines.filter(({ ms }) => ms >= 500);
}

/** The account as a table of text. */
export function spentTable(spent: readonly Spent[]): readonly string[] {
  if (spent.length === 0) return [];
  const width = Math.max(...spent.map(({ on }) => on.length));
  return [
    'where the time went (times of parallel machines are added up):',
    ...spent.map(({ on, times, ms }) => {
      const count = times === undefined ? '' : `${times} ×`;
      return `  ${on.padEnd(width)} ${count.padStart(6)} ${duration(ms).padStart(12)}`;
    }),
  ];
}

/** A duration as text: `9.4 s`, `12 min 5 s`. */
export function duration(ms: number): string {
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
