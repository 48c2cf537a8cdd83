import { byteOrder } from '../../../sdk/lib/files.ts';
import { readResult, type TestResult } from './result.ts';
import { TEST_NAME } from './test-name.ts';

/** A test as node:test saw it end. */
export interface Ended {
  readonly name: string;
  /** What holds when it passes. */
  readonly what?: string;
  readonly passed: boolean;
  readonly skipped?: string;
  /** The earlier run that passed, so that it was not run again. */
  readonly cached?: { readonly at: string; readonly ms: number };
  readonly ms: number;
  readonly error?: string;
}

/**
 * The results of a run, sorted by name: what each test left in the report. A test that left nothing was not run, or
 * the harness failed it (a module that cannot be loaded, no room for its machines): that is told as well.
 */
export async function resultsOf(reportDir: string, ended: readonly Ended[]): Promise<TestResult[]> {
  const results = await Promise.all(
    ended.map(async ({ name, what, passed, skipped, cached, ms, error }): Promise<TestResult> => {
      const common = {
        test: name,
        ...(what === undefined ? {} : { what }),
        passed,
        totalMs: ms,
        fallbacks: [],
      };
      if (skipped !== undefined) return { ...common, skipped };
      if (cached) return { ...common, totalMs: cached.ms, cached: cached.at };
      const left = TEST_NAME.test(name) ? await readResult(reportDir, name) : undefined;
      if (left?.passed === passed) return left;
      return { ...common, ...(error === undefined ? {} : { error }), ...(passed ? {} : { trouble: true }) };
    }),
  );
  return results.sort((a, b) => byteOrder(a.test, b.test));
}

/** Exit codes of `git bisect run`: good, bad, and cannot be tested. */
export function bisectVerdict(results: readonly TestResult[]): 0 | 1 | 125 {
  if (results.some(({ passed, trouble, skipped }) => !passed && !trouble && skipped === undefined)) return 1;
  if (results.some(({ passed }) => !passed)) return 125;
  return results.some(({ skipped }) => skipped === undefined) ? 0 : 125;
}
