import { join } from 'node:path';
import { readArtifacts } from '../harness/qemu/artifacts.ts';
import { spentOn, spentTable } from '../harness/report/spent.ts';
import { loadTests } from '../harness/run/register.ts';
import { type Sabotage, selectSabotages } from '../harness/run/sabotage.ts';
import { loadSabotages, sabotageTitle } from '../harness/run/sabotage-suite.ts';
import { testModules } from '../harness/run/suite-options.ts';
import { liveLine } from './live.ts';
import { OUT } from './options.ts';
import { type Outcome, reportStages } from './outcome.ts';
import { recap } from './recap.ts';
import { vmStage } from './vm-stage.ts';

/** The options of `kola sabotage`. */
export interface SabotageOptions {
  readonly image: string;
  readonly list?: boolean;
  readonly parallel?: number;
  readonly report?: string;
  readonly json?: boolean;
  readonly fresh?: boolean;
}

/**
 * `kola sabotage`. Exit code 0: tests noticed every sabotage. 1: a sabotage was not noticed or could not be made.
 * 2: bad input.
 */
export async function runSabotages(patterns: readonly string[], options: SabotageOptions): Promise<number> {
  const { image, list, parallel, report, json, fresh = false } = options;
  const { tests, broken } = await loadTests(await testModules());
  for (const { error } of broken) throw error;
  const chosen = selectSabotages(await loadSabotages(), tests, patterns);
  if (list) {
    process.stdout.write(json ? asJson({ sabotages: chosen.map(described) }) : chosen.map(asLine).join(''));
    return 0;
  }
  await readArtifacts(OUT, image).then((artifacts) => artifacts.get('disk'));
  const asked = {
    image,
    patterns: [],
    sabotages: patterns,
    ...(parallel === undefined ? {} : { parallel }),
    reportDir: report ?? join(OUT, 'report'),
  };
  const stage = vmStage(asked, { fresh });
  const outcome = await reportStages([stage], json ? process.stderr : process.stdout, {
    live: liveLine(process.stderr),
    whenRun: async (ended) => {
      process.stderr.write(recap(ended));
      return spentTable(spentOn(ended.stages, []));
    },
  });
  if (json)
    process.stdout.write(
      asJson({ image, failed: outcome.failed, sabotages: chosen.map((each) => verdicts(each, outcome)) }),
    );
  return outcome.failed === 0 ? 0 : 1;
}

function described({ name, what, tests }: Sabotage): object {
  return { name, what, tests };
}

function verdicts({ name, what, tests }: Sabotage, { tests: ended }: Outcome): object {
  return {
    name,
    what,
    tests: tests.map((test) => {
      const end = ended.find((candidate) => candidate.name === sabotageTitle(name, test));
      return {
        name: test,
        noticed: end?.passed ?? false,
        ms: end?.ms ?? null,
        ...(end?.passed === false ? { error: end.error } : {}),
      };
    }),
  };
}

function asLine({ name, what, tests }: Sabotage): string {
  return `${name}: ${what}\n    must be noticed by ${tests.join(', ')}\n`;
}

function asJson(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
