import { seconds } from '../harness/qemu/wait.ts';
import type { TestResult } from '../harness/report/result.ts';
import { duration, type StageTime } from '../harness/report/spent.ts';
import type { RegisteredTest } from '../harness/run/register.ts';
import { selectTests } from '../harness/run/select.ts';

/** The time limit of the gate from a warm store, without builds. */
const BUDGET_MS = 30 * 60_000;
const SHOWN = 10;

/** Says how many tests the gate leaves out, and how to run them; undefined if it leaves out none. */
export function leftOut(
  patterns: readonly string[],
  image: string,
  tests: readonly RegisteredTest[],
): readonly string[] {
  const select = (gate: boolean): number => selectTests(tests, { patterns, image, gate }, new Map()).length;
  const long = select(false) - select(true);
  const all = patterns.length === 0 ? ', the sabotages, the crash states and the image generic' : '';
  if (long === 0 && all === '') return [];
  const what = `${long} long test${long === 1 ? '' : 's'}${all}`;
  return [`left out: ${what}; ./draisine ${['test', '--all', ...patterns].join(' ')} runs them`];
}

/** A warning with the longest tests, when the gate took longer than it may. */
export function overBudget(stages: readonly StageTime[], results: readonly TestResult[]): readonly string[] {
  const took = stages.reduce((sum, { ranMs }) => sum + ranMs, 0);
  if (took <= BUDGET_MS) return [];
  const ran = results.filter(({ cached, skipped }) => cached === undefined && skipped === undefined);
  const longest = [...ran].sort((a, b) => b.totalMs - a.totalMs).slice(0, SHOWN);
  return [
    `warning: the gate took ${duration(took)}, it should take ${duration(BUDGET_MS)} at most; its longest tests:`,
    ...longest.map(({ test, totalMs }) => `  ${test} ${seconds(totalMs)}`),
  ];
}
