import type { TestResult } from '../harness/result.ts';

/** JUnit XML as CI systems read it (the Ant JUnit task's format, with one testsuite). Times in seconds. */
export function junitXml(suite: string, results: readonly TestResult[]): string {
  const failures = results.filter(({ passed }) => !passed).length;
  const time = results.reduce((sum, { totalMs }) => sum + totalMs, 0);
  const head = `<testsuite name="${xml(suite)}" tests="${results.length}" failures="${failures}" errors="0" skipped="0" time="${inSeconds(time)}">`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n${head}\n${results.map(testCase).join('\n')}\n</testsuite>\n</testsuites>\n`;
}

function testCase({ test, passed, totalMs, error = '' }: TestResult): string {
  const [area = ''] = test.split('.');
  const head = `<testcase classname="${xml(area)}" name="${xml(test)}" time="${inSeconds(totalMs)}"`;
  if (passed) return `${head}/>`;
  return `${head}><failure message="${xml(error.split('\n')[0] ?? '')}">${xml(error)}</failure></testcase>`;
}

function inSeconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text for XML 1.0 and HTML. Control characters, which XML 1.0 forbids even escaped, become U+FFFD. */
export function xml(text: string): string {
  return text
    .replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character)
    .replace(
      /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
      '\ufffd',
    );
}
