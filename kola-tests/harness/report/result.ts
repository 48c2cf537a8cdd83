import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ifThere } from '../../../sdk/lib/errors.ts';
import { writeAtomic } from '../../../sdk/lib/files.ts';
import type { Started } from '../machine/started.ts';

/** The result of a test, in `REPORT/TEST/result.json`. Times in milliseconds. */
export interface TestResult {
  readonly test: string;
  /** The guarantee of the test (see `TestDefinition.what`); undefined if no module registered it. */
  readonly what?: string;
  readonly passed: boolean;
  /** SHA-256 of the manifest of the image that it ran on; undefined if it did not run in this run. */
  readonly manifest?: string;
  /**
   * Durations of the start of its machines, of its body, and of the checks afterwards. Undefined for parts that were
   * not reached.
   */
  readonly upMs?: number;
  readonly bodyMs?: number;
  readonly checkMs?: number;
  /**
   * Sum of these parts, without the wait for a slot, and without making the snapshot, because other tests use it too.
   */
  readonly totalMs: number;
  /** The wait while a slot was free, but the host had too little memory. */
  readonly waitMs?: number;
  /** The reason of a failure, with the last lines of the evidence. */
  readonly error?: string;
  /** True if it could not run (see `Trouble`). */
  readonly trouble?: true;
  /** Set if it was not run again: the time at which it passed, ISO 8601 in UTC. Its durations are of that run. */
  readonly cached?: string;
  /** The reason why it was not run. Then `passed` has no meaning. */
  readonly skipped?: string;
  /** Machines that had to be booted instead of forked, and why. */
  readonly fallbacks: readonly string[];
  /** The starts of its machines, including reboots, and of machines that were saved for its forks. */
  readonly starts?: readonly Started[];
}

/** Writes the result of a test to the report's folder, as TEST/result.json. */
export async function writeResult(reportDir: string, result: TestResult): Promise<void> {
  await mkdir(join(reportDir, result.test), { recursive: true });
  await writeAtomic(join(reportDir, result.test, 'result.json'), `${JSON.stringify(result, undefined, 2)}\n`);
}

/** Reads the result of a test; undefined if it wrote none. */
export async function readResult(reportDir: string, test: string): Promise<TestResult | undefined> {
  const text = await ifThere(readFile(join(reportDir, test, 'result.json'), 'utf8'));
  return text === undefined ? undefined : (JSON.parse(text) as TestResult);
}

const HEAD = 12_000;
const TAIL = 6_000;

/** Shortens a very long text to its beginning and its end. */
export function shortened(text: string): string {
  if (text.length <= HEAD + TAIL) return text;
  const left = text.length - HEAD - TAIL;
  return `${text.slice(0, HEAD)}\n… ${left} characters left out …\n${text.slice(-TAIL)}`;
}
