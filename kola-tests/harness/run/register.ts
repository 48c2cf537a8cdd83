import type { TestContext } from 'node:test';
import { badInput } from '../../../sdk/lib/errors.ts';
import type { ClusterSpec } from '../machine/cluster.ts';
import type { Machine } from '../machine/machine.ts';
import { TEST_NAME } from '../report/test-name.ts';

/** The machines of a test by name. A test that names none has one: `box`. */
export type Cluster<Name extends string = 'box'> = Readonly<Record<Name, Machine>>;

/** A VM test: its name, its machines, and how it is run. */
export interface TestDefinition<Name extends string = string> extends ClusterSpec<Name> {
  /** `area.what`, e.g. `zfs.mirror`: unique. */
  readonly name: string;
  /** What holds when it passes: one plain sentence for the owner of a box, shown by `kola list` and in reports. */
  readonly what: string;
  /** Only for this image; default for whatever image is tested. */
  readonly image?: string;
  /** Seconds on native speed for the body, default 120; under emulation it gets them multiplied. */
  readonly timeout?: number;
  readonly tags?: readonly string[];
  /** The test waits most of its time: other tests run beside it as if it were not there. */
  readonly waits?: boolean;
  /** Why the test is not part of the gate, which runs at every change: it takes too long for what it shows. */
  readonly long?: string;
  /** Texts in the specs of its machines that differ from run to run, e.g. a port: a verdict does not depend on them. */
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

/** One line from a capital letter, or a command in backquotes, to a full stop. */
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
    throw badInput(`a test's name is area.what in lower case: ${name}`, { where: loading });
  }
  if (!SENTENCE.test(what)) {
    throw badInput(`\`what\` of ${name} must be one sentence: ${JSON.stringify(what)}`, {
      where: loading,
      hint: 'say what holds for the owner when the test passes, from a capital letter to a full stop',
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

/** All VM tests there are. */
export interface LoadedTests {
  /** Sorted by file, then as registered. */
  readonly tests: readonly RegisteredTest[];
  /** Modules that could not be loaded. */
  readonly broken: readonly { readonly file: string; readonly error: unknown }[];
}

/** Imports test modules (absolute file URLs), each on its own: a broken one does not hide the others. */
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
