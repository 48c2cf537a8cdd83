import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openSources } from '../../build/for-kola.ts';
import { ignitionOracle } from '../../packages/for-kola.ts';
import { badInput } from '../../sdk/lib/errors.ts';
import { log } from '../../sdk/lib/log.ts';
import { bootChartFile } from '../harness/guest/bootchart.ts';
import { type Artifact, readArtifacts } from '../harness/qemu/artifacts.ts';
import { qemuTree } from '../harness/qemu/tree.ts';
import type { TestResult } from '../harness/report/result.ts';
import { writeReport } from '../harness/report/write.ts';
import { loadTests } from '../harness/run/register.ts';
import { matchesAny } from '../harness/run/select.ts';
import { OPTIONS_VARIABLE, type SuiteOptions, testModules } from '../harness/run/suite-options.ts';
import { unitTestFiles } from '../verdict/unit-files.ts';
import { buildImage } from './build.ts';
import { liveLine } from './live.ts';
import { CHECKOUT, OUT } from './options.ts';
import { type Outcome, reportStages } from './outcome.ts';
import { recap } from './recap.ts';
import type { Stage } from './stages.ts';
import { staticStage } from './static.ts';
import { unitVerdicts } from './unit-verdicts.ts';
import { vmVerdicts } from './vm-verdicts.ts';

export interface TestOptions {
  /** Only the checks of the sources, only the unit tests, only the VM tests. */
  readonly static?: boolean;
  readonly unit?: boolean;
  readonly vm?: boolean;
  /** Runs again what has passed already. */
  readonly fresh?: boolean;
}

/** `./draisine test`: checks of the sources, unit tests, then builds what is missing, then VM tests, as one run of node:test. */
export async function testEverything(patterns: readonly string[], options: TestOptions): Promise<number> {
  const only = (['static', 'unit', 'vm'] as const).filter((name) => options[name]);
  if (only.length > 1) {
    throw badInput(`${only.map((name) => `--${name}`).join(' and ')} exclude each other`, {
      hint: 'leave them out to run everything',
    });
  }
  const { fresh = false } = options;
  const wanted = (name: (typeof only)[number]) => only.length === 0 || only.includes(name);
  const stages: Stage[] = [];
  if (wanted('static')) {
    const checks = staticStage(patterns);
    if (checks) stages.push(checks);
  }
  if (wanted('unit')) {
    const files = (await unitTestFiles(CHECKOUT)).filter((file) =>
      matchesFile(relative(CHECKOUT, file), patterns),
    );
    const before = { name: 'fetch the oracle of ignition/', run: oracleEnvironment };
    const verdicts = unitVerdicts(openSources(CHECKOUT), { fresh });
    if (files.length > 0) stages.push({ files, concurrency: availableParallelism(), before, verdicts });
  }
  if (wanted('vm') && (await someVmTest(patterns))) {
    const build = { name: 'build n100', run: () => buildImage('n100') };
    stages.push(vmStage({ image: 'n100', patterns }, { build, fresh }));
  }
  if (stages.length === 0) {
    throw badInput(`no test matches ${patterns.join(' ')}`, {
      hint: 'a pattern is part of the name of a check, part of the path of a unit test, or a glob on names of VM tests',
    });
  }
  const { failed } = await reportStages(stages, process.stdout, {
    live: liveLine(process.stderr),
    whenRun: async (outcome) => {
      process.stderr.write(recap(outcome));
      if (wanted('vm')) await reportVmTests('n100', join(OUT, 'report'), outcome, patterns.length === 0);
    },
  });
  return failed === 0 ? 0 : 1;
}

/** Where the tests of ignition/ find the real validator and the schemas. */
async function oracleEnvironment(): Promise<Record<string, string>> {
  const { tools, source } = await ignitionOracle();
  return { DRAISINE_IGNITION_TOOLS: tools, DRAISINE_IGNITION_SOURCE: source };
}

async function someVmTest(patterns: readonly string[]): Promise<boolean> {
  if (patterns.length === 0) return true;
  const { tests, broken } = await loadTests(await testModules());
  return broken.length > 0 || tests.some(({ definition }) => matchesAny(patterns, definition));
}

function matchesFile(path: string, patterns: readonly string[]): boolean {
  return patterns.length === 0 || patterns.some((pattern) => path.includes(pattern));
}

/** The test file that all VM tests are in, as node:test sees it. */
const SUITE = fileURLToPath(new URL('../harness/run/suite.ts', import.meta.url));

type VmOptions = Omit<SuiteOptions, 'out' | 'toolTree' | 'reportDir'> & { readonly reportDir?: string };

interface VmStageOptions {
  readonly build?: { readonly name: string; run(): Promise<void> };
  /** Runs again what has passed already. */
  readonly fresh: boolean;
}

/** The stage that runs VM tests. When it begins, `build` is done and the tool tree made ready. */
export function vmStage(options: VmOptions, { build, fresh }: VmStageOptions): Stage {
  const run = async (): Promise<Record<string, string>> => {
    await build?.run();
    const reportDir = options.reportDir ?? join(OUT, 'report');
    const suite: SuiteOptions = { ...options, out: OUT, toolTree: await qemuTree(), reportDir };
    return { [OPTIONS_VARIABLE]: JSON.stringify(suite) };
  };
  return {
    files: [SUITE],
    concurrency: 1,
    before: { name: build?.name ?? 'fetch QEMU', run },
    verdicts: vmVerdicts(openSources(CHECKOUT), { fresh }),
  };
}

/** Writes the report of the VM tests of a run, if there were any. Returns their results. */
export async function reportVmTests(
  image: string,
  dir: string,
  { tests }: Outcome,
  complete: boolean,
): Promise<readonly TestResult[]> {
  const sentences = new Map(
    (await loadTests(await testModules())).tests.map(({ definition }) => [definition.name, definition.what]),
  );
  const ran = tests
    .filter(({ file }) => file === SUITE)
    .map((test) => ({ ...test, ...whatOf(sentences, test.name) }));
  if (ran.length === 0) return [];
  const { disk, manifest } = await built(image);
  const bootChart = (['kvm', 'tcg'] as const).map((kind) => bootChartFile(disk, kind)).find(existsSync);
  const results = await writeReport(dir, {
    image,
    manifest,
    tests: ran,
    complete,
    ...(bootChart === undefined ? {} : { bootChart }),
  });
  log(`kola: report in ${join(dir, 'index.html')}`);
  return results;
}

function whatOf(sentences: ReadonlyMap<string, string>, name: string): { readonly what?: string } {
  const what = sentences.get(name);
  return what === undefined ? {} : { what };
}

async function built(image: string): Promise<{ disk: Artifact; manifest: string }> {
  const artifacts = await readArtifacts(OUT, image);
  return { disk: await artifacts.get('disk'), manifest: join(OUT, image, 'manifest.json') };
}
