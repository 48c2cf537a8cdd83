import { xml } from '../../../sdk/lib/xml.ts';
import { shortened, type TestResult } from './result.ts';

/**
 * JUnit XML for CI systems (the format of Ant's JUnit task, with one testsuite). Times in seconds. A test that could
 * not run is an `error` in that format, not a `failure`.
 */
export function junitXml(suite: string, results: readonly TestResult[]): string {
  const count = (matches: (result: TestResult) => boolean): number => results.filter(matches).length;
  const counts = [
    `tests="${results.length}"`,
    `failures="${count((result) => verdict(result) === 'failure')}"`,
    `errors="${count((result) => verdict(result) === 'error')}"`,
    `skipped="${count((result) => verdict(result) === 'skipped')}"`,
  ];
  const time = results.reduce((sum, { totalMs }) => sum + totalMs, 0);
  const head = `<testsuite name="${xml(suite)}" ${counts.join(' ')} time="${inSeconds(time)}">`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n${head}\n${results.map(testCase).join('\n')}\n</testsuite>\n</testsuites>\n`;
}

function verdict({ passed, trouble, skipped }: TestResult): 'passed' | 'failure' | 'error' | 'skipped' {
  if (skipped !== undefined) return 'skipped';
  if (passed) return 'passed';
  return trouble ? 'error' : 'failure';
}

function testCase(result: TestResult): string {
  const { test, totalMs, error = '', skipped = '' } = result;
  const [area = ''] = test.split('.');
  const head = `<testcase classname="${xml(area)}" name="${xml(test)}" time="${inSeconds(totalMs)}"`;
  const parts = [propertiesOf(result)];
  const kind = verdict(result);
  if (kind === 'skipped') parts.push(`<skipped message="${xml(skipped)}"/>`);
  else if (kind !== 'passed') {
    const message = xml(shortened(error.split('\n')[0] ?? ''));
    parts.push(`<${kind} message="${message}">${xml(shortened(error))}</${kind}>`);
  }
  const inside = parts.join('');
  return inside === '' ? `${head}/>` : `${head}>${inside}</testcase>`;
}

/** Properties of a test case, in the way of pytest, for data without an attribute in the format. */
function propertiesOf({ what, cached }: TestResult): string {
  const all = Object.entries({ what, cached }).flatMap(([name, value]) =>
    value === undefined ? [] : [`<property name="${name}" value="${xml(value)}"/>`],
  );
  return all.length === 0 ? '' : `<properties>${all.join('')}</properties>`;
}

function inSeconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}
