import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { log } from '../../sdk/lib/log.ts';
import { readHistory } from '../harness/run/history.ts';
import type { RegisteredTest } from '../harness/run/register.ts';
import { latestMs } from '../verdict/record.ts';

/** Estimated durations in milliseconds where none was recorded: on two cores, without KVM. */
const TABLE = { check: 30_000, unitFile: 2000, machineTest: 25_000, sabotage: 15_000 };

/** A part of a run, in words, and about how long it takes. */
export interface Beforehand {
  readonly what: string;
  readonly ms: number;
}

/** Prints a stage's forecast when the stage begins. By then its reused passes are known. */
export function tellStage(name: string, { run, cached, ms }: StagePlan): void {
  const known = cached === 0 ? '' : `; ${cached} passed before and have not changed`;
  if (run === 0) log(`${name}: nothing to run${known}`);
  else log(`${name}: ${run} to run, about ${roughly(ms)}${known}`);
}

/**
 * The number of tests that a stage runs, the number that has passed before, and its estimated duration in milliseconds.
 */
export interface StagePlan {
  readonly run: number;
  readonly cached: number;
  readonly ms: number;
}

/** `to do: build n100 (kernel-n100 20 min), 118 tests on machines of n100 20 min: about 40 min at most`. */
export function describeBeforehand(parts: readonly Beforehand[]): string {
  const total = parts.reduce((sum, { ms }) => sum + ms, 0);
  const each = parts.map(({ what, ms }) => (ms > 0 ? `${what} ${roughly(ms)}` : what));
  const whole = parts.filter(({ ms }) => ms > 0).length > 1 ? `: about ${roughly(total)} at most` : '';
  return `to do: ${each.join(', ')}${whole}`;
}

/** A file of tests and about how long it takes. */
export interface FileTakes {
  readonly file: string;
  readonly ms: number;
}

/** About how long each file of tests takes, in milliseconds. The longest is first, so that it is not waited for alone. */
export async function longestFirst(
  names: readonly string[],
  table: 'check' | 'unitFile',
): Promise<readonly FileTakes[]> {
  const each = await Promise.all(
    names.map(async (file) => ({ file, ms: (await latestMs({ kind: 'unit', name: file })) ?? TABLE[table] })),
  );
  return each.sort((a, b) => b.ms - a.ms);
}

/** About how long files of tests take on all processors, in milliseconds. */
export function takeTogether(files: readonly FileTakes[]): number {
  return spread(
    files.map(({ ms }) => ms),
    availableParallelism(),
  );
}

/** About how long VM tests take. Tests that mostly wait run beside the others. */
export async function machinesTake(
  image: string,
  tests: readonly RegisteredTest[],
  parallel = availableParallelism(),
): Promise<number> {
  const history = await readHistory(image);
  const durationOf = ({ definition }: RegisteredTest): number =>
    history.get(definition.name)?.lastMs ?? TABLE.machineTest;
  const working = tests.filter(({ definition }) => !definition.waits);
  const waiting = tests.filter(({ definition }) => definition.waits);
  return Math.max(spread(working.map(durationOf), parallel), ...waiting.map(durationOf), 0);
}

/** About how long sabotages take. */
export function sabotagesTake(count: number, parallel = availableParallelism()): number {
  return spread(new Array<number>(count).fill(TABLE.sabotage), parallel);
}

function spread(each: readonly number[], parallel: number): number {
  const sum = each.reduce((total, ms) => total + ms, 0);
  return Math.max(sum / parallel, ...each, 0);
}

/** The forecast of an image's build, in the words of the build verb; undefined if it is built already. */
export async function buildTakes(image: string): Promise<string | undefined> {
  const args = ['build', image, '--dry-run'];
  const { stdout } = await promisify(execFile)(join(CHECKOUT, 'draisine'), args, { maxBuffer: 1 << 24 });
  const last = stdout.trimEnd().split('\n').at(-1) ?? '';
  return last === 'nothing to do' ? undefined : last;
}

function roughly(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${Math.max(1, seconds)} s`;
  return `${Math.round(seconds / 60)} min`;
}
