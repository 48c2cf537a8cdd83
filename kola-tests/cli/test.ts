import { join, relative } from 'node:path';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { badInput } from '../../sdk/lib/errors.ts';
import { log } from '../../sdk/lib/log.ts';
import { spentOn, spentTable } from '../harness/report/spent.ts';
import type { Scope } from '../harness/report/write.ts';
import { loadTests, type RegisteredTest } from '../harness/run/register.ts';
import { selectTests } from '../harness/run/select.ts';
import { testModules } from '../harness/run/suite-options.ts';
import {
  type Beforehand,
  buildTakes,
  describeBeforehand,
  longestFirst,
  machinesTake,
  takeTogether,
} from './beforehand.ts';
import { leftOut, overBudget } from './gate.ts';
import { liveLine } from './live.ts';
import { OUT } from './options.ts';
import { type Outcome, reportStages } from './outcome.ts';
import { recap } from './recap.ts';
import { shardOption } from './shard.ts';
import type { Stage } from './stages.ts';
import { STATIC } from './static.ts';
import { OTHER, otherReport, PARTS, stagesOf, UNIT, type Wanted } from './test-stages.ts';
import { reportVmTests, stageName } from './vm-stage.ts';

/** The options of `test`. */
export interface TestOptions {
  /** Run only the checks of the sources, only the unit tests, or only the VM tests. */
  readonly static?: boolean;
  readonly unit?: boolean;
  readonly vm?: boolean;
  /** The long tests too. */
  readonly all?: boolean;
  /** True: also run tests that have passed and have not changed. */
  readonly fresh?: boolean;
  /** The image whose VM tests run. */
  readonly image: string;
  /** `I/N`: part I of N of the unit tests, VM tests and sabotages. The first part has the checks of the sources. */
  readonly shard?: string;
  /** The path of a history.jsonl. Its durations balance the VM tests of the shards. */
  readonly durations?: string;
  /** The folder of the report. */
  readonly report?: string;
}

/**
 * `./draisine test`: checks of the sources, unit tests, then builds what is missing, then VM tests, as one run of
 * node:test. With `all` the long tests, the sabotages, the crash states and the second image as well.
 */
export async function testEverything(patterns: readonly string[], options: TestOptions): Promise<number> {
  const only = (['static', 'unit', 'vm', 'all'] as const).filter((name) => options[name]);
  if (only.length > 1) {
    throw badInput(`${only.map((name) => `--${name}`).join(' and ')} exclude each other`, {
      hint: 'leave them out to run the gate',
    });
  }
  const { image, all = false, fresh = false, report = join(OUT, 'report') } = options;
  const shard = await shardOption(options);
  const parts = only[0] === undefined || only[0] === 'all' ? PARTS : [only[0]];
  const asked: Wanted = { patterns, parts, image, all, fresh, shard, reportDir: report };
  const { tests, broken } = await loadTests(await testModules());
  const stages = await stagesOf(asked, tests, broken.length > 0);
  if (stages.length === 0) {
    if (shard && (await stagesOf({ ...asked, shard: undefined }, tests, broken.length > 0)).length > 0) {
      log(`no test is in shard ${shard.index}/${shard.count}`);
      return 0;
    }
    throw badInput(`no test matches ${patterns.join(' ')}`, {
      hint: 'a pattern is part of the name of a check, part of the path of a unit test, or a glob on names of VM tests',
    });
  }
  await tellBeforehand(stages, tests, asked);
  const { failed } = await reportStages(stages, process.stdout, {
    live: liveLine(process.stderr),
    whenRun: async (outcome) => {
      process.stderr.write(recap(outcome));
      if (!stages.some(({ name }) => name === stageName({ image })))
        return spentTable(spentOn(outcome.stages, []));
      return await reportMachines(asked, outcome, tests);
    },
  });
  return failed === 0 ? 0 : 1;
}

/** Prints what the run has to do, before it starts. It does not know yet which tests have passed unchanged. */
async function tellBeforehand(
  stages: readonly Stage[],
  tests: readonly RegisteredTest[],
  { patterns, image, all, shard }: Wanted,
): Promise<void> {
  const parts: Beforehand[] = [];
  const relatives = (files: readonly string[]): string[] => files.map((file) => relative(CHECKOUT, file));
  for (const { name, files } of stages) {
    if (name === STATIC)
      parts.push({ what: name, ms: takeTogether(await longestFirst(relatives(files), 'check')) });
    if (name === UNIT)
      parts.push({
        what: `${files.length} files of ${name}`,
        ms: takeTogether(await longestFirst(relatives(files), 'unitFile')),
      });
    if (name !== stageName({ image })) continue;
    const build = await buildTakes(image);
    if (build !== undefined) parts.push({ what: `build of ${image} (${build})`, ms: 0 });
    const part = shard ? { shard } : {};
    const selected = selectTests(tests, { patterns, image, gate: !all, ...part }, new Map());
    const ms = await machinesTake(image, selected);
    parts.push({ what: `${selected.length} tests on machines of ${image}`, ms });
  }
  if (stages.some(({ name }) => name === stageName({ image, sabotages: [] })))
    parts.push({
      what: image === OTHER.image ? 'sabotages' : `sabotages, crash states and ${OTHER.image}`,
      ms: 0,
    });
  log(
    `${describeBeforehand(parts)}; tests that have passed are not run again while nothing of them has changed`,
  );
}

/** Writes the reports. Returns lines for the summary. */
async function reportMachines(
  { patterns, image, all, shard, reportDir }: Wanted,
  outcome: Outcome,
  tests: readonly RegisteredTest[],
): Promise<readonly string[]> {
  const whole: Scope = all ? 'all' : 'gate';
  const scope = patterns.length === 0 ? whole : 'part';
  const results = await reportVmTests(outcome, { image, dir: reportDir, scope, shard });
  if (all && image !== OTHER.image)
    await reportVmTests(outcome, { image: OTHER.image, dir: otherReport(reportDir), scope: 'part', shard });
  const spent = spentTable(spentOn(outcome.stages, results));
  if (all) return spent;
  return [...spent, ...leftOut(patterns, image, tests), ...overBudget(outcome.stages, results)];
}
