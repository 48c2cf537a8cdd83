import { appendFile, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cacheDir } from '../../../sdk/lib/cache.ts';
import { badInput } from '../../../sdk/lib/errors.ts';
import { readOrEmpty } from '../qemu/lines.ts';

/** One run of one test, as a line of JSON in the history. */
export interface Run {
  readonly test: string;
  readonly image: string;
  /** SHA-256 of the tested disk artifact. A test that passed and failed on the same artifact is flaky. */
  readonly artifact: string;
  readonly passed: boolean;
  /** True if it could not run, which says nothing about the artifact. */
  readonly trouble?: true;
  /** Duration of the fork, the body and the checks, without the wait for a slot and without making the snapshot. */
  readonly ms: number;
}

/** The history of a test on this host. */
export interface TestHistory {
  readonly runs: number;
  /** Of the last run that passed. */
  readonly lastMs: number | undefined;
  readonly lastPassed: boolean;
  /** Artifacts on which it both passed and failed. */
  readonly flakes: number;
}

/** The file with all runs of VM tests on this host, one JSON document on each line. */
function historyFile(): string {
  return join(cacheDir(), 'kola', 'history.jsonl');
}

/** Adds a run to the history. */
export async function record(run: Run, path = historyFile()): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await appendFile(path, `${JSON.stringify(run)}\n`); // O_APPEND keeps lines of parallel runs apart.
}

/** History of the tests of one image, by test name. An incomplete line (of a full disk) is ignored. */
export async function readHistory(
  image: string,
  path = historyFile(),
): Promise<ReadonlyMap<string, TestHistory>> {
  const byTest = new Map<string, Run[]>();
  for (const line of (await readOrEmpty(path)).split('\n')) {
    const run = parse(line);
    if (run?.image !== image) continue;
    byTest.set(run.test, [...(byTest.get(run.test) ?? []), run]);
  }
  return new Map([...byTest].map(([test, runs]) => [test, summarize(runs)]));
}

/** Duration in milliseconds of the last passed run of each test of `image`, from a file in the form of the history. */
export async function readDurations(image: string, path: string): Promise<Readonly<Record<string, number>>> {
  const durations = Object.fromEntries(
    [...(await readHistory(image, path))].flatMap(([test, { lastMs }]) =>
      lastMs === undefined ? [] : [[test, lastMs]],
    ),
  );
  if (Object.keys(durations).length === 0)
    throw badInput(`the file has no durations of ${image}`, {
      where: path,
      hint: `give all shards a copy of one host's ${historyFile()}`,
    });
  return durations;
}

function summarize(runs: readonly Run[]): TestHistory {
  const passedOn = new Set(runs.filter(({ passed }) => passed).map(({ artifact }) => artifact));
  const failedOn = new Set(
    runs.filter(({ passed, trouble }) => !passed && !trouble).map(({ artifact }) => artifact),
  );
  return {
    runs: runs.length,
    lastMs: runs.findLast(({ passed }) => passed)?.ms,
    lastPassed: runs.at(-1)?.passed ?? false,
    flakes: [...passedOn].filter((artifact) => failedOn.has(artifact)).length,
  };
}

function parse(line: string): Run | undefined {
  try {
    return JSON.parse(line) as Run;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
