import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { openSources } from '../../build/for-kola.ts';
import { ignitionOracle } from '../../packages/for-kola.ts';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { FLOWS } from '../flows/all.ts';
import type { RegisteredTest } from '../harness/run/register.ts';
import { partOf, type Shard, selectTests } from '../harness/run/select.ts';
import { unitTestFiles } from '../verdict/unit-files.ts';
import { buildImage } from './build.ts';
import { crashStage } from './crash-stage.ts';
import type { Stage } from './stages.ts';
import { staticStage } from './static.ts';
import { translateTests } from './unit-bundle.ts';
import { unitVerdicts } from './unit-verdicts.ts';
import { vmStage } from './vm-stage.ts';

/** The parts of a run, in their order. */
export const PARTS = ['static', 'unit', 'vm'] as const;

/** The options of `test`, checked. */
export interface Wanted {
  readonly patterns: readonly string[];
  readonly parts: readonly (typeof PARTS)[number][];
  readonly image: string;
  readonly all: boolean;
  readonly fresh: boolean;
  readonly shard: Shard | undefined;
  readonly reportDir: string;
}

/** The name of the stage in reports. */
export const UNIT = 'unit tests';
/** Limit of a file of unit tests. The long ones take minutes on a busy host. A test that hangs ends with it. */
const UNIT_LIMIT_MS = 30 * 60_000;
/** The part of the suite that is run on the second image, whose kernel is Debian's. */
export const OTHER = {
  image: 'generic',
  patterns: ['boot.multi-user', 'boot.second', 'container.*', 'net.*', 'podman.*', 'zfs.*'],
};

/** The stages of a run of `test`. `broken`: a module of VM tests does not load, which the VM stage reports. */
export async function stagesOf(
  asked: Wanted,
  tests: readonly RegisteredTest[],
  broken: boolean,
): Promise<readonly Stage[]> {
  const { patterns, parts, fresh, shard } = asked;
  const stages: Stage[] = [];
  // Each check looks at all sources, so the checks are not split: the first shard runs them.
  if (parts.includes('static') && (shard?.index ?? 1) === 1) {
    const checks = staticStage(patterns, { fresh });
    if (checks) stages.push(checks);
  }
  if (parts.includes('unit')) stages.push(...(await unitStage(asked)));
  if (parts.includes('vm') && (broken || someMatch(asked, tests))) stages.push(...vmStages(asked));
  return stages;
}

/** A separate folder, because tests with the same names run on both images. */
export function otherReport(reportDir: string): string {
  return join(reportDir, OTHER.image);
}
async function unitStage({ patterns, all, fresh, shard }: Wanted): Promise<readonly Stage[]> {
  const matching = (await unitTestFiles(CHECKOUT, { long: all || patterns.length > 0 })).filter((file) =>
    matchesFile(relative(CHECKOUT, file), patterns),
  );
  const files = partOf(matching, shard);
  if (files.length === 0) return [];
  const before = { name: 'fetch the oracle of ignition/', run: oracleEnvironment };
  const verdicts = unitVerdicts(openSources(CHECKOUT), { fresh });
  // One more than processors: some tests wait for servers and for fake machines.
  return [
    {
      name: UNIT,
      files,
      concurrency: availableParallelism() + 1,
      before,
      translate: translateTests,
      limitMs: UNIT_LIMIT_MS,
      verdicts,
    },
  ];
}

function vmStages({ patterns, image, all, fresh, shard, reportDir }: Wanted): readonly Stage[] {
  const build = (name: string) => ({ name: `build ${name}`, run: () => buildImage(name) });
  const part = shard ? { shard } : {};
  const common = { image, reportDir, ...part };
  const gate = vmStage({ ...common, patterns, gate: !all }, { build: build(image), fresh });
  if (!all || patterns.length > 0) return [gate];
  const sabotages = vmStage({ ...common, patterns: [], sabotages: [] }, { fresh });
  if (image === OTHER.image) return [gate, sabotages];
  const flows = partOf(
    FLOWS.map(({ name }) => name),
    shard,
  );
  const crashes = flows.length > 0 ? [crashStage(image, flows)] : [];
  const other = { ...OTHER, ...part, reportDir: otherReport(reportDir) };
  return [gate, sabotages, ...crashes, vmStage(other, { build: build(OTHER.image), fresh })];
}

/** Variables with the paths of the real validator and of the schemas, for the tests of ignition/. */
async function oracleEnvironment(): Promise<Record<string, string>> {
  const { tools, source } = await ignitionOracle();
  return { DRAISINE_IGNITION_TOOLS: tools, DRAISINE_IGNITION_SOURCE: source };
}

/** Whether the patterns choose a VM test of the image, long or not: a run without any test would count as passed. */
function someMatch({ patterns, image }: Wanted, tests: readonly RegisteredTest[]): boolean {
  return patterns.length === 0 || selectTests(tests, { patterns, image }, new Map()).length > 0;
}

function matchesFile(path: string, patterns: readonly string[]): boolean {
  return patterns.length === 0 || patterns.some((pattern) => path.includes(pattern));
}
