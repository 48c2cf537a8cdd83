import { existsSync } from 'node:fs';
import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../../sdk/lib/errors.ts';
import { byteOrder, sha256, writeAtomic } from '../../../sdk/lib/files.ts';
import { plainText } from '../qemu/console.ts';
import { artifactDigests, changes, lastGreen, readBuild, rememberGreen } from './changes.ts';
import { type Evidence, htmlReport } from './html.ts';
import { junitXml } from './junit.ts';
import type { TestResult } from './result.ts';
import { type Ended, resultsOf } from './results.ts';
import { type StageTime, spentOn } from './spent.ts';
import { TEST_NAME } from './test-name.ts';

const EVIDENCE = ['journal.txt', 'console.txt', 'ignition.json', 'qemu.args'];
/** Largest number of bytes of a text in the page. The page has the end of a longer text; the file has all. */
const LONGEST = 200_000;

/** The scope of a run: all tests, the gate (all except the long ones), or only some tests. */
export type Scope = 'all' | 'gate' | 'part';

/** A run of VM tests to report. */
export interface ReportedRun {
  readonly image: string;
  readonly manifest: string;
  /** The ends of the VM tests. */
  readonly tests: readonly Ended[];
  readonly scope: Scope;
  /** The names of all tests of the image, so that shards can be put together without a gap. */
  readonly all: readonly string[];
  /** `I/N` if the run was a part of the scope. */
  readonly shard?: string;
  /** `systemd-analyze plot` of a boot, an SVG file. */
  readonly bootChart?: string;
  /** The stages of the whole run, for the account of its time. */
  readonly stages: readonly StageTime[];
}

/** Writes `junit.xml`, `results.json` and `index.html` about a run into the report's folder. Returns the results. */
export async function writeReport(
  dir: string,
  { image, manifest, tests, scope, all, shard, bootChart, stages }: ReportedRun,
): Promise<readonly TestResult[]> {
  const results = await resultsOf(dir, tests);
  await checkImage(image, manifest, results);
  const durations = results.filter(({ passed, skipped }) => passed && skipped === undefined);
  const build = {
    ...(await readBuild(manifest)),
    tests: Object.fromEntries(durations.map(({ test, totalMs }) => [test, totalMs])),
  };
  const artifacts = await artifactDigests(manifest);
  // A release is promoted by the results of all tests, of one run or of all shards together. Shards that were balanced by
  // different durations leave out a test, so the names of all tests are there to compare.
  const whole = { complete: scope === 'all', all, ...(shard === undefined ? {} : { shard }) };
  const green = await lastGreen(image);
  const failed = results.filter(({ passed }) => !passed);
  const evidence = (await Promise.all(failed.map((result) => evidenceOf(dir, result)))).flat();
  const page = {
    image,
    version: build.version,
    results,
    evidence,
    spent: spentOn(stages, results),
    changes: green && changes(green, build),
    ...(bootChart !== undefined && existsSync(bootChart) ? { bootChart: await readFile(bootChart) } : {}),
  };
  await Promise.all([
    writeAtomic(join(dir, 'junit.xml'), junitXml(`kola ${image}`, results)),
    writeAtomic(
      join(dir, 'results.json'),
      `${JSON.stringify({ image, version: build.version, ...whole, artifacts, results }, undefined, 2)}\n`,
    ),
    writeAtomic(join(dir, 'index.html'), htmlReport(page)),
  ]);
  if (scope !== 'part' && shard === undefined && failed.length === 0 && durations.length > 0)
    await rememberGreen(image, build);
  return results;
}

/** A build during the run may have replaced the image. Then the results are neither of the old one nor of the new one. */
async function checkImage(image: string, path: string, results: readonly TestResult[]): Promise<void> {
  const now = sha256(await readFile(path));
  const other = results.find(({ manifest = now }) => manifest !== now);
  if (other)
    throw new Failure(`${image} was built again while its tests ran, so there is no report`, {
      where: `${other.test} ran on another image than the one in ${path}`,
      hint: 'run the tests again, and build nothing meanwhile',
    });
}

async function evidenceOf(dir: string, { test }: TestResult): Promise<Evidence[]> {
  if (!TEST_NAME.test(test) || !existsSync(join(dir, test))) return [];
  const machines = (await readdir(join(dir, test), { withFileTypes: true })).filter((entry) =>
    entry.isDirectory(),
  );
  return await Promise.all(
    machines
      .map(({ name }) => name)
      .sort(byteOrder)
      .map(async (machine) => {
        const file = (name: string): string => join(dir, test, machine, name);
        const texts = await Promise.all(
          EVIDENCE.filter((name) => existsSync(file(name))).map(async (name) => ({
            name,
            text: plainText(await endOf(file(name))),
          })),
        );
        const screenshot = existsSync(file('screenshot.png'))
          ? { screenshot: await readFile(file('screenshot.png')) }
          : {};
        return { test, machine, texts, ...screenshot };
      }),
  );
}

/** The last `LONGEST` bytes of a file, however large it is. */
async function endOf(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const from = Math.max(0, size - LONGEST);
    const bytes = Buffer.alloc(size - from);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, from);
    const text = bytes.subarray(0, bytesRead).toString();
    return from === 0 ? text : `… the first ${from} bytes are in ${path} …\n${text}`;
  } finally {
    await file.close();
  }
}
