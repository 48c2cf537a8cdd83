import { byteOrder } from '../../../sdk/lib/files.ts';
import { readResult, type TestResult } from './result.ts';
import { TEST_NAME } from './test-name.ts';

/** The end of a test, from node:test. */
export interface Ended {
  readonly name: string;
  /** The guarantee of the test. */
  readonly what?: string;
  readonly passed: boolean;
  readonly skipped?: string;
  /** The earlier run that passed, if the test was not run again. */
  readonly cached?: { readonly at: string; readonly ms: number };
  readonly ms: number;
  readonly error?: string;
}

/**
 * The results of a run, sorted by name. A test without a result file was not run, or failed before its start (a module
 * that cannot be loaded, no room for its machines). It is in the results as well.
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

/** The exit code for `git bisect run`: good, bad, or cannot be tested. */
export function bisectVerdict(results: readonly TestResult[]): 0 | 1 | 125 {
  if (results.some(({ passed, trouble, skipped }) => !passed && !trouble && skipped === undefined)) return 1;
  if (results.some(({ passed }) => !passed)) return 125;
  return results.some(({ skipped }) => skipped === undefined) ? 0 : 125;
}
