import { basename, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Sources } from '../../build/for-kola.ts';
import { Failure } from '../../sdk/lib/errors.ts';
import { type Sha256, sha256 } from '../../sdk/lib/files.ts';
import { planCluster } from '../harness/machine/cluster.ts';
import type { Plan } from '../harness/machine/spec.ts';
import type { Acceleration } from '../harness/qemu/accel.ts';
import type { RegisteredTest, TestDefinition } from '../harness/run/register.ts';
import type { Host } from './host.ts';
import { type Inputs, inputsOf } from './inputs.ts';
import { dataOf, isTest, loadsOf, ROOMS } from './rules.ts';

/** The artifacts and tools that VM tests run on. */
export interface Ground {
  readonly image: string;
  /** Digests of the artifacts, by name. A test may use any of them, so all count. */
  readonly artifacts: Readonly<Record<string, Sha256>>;
  /** The folder of the tool tree with QEMU, whose name is its key. */
  readonly toolTree: string;
  readonly accel: Pick<Acceleration, 'kind' | 'identity'>;
  /** False if the image was built again meanwhile. A result is then of an unknown image. */
  unchanged(): boolean;
}

/** The two inputs that a sabotaged run has besides those of its test: the module that declares the sabotage, and its name. */
export interface Sabotaged {
  readonly file: string;
  readonly name: string;
}

const SUITE = 'kola-tests/harness/run/suite.ts';

/** Modules of the harness that no verdict depends on: they make tools, choose tests or report results. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  'build/image/sdk.ts',
  'kola-tests/denylist.json',
  'kola-tests/harness/report/report.ts',
  'kola-tests/harness/report/result.ts',
  'kola-tests/harness/run/denylist.ts',
  'kola-tests/harness/run/history.ts',
  'kola-tests/harness/run/select.ts',
  'kola-tests/verbs.ts', // no machine test runs machine tests
  'sdk/lib/log.ts',
]);

/**
 * Modules whose imports of build/ do not count. The harness uses build/ to make tool trees, which count by their keys,
 * and to read manifests. What a test itself imports of build/ counts.
 */
const OF_HARNESS: ReadonlySet<string> = new Set([
  'kola-tests/harness/qemu/artifacts.ts',
  'kola-tests/harness/qemu/tree.ts',
]);

/**
 * The inputs of a VM test: its module and the harness with all they import, the command line and the rooms behind it
 * where it is used, fixtures, the guest's scripts, the locked packages, the artifacts, QEMU, the accelerator, and the
 * plan of its machines. Undefined when they cannot be known without running it.
 */
export function vmInputs(
  sources: Sources,
  { definition, file }: RegisteredTest,
  ground: Ground,
  host: Host,
  sabotage?: Sabotaged,
): Inputs | undefined {
  const named = (url: string): string => relative(sources.checkout, fileURLToPath(url));
  const own = [named(file), ...(sabotage ? [named(sabotage.file)] : [])];
  // The suite loads the modules of all tests. A verdict depends on its own ones only.
  const loads = loadsOf(sources);
  try {
    const closure = sources.closure([SUITE, ...own], {
      leftOut: LEFT_OUT,
      cut: (from, to) => OF_HARNESS.has(from) && to === 'build/for-kola.ts',
      loads: (name) => (/^kola-tests\/harness\/run\//.test(name) ? [] : loads(name)),
    });
    if (closure.unknown.length > 0) return undefined;
    const imported = [...closure.files.keys()];
    const touched = imported.map((name) => name.split('/')[0] ?? '').filter((room) => room in ROOMS);
    const rooms = imported.includes('draisine.ts') ? Object.keys(ROOMS) : ['kola-tests', 'sdk', ...touched];
    const fixtures = sources.filesBelow('kola-tests/fixtures').filter((name) => !isTest(name));
    const data = dataOf(sources, rooms).filter((name) => !LEFT_OUT.has(name));
    const { image, artifacts, toolTree, accel } = ground;
    const found = inputsOf(
      sources,
      { npm: closure.npm, files: [...imported, ...fixtures, ...data] },
      {
        kind: sabotage ? 'sabotage' : 'vm',
        name: sabotage ? `${sabotage.name} ${definition.name}` : definition.name,
        ...{ host, image, artifacts, tools: basename(toolTree) },
        accel: { kind: accel.kind, identity: accel.identity },
        machines: machinesOf(definition),
      },
    );
    return { ...found, unchanged: () => found.unchanged() && ground.unchanged() };
  } catch (error) {
    if (error instanceof Failure) return undefined; // An import is missing. The run reports it.
    throw error;
  }
}

/** The plans of a test's machines, without what differs from run to run. */
export function machinesOf(definition: TestDefinition): string {
  const plans = [...planCluster(definition)].map(([name, plan]) => [name, described(plan)]);
  let text = JSON.stringify(plans);
  for (const [index, varying] of (definition.varies ?? []).entries())
    text = text.replaceAll(JSON.stringify(varying).slice(1, -1), `varies-${index}`);
  return sha256(text);
}

function described({ prepare, ...plan }: Plan): object {
  if (!prepare) return plan;
  return {
    ...plan,
    prepare: { name: prepare.name, artifacts: prepare.artifacts, text: prepare.run.toString() },
  };
}
