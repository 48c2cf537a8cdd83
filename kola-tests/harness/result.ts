import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../sdk/lib/errors.ts';
import { byteOrder, writeAtomic } from '../../sdk/lib/files.ts';

/** How one test went, as `REPORT/TEST/result.json`. Times in milliseconds. */
export interface TestResult {
  readonly test: string;
  readonly passed: boolean;
  /** Until its machines were up; its body; the checks afterwards. Missing parts were not reached. */
  readonly upMs?: number;
  readonly bodyMs?: number;
  readonly checkMs?: number;
  readonly totalMs: number;
  /** Why it failed, with the evidence's last lines. */
  readonly error?: string;
  /** Machines that had to be booted instead of forked, and why. */
  readonly fallbacks: readonly string[];
}

export async function writeResult(reportDir: string, result: TestResult): Promise<void> {
  await mkdir(join(reportDir, result.test), { recursive: true });
  await writeAtomic(join(reportDir, result.test, 'result.json'), `${JSON.stringify(result, undefined, 2)}\n`);
}

/** The results in a report, of these tests only, sorted by name. */
export async function readResults(reportDir: string, tests: ReadonlySet<string>): Promise<TestResult[]> {
  const results: TestResult[] = [];
  for (const name of (await readdirOrNone(reportDir)).sort(byteOrder)) {
    if (!tests.has(name)) continue;
    const text = await readFile(join(reportDir, name, 'result.json'), 'utf8');
    results.push(JSON.parse(text) as TestResult);
  }
  return results;
}

async function readdirOrNone(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}
