import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { badInput, errorCode } from '../../sdk/lib/errors.ts';
import { byteOrder, sha256, writeAtomic } from '../../sdk/lib/files.ts';
import { parseJson } from '../../sdk/lib/json.ts';
import type { Envelope, TestReport } from './format/types.ts';
import { placeOf } from './place.ts';
import { reportFaults } from './report-faults.ts';
import { formatEnvelope } from './trust/envelope.ts';
import { readRelease } from './verify.ts';

/** The signed test report in the folder of a release. */
export const REPORT = 'report/report.json';

/**
 * The parts of results.json that decide about a release. The harness writes it into the folder of its report.
 */
interface Results {
  readonly image: string;
  readonly version: string;
  /** Whether the run had all tests, or the shard `I/N` of all. */
  readonly complete?: boolean;
  /** The names of all tests of the image, whichever shard has them. */
  readonly all?: readonly string[];
  readonly shard?: string;
  readonly artifacts?: Readonly<Record<string, string>>;
  readonly results: readonly { readonly test: string; readonly passed: boolean; readonly skipped?: string }[];
}

async function readResults(path: string): Promise<Results> {
  const hint = 'name the results.json that ./draisine test --all left (out/report/results.json)';
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw badInput(`cannot read the results of tests (${errorCode(cause)})`, { where: path, hint, cause });
  });
  const value = parseJson(text, 'the results of tests', path, hint) as Partial<Results> | null;
  if (typeof value?.image === 'string' && typeof value.version === 'string' && Array.isArray(value.results))
    return value as Results;
  throw badInput('the file has no test results', { where: path, hint });
}

/** Whether some runs together are all tests: one whole run, or every shard of one. */
function isComplete(runs: readonly Results[]): boolean {
  if (runs.some(({ complete }) => !complete)) return false;
  const shards = runs.map(({ shard }) => /^(\d+)\/(\d+)$/.exec(shard ?? '1/1'));
  const count = Number(shards[0]?.[2]);
  if (shards.some((shard) => Number(shard?.[2]) !== count)) return false;
  const numbers = new Set(shards.map((shard) => Number(shard?.[1])));
  // Shards that were balanced by different durations leave out a test.
  const names = new Set(runs.flatMap(({ results }) => results.map(({ test }) => test)));
  if (runs.some(({ all = [] }) => all.some((name) => !names.has(name)))) return false;
  return Array.from({ length: count }, (_, index) => index + 1).every((each) => numbers.has(each));
}

/**
 * Puts a test report beside a release: `report/results.json` has the results of all runs, and `report/report.json` the
 * digests of the tested files. `sign` is called before a file is written, so that a report is not lost if nobody can
 * sign the next one.
 * @throws badInput for results of another build
 */
export async function writeTestReport(
  folder: string,
  files: readonly string[],
  sign: (envelope: Envelope) => Promise<Envelope>,
): Promise<TestReport> {
  const release = await readRelease(placeOf(folder));
  const { image, version } = release.value;
  const runs = await Promise.all(files.map(readResults));
  for (const [index, run] of runs.entries()) {
    const first = runs[0];
    const same =
      run.image === image &&
      run.version === version &&
      JSON.stringify(run.artifacts) === JSON.stringify(first?.artifacts);
    if (!same)
      throw badInput(`the results are of ${run.image} ${run.version}, of other files than the release`, {
        where: files[index] ?? '',
        hint: `test this very version: DRAISINE_VERSION=${version} ./draisine test --all`,
      });
  }
  const all = runs.flatMap(({ results }) => results).sort((a, b) => byteOrder(a.test, b.test));
  const text = `${JSON.stringify({ image, version, results: all }, null, 2)}\n`;
  const ran = all.filter(({ skipped }) => skipped === undefined);
  const report: TestReport = {
    format: 1,
    image,
    version,
    passed: ran.filter(({ passed }) => passed).length,
    failed: ran.filter(({ passed }) => !passed).length,
    skipped: all.length - ran.length,
    complete: isComplete(runs),
    results: sha256(text),
    artifacts: { ...runs[0]?.artifacts },
  };
  const signed = await sign({ signed: `${JSON.stringify(report, null, 2)}\n`, signatures: [] });
  await writeAtomic(join(folder, 'report/results.json'), text);
  await writeAtomic(join(folder, REPORT), formatEnvelope(signed));
  return report;
}

/** Reasons why a release could not be promoted with a report, whoever signs it. */
export async function faultsOfReport(folder: string, report: TestReport): Promise<string[]> {
  return reportFaults((await readRelease(placeOf(folder))).value, report);
}
