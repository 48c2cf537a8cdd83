import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../../sdk/lib/errors.ts';
import { writeAtomic } from '../../../sdk/lib/files.ts';
import type { Started } from '../machine/started.ts';

/** How one test went, as `REPORT/TEST/result.json`. Times in milliseconds. */
export interface TestResult {
  readonly test: string;
  /** What holds when it passes (see `TestDefinition.what`); missing where nothing registered it. */
  readonly what?: string;
  readonly passed: boolean;
  /** Until its machines were forked or booted; its body; the checks afterwards. Missing parts were not reached. */
  readonly upMs?: number;
  readonly bodyMs?: number;
  readonly checkMs?: number;
  /** Sum of these parts, without the wait for a slot, and for the machine that was forked, which other tests use too. */
  readonly totalMs: number;
  /** The wait before that for a slot, if more tests want to run than the host has processors or memory for. */
  readonly waitMs?: number;
  /** Why it failed, with the evidence's last lines. */
  readonly error?: string;
  /** It could not be run (see `Trouble`). */
  readonly trouble?: true;
  /** Set if it was not run again: the time at which it passed, ISO 8601 in UTC. Its durations are of that run. */
  readonly cached?: string;
  /** Why it was not run; `passed` says nothing then. */
  readonly skipped?: string;
  /** Machines that had to be booted instead of forked, and why. */
  readonly fallbacks: readonly string[];
  /** How its machines came up, reboots included, and those that were saved for its forks. */
  readonly starts?: readonly Started[];
}

/** Leaves the result of a test in the report's folder, as TEST/result.json. */
export async function writeResult(reportDir: string, result: TestResult): Promise<void> {
  await mkdir(join(reportDir, result.test), { recursive: true });
  await writeAtomic(join(reportDir, result.test, 'result.json'), `${JSON.stringify(result, undefined, 2)}\n`);
}

/** The result that a test left in the report, if it came that far. */
export async function readResult(reportDir: string, test: string): Promise<TestResult | undefined> {
  try {
    return JSON.parse(await readFile(join(reportDir, test, 'result.json'), 'utf8')) as TestResult;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

const HEAD = 12_000;
const TAIL = 6_000;

/** A text for a report: of one that is very long, its beginning and its end. */
export function shortened(text: string): string {
  if (text.length <= HEAD + TAIL) return text;
  const left = text.length - HEAD - TAIL;
  return `${text.slice(0, HEAD)}\n… ${left} characters left out …\n${text.slice(-TAIL)}`;
}
