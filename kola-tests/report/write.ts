import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { byteOrder, writeAtomic } from '../../sdk/lib/files.ts';
import { readResults, type TestResult } from '../harness/result.ts';
import { changes, lastGreen, readBuild, rememberGreen } from './changes.ts';
import { type Evidence, htmlReport } from './html.ts';
import { junitXml } from './junit.ts';

const EVIDENCE = ['journal.txt', 'console.txt', 'ignition.json', 'qemu.args'];
/** Characters of one text that go into the page: its end matters. The file has all. */
const LONGEST = 200_000;

/**
 * Writes `junit.xml`, `results.json` and `index.html` about these tests of a run into the report's folder.
 * `complete`: the run was of the whole suite, so that it counts as green when all passed.
 */
export async function writeReport(
  dir: string,
  {
    image,
    manifest,
    tests,
    complete,
  }: {
    readonly image: string;
    readonly manifest: string;
    readonly tests: readonly string[];
    readonly complete: boolean;
  },
): Promise<void> {
  const results = await readResults(dir, new Set(tests));
  const build = await readBuild(manifest);
  const green = await lastGreen(image);
  const failed = results.filter(({ passed }) => !passed);
  const evidence = (await Promise.all(failed.map((result) => evidenceOf(dir, result)))).flat();
  const page = { image, version: build.version, results, evidence, changes: green && changes(green, build) };
  await Promise.all([
    writeAtomic(join(dir, 'junit.xml'), junitXml(`kola ${image}`, results)),
    writeAtomic(
      join(dir, 'results.json'),
      `${JSON.stringify({ image, version: build.version, results }, undefined, 2)}\n`,
    ),
    writeAtomic(join(dir, 'index.html'), htmlReport(page)),
  ]);
  if (complete && failed.length === 0 && results.length > 0) await rememberGreen(image, build);
}

async function evidenceOf(dir: string, { test }: TestResult): Promise<Evidence[]> {
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
            text: (await readFile(file(name), 'utf8')).slice(-LONGEST),
          })),
        );
        const screenshot = existsSync(file('screenshot.png'))
          ? { screenshot: await readFile(file('screenshot.png')) }
          : {};
        return { test, machine, texts, ...screenshot };
      }),
  );
}
