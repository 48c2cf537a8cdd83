import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { openSources } from '../../build/for-kola.ts';
import { ignitionOracle } from '../../packages/for-kola.ts';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { badInput } from '../../sdk/lib/errors.ts';
import { log } from '../../sdk/lib/log.ts';
import { spentOn, spentTable } from '../harness/report/spent.ts';
import { loadTests, type RegisteredTest } from '../harness/run/register.ts';
import { matchesAny, selectTests } from '../harness/run/select.ts';
import { testModules } from '../harness/run/suite-options.ts';
import { unitTestFiles } from '../verdict/unit-files.ts';
import { type Beforehand, buildTakes, describeBeforehand, filesTake, machinesTake } from './beforehand.ts';
import { buildImage } from './build.ts';
import { leftOut, overBudget } from './gate.ts';
import { liveLine } from './live.ts';
import { OUT } from './options.ts';
import { type Outcome, reportStages } from './outcome.ts';
import { recap } from './recap.ts';
import type { Stage } from './stages.ts';
import { STATIC, staticStage } from './static.ts';
import { unitVerdicts } from './unit-verdicts.ts';
import { reportVmTests, stageName, vmStage } from './vm-stage.ts';

export interface TestOptions {
  /** Only the checks of the sources, only the unit tests, only the VM tests. */
  readonly static?: boolean;
  readonly unit?: boolean;
  readonly vm?: boolean;
  /** The long tests too. */
  readonly all?: boolean;
  /** Runs again what has passed already. */
  readonly fresh?: boolean;
}

const IMAGE = 'n100';
const UNIT = 'unit tests';
/** What of the suite is run on the second image, whose kernel is Debian's. */
const OTHER = {
  image: 'generic',
  patterns: ['boot.multi-user', 'boot.second', 'container.*', 'net.*', 'podman.*', 'zfs.*'],
};

/**
 * `./draisine test`: checks of the sources, unit tests, then builds what is missing, then VM tests, as one run of
 * node:test. With `all` the long tests, the sabotages and the second image as well.
 */
export async function testEverything(patterns: readonly string[], options: TestOptions): Promise<number> {
  const only = (['static', 'unit', 'vm', 'all'] as const).filter((name) => options[name]);
  if (only.length > 1) {
    throw badInput(`${only.map((name) => `--${name}`).join(' and ')} exclude each other`, {
      hint: 'leave them out to run the gate',
    });
  }
  const { all = false, fresh = false } = options;
  const wanted = (name: (typeof only)[number]) => only.length === 0 || all || only.includes(name);
  const { tests, broken } = await loadTests(await testModules());
  const stages: Stage[] = [];
  if (wanted('static')) {
    const checks = staticStage(patterns, { fresh });
    if (checks) stages.push(checks);
  }
  if (wanted('unit')) stages.push(...(await unitStage(patterns, fresh)));
  const machines = wanted('vm') && (broken.length > 0 || someMatch(patterns, tests));
  if (machines) stages.push(...vmStages(patterns, { all, fresh }));
  if (stages.length === 0) {
    throw badInput(`no test matches ${patterns.join(' ')}`, {
      hint: 'a pattern is part of the name of a check, part of the path of a unit test, or a glob on names of VM tests',
    });
  }
  await tellBeforehand(stages, tests, patterns, all);
  const { failed } = await reportStages(stages, process.stdout, {
    live: liveLine(process.stderr),
    whenRun: async (outcome) => {
      process.stderr.write(recap(outcome));
      if (!machines) return spentTable(spentOn(outcome.stages, []));
      return await reportMachines(patterns, { all }, outcome, tests);
    },
  });
  return failed === 0 ? 0 : 1;
}

/** Says what there is to do before anything is done. What has passed and has not changed is only known later. */
async function tellBeforehand(
  stages: readonly Stage[],
  tests: readonly RegisteredTest[],
  patterns: readonly string[],
  all: boolean,
): Promise<void> {
  const parts: Beforehand[] = [];
  const relatives = (files: readonly string[]): string[] => files.map((file) => relative(CHECKOUT, file));
  for (const { name, files } of stages) {
    if (name === STATIC) parts.push({ what: name, ms: await filesTake(relatives(files), 'check') });
    if (name === UNIT)
      parts.push({
        what: `${files.length} files of ${name}`,
        ms: await filesTake(relatives(files), 'unitFile'),
      });
    if (name !== stageName({ image: IMAGE })) continue;
    const build = await buildTakes(IMAGE);
    if (build !== undefined) parts.push({ what: `build of ${IMAGE} (${build})`, ms: 0 });
    const selected = selectTests(tests, { patterns, image: IMAGE, gate: !all }, new Map());
    const ms = await machinesTake(IMAGE, selected);
    parts.push({ what: `${selected.length} tests on machines of ${IMAGE}`, ms });
  }
  if (stages.some(({ name }) => name === stageName(OTHER)))
    parts.push({ what: 'sabotages and generic', ms: 0 });
  log(`${describeBeforehand(parts)}; what has passed before and has not changed is not run again`);
}

/** Writes the reports. Returns what belongs to the summary. */
async function reportMachines(
  patterns: readonly string[],
  { all }: { readonly all: boolean },
  outcome: Outcome,
  tests: readonly RegisteredTest[],
): Promise<readonly string[]> {
  const dir = join(OUT, 'report');
  const results = await reportVmTests(IMAGE, dir, outcome, patterns.length === 0);
  if (all) await reportVmTests(OTHER.image, join(dir, OTHER.image), outcome, false);
  const spent = spentTable(spentOn(outcome.stages, results));
  if (all) return spent;
  return [...spent, ...leftOut(patterns, IMAGE, tests), ...overBudget(outcome.stages, results)];
}

async function unitStage(patterns: readonly string[], fresh: boolean): Promise<readonly Stage[]> {
  const files = (await unitTestFiles(CHECKOUT)).filter((file) =>
    matchesFile(relative(CHECKOUT, file), patterns),
  );
  if (files.length === 0) return [];
  const before = { name: 'fetch the oracle of ignition/', run: oracleEnvironment };
  const verdicts = unitVerdicts(openSources(CHECKOUT), { fresh });
  return [{ name: UNIT, files, concurrency: availableParallelism(), before, verdicts }];
}

function vmStages(
  patterns: readonly string[],
  { all, fresh }: { readonly all: boolean; readonly fresh: boolean },
): readonly Stage[] {
  const build = (image: string) => ({ name: `build ${image}`, run: () => buildImage(image) });
  const gate = vmStage({ image: IMAGE, patterns, gate: !all }, { build: build(IMAGE), fresh });
  if (!all || patterns.length > 0) return [gate];
  const sabotages = vmStage({ image: IMAGE, patterns: [], sabotages: [] }, { fresh });
  return [gate, sabotages, vmStage(OTHER, { build: build(OTHER.image), fresh })];
}

/** Where the tests of ignition/ find the real validator and the schemas. */
async function oracleEnvironment(): Promise<Record<string, string>> {
  const { tools, source } = await ignitionOracle();
  return { DRAISINE_IGNITION_TOOLS: tools, DRAISINE_IGNITION_SOURCE: source };
}

function someMatch(patterns: readonly string[], tests: readonly RegisteredTest[]): boolean {
  return patterns.length === 0 || tests.some(({ definition }) => matchesAny(patterns, definition));
}

function matchesFile(path: string, patterns: readonly string[]): boolean {
  return patterns.length === 0 || patterns.some((pattern) => path.includes(pattern));
}
