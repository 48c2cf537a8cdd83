import { join } from 'node:path';
import { badInput, describeFailure } from '../../sdk/lib/errors.ts';
import { readArtifacts } from '../harness/qemu/artifacts.ts';
import type { TestResult } from '../harness/report/result.ts';
import { bisectVerdict } from '../harness/report/results.ts';
import { spentOn, spentTable } from '../harness/report/spent.ts';
import { readHistory } from '../harness/run/history.ts';
import { loadTests, type RegisteredTest } from '../harness/run/register.ts';
import { matchesAny } from '../harness/run/select.ts';
import { testModules } from '../harness/run/suite-options.ts';
import { buildImage } from './build.ts';
import { keepOption } from './keep.ts';
import { liveLine } from './live.ts';
import { OUT } from './options.ts';
import { reportStages } from './outcome.ts';
import { recap } from './recap.ts';
import { shardOption } from './shard.ts';
import { reportVmTests, vmStage } from './vm-stage.ts';

/** The options of `kola list` and `kola run`. */
export interface KolaOptions {
  readonly image: string;
  readonly parallel?: number;
  readonly shard?: string;
  readonly durations?: string;
  readonly rerunFailed?: boolean;
  readonly report?: string;
  readonly json?: boolean;
  readonly bisect?: boolean;
  readonly fresh?: boolean;
  readonly keep?: string | true;
  readonly keepFor?: number;
}

/** `kola list`: prints the tests with their sentences, tags, machines and last durations, and whether they flake. */
export async function listTests(patterns: readonly string[], { image, json }: KolaOptions): Promise<number> {
  const history = await readHistory(image);
  const rows = (await selected(patterns, image)).map(({ definition }) => {
    const known = history.get(definition.name);
    return {
      name: definition.name,
      what: definition.what,
      tags: definition.tags ?? [],
      long: definition.long ?? null,
      machines: Object.keys(definition.machines ?? { box: {} }),
      lastMs: known?.lastMs ?? null,
      runs: known?.runs ?? 0,
      flakes: known?.flakes ?? 0,
    };
  });
  if (json) {
    process.stdout.write(`${JSON.stringify({ tests: rows }, undefined, 2)}\n`);
    return 0;
  }
  const width = Math.max(...rows.map(({ name }) => name.length));
  for (const { name, what, tags, long, machines, lastMs, runs, flakes } of rows) {
    const time = lastMs === null ? 'never passed' : `${(lastMs / 1000).toFixed(1)} s`;
    const notes = [
      ...tags,
      ...(long === null ? [] : ['long']),
      ...(machines.length > 1 ? [`${machines.length} machines`] : []),
      ...(flakes > 0 ? [`flaked ${flakes}×`] : []),
    ];
    process.stdout.write(
      `${name.padEnd(width)}  ${time.padStart(12)}  ${String(runs).padStart(4)} runs  ${notes.join(', ')}`
        .trimEnd()
        .concat(`\n    ${what}\n`),
    );
  }
  return 0;
}

/** The exit code that tells `git bisect run` that this commit cannot be tested. */
const CANNOT_TEST = 125;

/**
 * `kola run`. Exit code 0 all passed, 1 some failed, 2 nothing could be run. With `--bisect` the image is built first,
 * and the exit code is 125 if the tests cannot be run.
 */
export async function runTests(patterns: readonly string[], options: KolaOptions): Promise<number> {
  if (!options.bisect) {
    const { failed } = await run(patterns, options);
    return failed === 0 ? 0 : 1;
  }
  try {
    await buildImage(options.image);
    return bisectVerdict((await run(patterns, options)).results);
  } catch (error) {
    process.stderr.write(`${describeFailure(error)}\n`);
    return CANNOT_TEST;
  }
}

async function run(
  globs: readonly string[],
  options: KolaOptions,
): Promise<{ failed: number; results: readonly TestResult[] }> {
  const { image, rerunFailed, report, json } = options;
  const shard = await shardOption(options);
  const { keep, patterns } = keepOption(globs, options);
  const parallel = keep ? 1 : options.parallel;
  await readArtifacts(OUT, image).then((artifacts) => artifacts.get('disk'));
  await selected(patterns, image);
  const only = rerunFailed
    ? [...(await readHistory(image))].filter(([, { lastPassed }]) => !lastPassed).map(([name]) => name)
    : undefined;
  const asked: Parameters<typeof vmStage>[0] = {
    image,
    patterns,
    ...(parallel === undefined ? {} : { parallel }),
    ...(shard ? { shard } : {}),
    ...(only ? { only } : {}),
    ...(report === undefined ? {} : { reportDir: report }),
    ...(keep ? { keep } : {}),
  };
  // A pass that is remembered has no machine to keep, so --keep runs every test.
  const stage = vmStage(asked, { fresh: keep !== undefined || (options.fresh ?? false) });
  const all = patterns.length === 0 && !rerunFailed;
  let results: readonly TestResult[] = [];
  const { failed, tests } = await reportStages([stage], json ? process.stderr : process.stdout, {
    live: liveLine(process.stderr),
    whenRun: async (outcome) => {
      process.stderr.write(recap(outcome));
      results = await reportVmTests(outcome, {
        image,
        dir: report ?? join(OUT, 'report'),
        scope: all ? 'all' : 'part',
        shard,
      });
      return spentTable(spentOn(outcome.stages, results));
    },
  });
  if (json) {
    const own = new Map(results.map(({ test, totalMs }) => [test, totalMs]));
    const told = tests.map(({ file: _file, stage: _stage, ms, ...test }) => ({
      ...test,
      ms: own.get(test.name) ?? ms,
    }));
    process.stdout.write(`${JSON.stringify({ image, failed, tests: told }, undefined, 2)}\n`);
  }
  return { failed, results };
}

/** The tests that patterns choose for an image. Throws badInput when there is none, or a module does not load. */
async function selected(patterns: readonly string[], image: string): Promise<readonly RegisteredTest[]> {
  const { tests, broken } = await loadTests(await testModules());
  for (const { file, error } of broken) {
    throw badInput(
      `a test module cannot be loaded: ${error instanceof Error ? error.message : String(error)}`,
      { where: file, cause: error },
    );
  }
  const found = tests.filter(
    ({ definition }) =>
      (definition.image ?? image) === image && (patterns.length === 0 || matchesAny(patterns, definition)),
  );
  if (found.length === 0)
    throw badInput(`no test matches ${patterns.join(' ')}`, { hint: './draisine kola list shows them all' });
  return found;
}
