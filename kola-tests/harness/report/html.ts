import { xml } from '../../../sdk/lib/xml.ts';
import { shortened, type TestResult } from './result.ts';
import { type Spent, spentTable } from './spent.ts';

/** The evidence of a failed test: texts, and a screenshot as PNG. */
export interface Evidence {
  readonly test: string;
  readonly machine: string;
  readonly texts: readonly { readonly name: string; readonly text: string }[];
  readonly screenshot?: Uint8Array;
}

/** The contents of a report's page. */
export interface ReportPage {
  readonly image: string;
  readonly version: string;
  readonly results: readonly TestResult[];
  readonly evidence: readonly Evidence[];
  /** The account of the run's time. */
  readonly spent: readonly Spent[];
  /** Changes since the last build on which everything passed; undefined if there was none. */
  readonly changes: readonly string[] | undefined;
  /** SVG of `systemd-analyze plot`. */
  readonly bootChart?: Uint8Array;
}

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1d2330; background: #fff }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .2rem .6rem; border-bottom: 1px solid #e3e6ec }
td.time { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap } td.bar { width: 45% }
.bar span { display: inline-block; height: .7rem } .up { background: #8fb4e8 } .body { background: #3f7fd6 } .check { background: #b9c3d3 }
.passed { color: #1a7f43 } .failed { color: #b3261e; font-weight: 600 }
pre { background: #f5f6f9; padding: .8rem; overflow: auto; max-height: 30rem; font-size: 12.5px } img { max-width: 100% }
.chart { overflow: auto; background: #fff } .chart img { max-width: none } .skipped { color: #8a6d00 } small { opacity: .75 }
@media (prefers-color-scheme: dark) { body { background: #14171d; color: #dfe3ea } td, th { border-color: #2a303a } pre { background: #1c2028 } .passed { color: #5cc98a } .failed { color: #ff8a80 } }
`;

/** The report as one page, without scripts and other files. */
export function htmlReport({
  image,
  version,
  results,
  evidence,
  spent,
  changes,
  bootChart,
}: ReportPage): string {
  const failed = results.filter(({ passed }) => !passed);
  const longest = Math.max(1, ...results.map(({ totalMs }) => totalMs));
  const cached = results.filter((result) => result.cached !== undefined).length;
  const ran = cached === 0 ? '' : `, ${cached} of them cached`;
  const verdict = failed.length === 0 ? 'all passed' : `${failed.length} failed`;
  const rows = [...failed, ...results.filter(({ passed }) => passed)].map((result) => row(result, longest));
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>${xml(image)} ${xml(version)}: ${verdict}</title><style>${STYLE}</style>
<h1>${xml(image)} ${xml(version)}: ${results.length} tests, <span class="${failed.length === 0 ? 'passed' : 'failed'}">${verdict}</span>${ran}</h1>
<table><tr><th>test</th><th></th><th>s</th><th><span class="up">up</span> <span class="body">test</span> <span class="check">checks</span></th></tr>
${rows.join('\n')}
</table>
${spentSection(spent)}
${changesSection(changes)}
${fallbackSection(results)}
${chartSection(bootChart)}
${failed
  .map((result) =>
    failure(
      result,
      evidence.filter(({ test }) => test === result.test),
    ),
  )
  .join('\n')}
</html>
`;
}

function row(
  { test, what, passed, skipped, cached, totalMs, upMs = 0, bodyMs = 0, checkMs = 0 }: TestResult,
  longest: number,
): string {
  const bar = (
    [
      ['up', upMs],
      ['body', bodyMs],
      ['check', checkMs],
    ] as const
  )
    .map(([name, ms]) => `<span class="${name}" style="width:${((100 * ms) / longest).toFixed(2)}%"></span>`)
    .join('');
  const name = passed ? xml(test) : `<a href="#${xml(test)}">${xml(test)}</a>`;
  const sentence = what === undefined ? '' : `<br><small>${xml(what)}</small>`;
  const verdict = passed ? 'passed' : 'failed';
  const when =
    cached === undefined ? '' : ` <small>cached, ${xml(cached.slice(0, 16).replace('T', ' '))}</small>`;
  const said = skipped === undefined ? `${verdict}${when}` : `skipped: ${xml(skipped)}`;
  return `<tr><td>${name}${sentence}</td><td class="${skipped === undefined ? verdict : 'skipped'}">${said}</td><td class="time">${(totalMs / 1000).toFixed(1)}</td><td class="bar">${bar}</td></tr>`;
}

function spentSection(spent: readonly Spent[]): string {
  const [title, ...lines] = spentTable(spent);
  if (title === undefined) return '';
  return `<h2>Where the time went</h2><p>What machines do beside each other is added up.</p><pre>${xml(lines.join('\n'))}</pre>`;
}

function changesSection(changes: readonly string[] | undefined): string {
  if (changes === undefined) return '<h2>Changed since the last green run</h2><p>There was none.</p>';
  if (changes.length === 0) return '<h2>Changed since the last green run</h2><p>Nothing: the same build.</p>';
  return `<h2>Changed since the last green run</h2><pre>${changes.map(xml).join('\n')}</pre>`;
}

function fallbackSection(results: readonly TestResult[]): string {
  const lines = results.flatMap(({ test, fallbacks }) => fallbacks.map((why) => `${test}: ${why}`));
  if (lines.length === 0) return '';
  return `<h2>Booted instead of forked</h2><pre>${lines.map(xml).join('\n')}</pre>`;
}

/** The chart is an image, because a browser runs no script in an image and fetches nothing for it. */
function chartSection(chart: Uint8Array | undefined): string {
  if (!chart) return '';
  const data = Buffer.from(chart).toString('base64');
  return `<details><summary>Boot chart (systemd-analyze plot)</summary><div class="chart"><img alt="boot chart" src="data:image/svg+xml;base64,${data}"></div></details>`;
}

function failure({ test, what, error = '' }: TestResult, evidence: readonly Evidence[]): string {
  const parts = evidence.map(({ machine, texts, screenshot }) => {
    const shown = texts.map(
      ({ name, text }) =>
        `<details><summary>${xml(machine)}: ${xml(name)}</summary><pre>${xml(text)}</pre></details>`,
    );
    const picture = screenshot
      ? `<details><summary>${xml(machine)}: screen</summary><img alt="screen of ${xml(machine)}" src="data:image/png;base64,${Buffer.from(screenshot).toString('base64')}"></details>`
      : '';
    return `${shown.join('\n')}\n${picture}`;
  });
  const said = what === undefined ? '' : `<p>Must hold: ${xml(what)}</p>`;
  return `<h2 id="${xml(test)}" class="failed">${xml(test)}</h2>${said}<pre>${xml(shortened(error))}</pre>\n${parts.join('\n')}`;
}
