import type { TestContext } from 'node:test';
import { badInput } from '../../../sdk/lib/errors.ts';
import type { ClusterSpec } from '../machine/cluster.ts';
import type { Machine } from '../machine/machine.ts';
import { TEST_NAME } from '../report/test-name.ts';

/** The machines of a test by name. A test without `machines` has one machine, `box`. */
export type Cluster<Name extends string = 'box'> = Readonly<Record<Name, Machine>>;

/** A VM test: its name, its machines, and its options. */
export interface TestDefinition<Name extends string = string> extends ClusterSpec<Name> {
  /** `area.subject`, e.g. `zfs.mirror`; unique. */
  readonly name: string;
  /** The guarantee of the test: one plain sentence for the owner of a box. `kola list` and reports show it. */
  readonly what: string;
  /** Only for this image; default: for all images. */
  readonly image?: string;
  /** Limit of the body in seconds at native speed, default 120. Under emulation it is multiplied. */
  readonly timeout?: number;
  readonly tags?: readonly string[];
  /** True if the test mostly waits. Then it needs no slot, so other tests run at the same time. */
  readonly waits?: boolean;
  /** The reason why the test is not in the gate: it takes too long for every change. */
  readonly long?: string;
  /** Texts in the specs of its machines that differ from run to run, e.g. a port. Verdicts do not depend on them. */
  readonly varies?: readonly string[];
  /** Findings of the checks after the test that do not fail it (see checks.ts). */
  readonly expect?: readonly RegExp[];
}

/** A VM test with its body. */
export interface RegisteredTest {
  readonly definition: TestDefinition;
  /** The module that registered it. */
  readonly file: string;
  readonly body: (t: TestContext, cluster: Cluster<string>) => Promise<void>;
}

/** One line that begins with a capital letter or a backquote, and ends with a full stop. */
const SENTENCE = /^[A-Z`].{14,}[^.]\.$/;

const registered = new Map<string, RegisteredTest>();
let loading = '';

/** Declares a VM test. Called at the top level of the modules in kola-tests/tests/. */
export function register<Name extends string = 'box'>(
  definition: TestDefinition<Name>,
  body: (t: TestContext, cluster: Cluster<Name>) => Promise<void>,
): void {
  const { name, what } = definition;
  if (!TEST_NAME.test(name)) {
    throw badInput(`the name of a test must be area.subject in lower case: ${name}`, { where: loading });
  }
  if (!SENTENCE.test(what)) {
    throw badInput(`\`what\` of ${name} must be one sentence: ${JSON.stringify(what)}`, {
      where: loading,
      hint: 'state what the owner can rely on, from a capital letter to a full stop',
    });
  }
  const other = registered.get(name);
  if (other) throw badInput(`two tests are named ${name}`, { where: `${other.file} and ${loading}` });
  registered.set(name, {
    definition: definition as TestDefinition,
    file: loading,
    body: body as RegisteredTest['body'],
  });
}

/** All VM tests. */
export interface LoadedTests {
  /** Sorted by file, then in the order of registration. */
  readonly tests: readonly RegisteredTest[];
  /** Modules that could not be loaded. */
  readonly broken: readonly { readonly file: string; readonly error: unknown }[];
}

/** Imports test modules (absolute file URLs). A broken module does not prevent the import of the others. */
export async function loadTests(files: readonly string[]): Promise<LoadedTests> {
  const broken: { file: string; error: unknown }[] = [];
  for (const file of files) {
    loading = file;
    try {
      await import(file);
    } catch (error) {
      broken.push({ file, error });
    }
  }
  loading = '';
  return { tests: [...registered.values()], broken };
}
