import { join } from 'node:path';
import { badInput } from '../../sdk/lib/errors.ts';
import { readArtifacts } from '../harness/artifacts.ts';
import { readHistory } from '../harness/history.ts';
import { loadTests, type RegisteredTest } from '../harness/register.ts';
import { matchesAny } from '../harness/select.ts';
import { testModules } from '../harness/suite-options.ts';
import { OUT, parseShard } from './options.ts';
import { reportStages } from './stages.ts';
import { reportVmTests, vmStage } from './test.ts';

export interface KolaOptions {
  readonly image: string;
  readonly parallel?: number;
  readonly shard?: string;
  readonly rerunFailed?: boolean;
  readonly report?: string;
  readonly json?: boolean;
}

/** `kola list`: the tests, what they use, how long they took and whether they are known to flake. */
export async function listTests(patterns: readonly string[], { image, json }: KolaOptions): Promise<number> {
  const history = await readHistory(image);
  const rows = (await selected(patterns, image)).map(({ definition }) => {
    const known = history.get(definition.name);
    return {
      name: definition.name,
      tags: definition.tags ?? [],
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
  for (const { name, tags, machines, lastMs, runs, flakes } of rows) {
    const time = lastMs === null ? 'never passed' : `${(lastMs / 1000).toFixed(1)} s`;
    const notes = [
      ...tags,
      ...(machines.length > 1 ? [`${machines.length} machines`] : []),
      ...(flakes > 0 ? [`flaked ${flakes}×`] : []),
    ];
    process.stdout.write(
      `${name.padEnd(width)}  ${time.padStart(12)}  ${String(runs).padStart(4)} runs  ${notes.join(', ')}`
        .trimEnd()
        .concat('\n'),
    );
  }
  return 0;
}

/** `kola run`. Exit code 0 all passed, 1 some failed, 2 nothing could be run. */
export async function runTests(patterns: readonly string[], options: KolaOptions): Promise<number> {
  const { image, parallel, shard, rerunFailed, report, json } = options;
  await readArtifacts(OUT, image).then((artifacts) => artifacts.get('disk'));
  await selected(patterns, image);
  const only = rerunFailed
    ? [...(await readHistory(image))].filter(([, { lastPassed }]) => !lastPassed).map(([name]) => name)
    : undefined;
  const stage = vmStage({
    image,
    patterns,
    ...(parallel === undefined ? {} : { parallel }),
    ...(shard === undefined ? {} : { shard: parseShard(shard) }),
    ...(only ? { only } : {}),
    ...(report === undefined ? {} : { reportDir: report }),
  });
  const { failed, tests } = await reportStages([stage], json ? process.stderr : process.stdout);
  const complete = patterns.length === 0 && shard === undefined && !rerunFailed;
  await reportVmTests(image, report ?? join(OUT, 'report'), tests, complete);
  if (json) process.stdout.write(`${JSON.stringify({ image, failed, tests }, undefined, 2)}\n`);
  return failed === 0 ? 0 : 1;
}

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
    throw badInput(`no test matches ${patterns.join(' ')}`, { mend: './draisine kola list shows them all' });
  return found;
}
