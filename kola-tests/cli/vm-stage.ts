import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openSources } from '../../build/for-kola.ts';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { byteOrder } from '../../sdk/lib/files.ts';
import { log } from '../../sdk/lib/log.ts';
import { type Artifact, readArtifacts } from '../harness/qemu/artifacts.ts';
import { qemuTree } from '../harness/qemu/tree.ts';
import type { TestResult } from '../harness/report/result.ts';
import { type Scope, writeReport } from '../harness/report/write.ts';
import { bootChartFile } from '../harness/run/bootchart.ts';
import { loadTests } from '../harness/run/register.ts';
import { type Shard, selectTests } from '../harness/run/select.ts';
import { OPTIONS_VARIABLE, type SuiteOptions, testModules } from '../harness/run/suite-options.ts';
import { OUT } from './options.ts';
import type { Outcome } from './outcome.ts';
import type { Stage } from './stages.ts';
import { vmVerdicts } from './vm-verdicts.ts';

/** The one test file that node:test runs for all VM tests. */
const SUITE = fileURLToPath(new URL('../harness/run/suite.ts', import.meta.url));

type VmOptions = Omit<SuiteOptions, 'out' | 'toolTree' | 'reportDir'> & { readonly reportDir?: string };

interface VmStageOptions {
  readonly build?: { readonly name: string; run(): Promise<void> };
  /** True: also run tests that have passed and have not changed. */
  readonly fresh: boolean;
}

/** The stage that runs VM tests. It begins with `build` and with making the tool tree. */
export function vmStage(options: VmOptions, { build, fresh }: VmStageOptions): Stage {
  const run = async (): Promise<Record<string, string>> => {
    await build?.run();
    const reportDir = options.reportDir ?? join(OUT, 'report');
    const suite: SuiteOptions = { ...options, out: OUT, toolTree: await qemuTree(), reportDir };
    return { [OPTIONS_VARIABLE]: JSON.stringify(suite) };
  };
  return {
    name: stageName(options),
    files: [SUITE],
    concurrency: 1,
    before: { name: build?.name ?? 'fetch QEMU', run },
    verdicts: vmVerdicts(openSources(CHECKOUT), { fresh }),
  };
}

/** The name of the stage of these options in reports. */
export function stageName({ image, sabotages }: Pick<VmOptions, 'image' | 'sabotages'>): string {
  return sabotages ? `sabotages of ${image}` : `machines of ${image}`;
}

/** The VM tests of a run to report, and the folder of the report. */
export interface VmReport {
  readonly image: string;
  /** The folder that gets the report. */
  readonly dir: string;
  readonly scope: Scope;
  /** The part of the scope that was run. */
  readonly shard?: Pick<Shard, 'index' | 'count'> | undefined;
}

/** Writes the report of the VM tests of a run, if there were any. Returns their results. */
export async function reportVmTests(
  { tests, stages }: Outcome,
  { image, dir, scope, shard }: VmReport,
): Promise<readonly TestResult[]> {
  const registered = (await loadTests(await testModules())).tests;
  const sentences = new Map(registered.map(({ definition }) => [definition.name, definition.what]));
  const all = selectTests(registered, { patterns: [], image }, new Map());
  const ran = tests
    .filter(({ file, stage }) => file === SUITE && stage === stageName({ image }))
    .map((test) => ({ ...test, ...whatOf(sentences, test.name) }));
  if (ran.length === 0) return [];
  const { disk, manifest } = await built(image);
  const bootChart = (['kvm', 'tcg'] as const).map((kind) => bootChartFile(disk, kind)).find(existsSync);
  const results = await writeReport(dir, {
    image,
    manifest,
    tests: ran,
    scope,
    all: all.map(({ definition }) => definition.name).sort(byteOrder),
    stages,
    ...(shard ? { shard: `${shard.index}/${shard.count}` } : {}),
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
