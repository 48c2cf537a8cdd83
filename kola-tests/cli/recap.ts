import { plainText } from '../harness/qemu/console.ts';
import type { EndedTest } from './outcome.ts';

const LINES = 3;
const COLUMNS = 200;
const SHOWN = 20;

/** The failed tests of a run with the first lines of their errors, for the end of a long log; empty if none failed. */
export function recap({
  tests,
}: {
  readonly tests: readonly Pick<EndedTest, 'name' | 'passed' | 'error'>[];
}): string {
  const failed = tests.filter(({ passed }) => !passed);
  if (failed.length === 0) return '';
  const parts = failed.slice(0, SHOWN).map(({ name, error = '' }) => [
    `  ${name}`,
    ...plainText(error)
      .split('\n')
      .filter((line) => line.trim() !== '')
      .slice(0, LINES)
      .map((line) => `      ${line.length > COLUMNS ? `${line.slice(0, COLUMNS)}…` : line}`),
  ]);
  const rest = failed.length > SHOWN ? [`  … and ${failed.length - SHOWN} more`] : [];
  return `${[`${failed.length} of ${tests.length} tests failed:`, ...parts.flat(), ...rest].join('\n')}\n`;
}
