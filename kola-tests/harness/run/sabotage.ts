import { badInput, Failure } from '../../../sdk/lib/errors.ts';
import { EMPTY_CONFIG, type IgnitionConfig } from '../guest/ignition.ts';
import type { DiskCopy } from '../machine/disk-copy.ts';
import type { Machine } from '../machine/machine.ts';
import type { RegisteredTest } from './register.ts';
import { matchesAny } from './select.ts';

/*
 * The proof that tests can fail: a sabotage breaks a feature on purpose, and the tests that it names must fail.
 */

interface Named {
  /** `area.subject`; unique. */
  readonly name: string;
  /** The damage in a few words; they complete the sentence “TEST passed although …”. */
  readonly what: string;
  /** The tests that must fail. */
  readonly tests: readonly string[];
  /** Matches their error, without the evidence. A test that fails for another reason has not noticed the sabotage. */
  readonly because: RegExp;
  /** Multiplies the time limits of the test's body and of its verbs, for tests that fail by a time limit. Default 1. */
  readonly limitFactor?: number;
}

/** A way to break a feature. */
export type Sabotage = Named &
  (
    | {
        /** Added to the config of each machine. The machines then have to boot. */
        readonly config: ConfigPart;
      }
    | {
        /** A bash script that runs as root before the test begins, on each machine that is on then. */
        readonly guest: string;
      }
    | {
        /** Damages a copy of the image's disk. The machines boot from the copy. */
        readonly disk: (disk: DiskCopy) => Promise<void>;
      }
    | {
        /** Runs at the same time as the test's body, until it returns or `signal` is aborted. */
        readonly during: (machines: Machines, signal: AbortSignal) => Promise<void>;
      }
  );

/** The machines of a test, by their names. */
export type Machines = Readonly<Record<string, Machine>>;

/** Files and units (Ignition, spec 3.3) that a sabotage adds. */
export interface ConfigPart {
  readonly files?: readonly object[];
  readonly units?: readonly object[];
}

/** Selects sabotages by globs on names, and checks them against the existing tests. */
export function selectSabotages<S extends Sabotage>(
  all: readonly S[],
  tests: readonly RegisteredTest[],
  patterns: readonly string[],
): readonly S[] {
  const names = new Set(tests.map(({ definition }) => definition.name));
  for (const [index, { name, tests: wanted }] of all.entries()) {
    if (all.findIndex((other) => other.name === name) !== index)
      throw badInput(`two sabotages are named ${name}`);
    if (wanted.length === 0) throw badInput(`the sabotage ${name} names no test`);
    for (const test of wanted)
      if (!names.has(test)) throw badInput(`there is no test ${test}`, { where: `sabotage ${name}` });
  }
  const found = all.filter(({ name }) => patterns.length === 0 || matchesAny(patterns, { name }));
  if (found.length === 0)
    throw badInput(`no sabotage matches ${patterns.join(' ')}`, {
      hint: './draisine kola sabotage --list shows them all',
    });
  return found;
}

/** A test on sabotaged machines. */
export interface SabotagedTest {
  readonly test: RegisteredTest;
  /** The reason if the sabotage itself failed. */
  trouble(): string | undefined;
}

/** Adds a sabotage to a test: to the configs of its machines, before its body, or at the same time as its body. */
export function sabotaged(test: RegisteredTest, sabotage: Sabotage): SabotagedTest {
  let trouble: string | undefined;
  const attempt = async (work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      trouble = error instanceof Error ? error.message : String(error);
      throw error;
    }
  };
  const { definition, body } = test;
  if ('config' in sabotage) {
    const machines = Object.entries(definition.machines ?? { box: {} }).map(([name, spec]) => {
      const config = withPart(spec.config ?? definition.config ?? EMPTY_CONFIG, sabotage.config);
      return [name, { ...spec, config }] as const;
    });
    return {
      test: { ...test, definition: { ...definition, machines: Object.fromEntries(machines) } },
      trouble: () => trouble,
    };
  }
  if ('disk' in sabotage) return { test, trouble: () => trouble };
  const broken: RegisteredTest['body'] = async (t, cluster) => {
    if ('guest' in sabotage) {
      await attempt(() => breakGuests(Object.values(cluster), sabotage.guest));
      return await body(t, cluster);
    }
    const over = new AbortController();
    let failed: { readonly error: unknown } | undefined;
    const fault = sabotage.during(cluster, over.signal).catch((error: unknown) => {
      failed = { error };
    });
    try {
      await body(t, cluster);
    } finally {
      over.abort();
    }
    // The test has failed, which is enough. An error of the sabotage on a machine that is gone does not count.
    await fault;
    if (failed) await attempt(() => Promise.reject(failed?.error));
  };
  return { test: { ...test, body: broken }, trouble: () => trouble };
}

function withPart(config: IgnitionConfig, { files = [], units = [] }: ConfigPart): IgnitionConfig {
  return {
    ...config,
    storage: { ...config.storage, files: [...(config.storage?.files ?? []), ...files] },
    systemd: { ...config.systemd, units: [...(config.systemd?.units ?? []), ...units] },
  };
}

/** The outcome of a sabotaged test. `reason`: the reason of its failure, without the evidence. */
export interface SabotageOutcome {
  readonly passed: boolean;
  readonly reason?: string;
  readonly trouble?: string;
}

/**
 * Checks that a sabotaged test failed because of the sabotage. Throws a Failure if not; returns the matching line of
 * the reason.
 */
export function mustBeRed(sabotage: Sabotage, test: string, outcome: SabotageOutcome): string {
  const { passed, reason = '', trouble } = outcome;
  if (trouble !== undefined) throw new Failure(`${sabotage.name} could not be done: ${trouble}`);
  if (passed)
    throw new Failure(`${test} passed although ${sabotage.what}`, {
      hint: 'make the test check for it, or name another test',
    });
  const told = sabotage.because.exec(reason);
  if (!told)
    throw new Failure(
      `${test} failed, but not because ${sabotage.what}: ${sabotage.because} is not in\n${reason}`,
    );
  return lineAt(reason, told.index + told[0].length);
}

/** The line of `text` with the character before `end`. */
function lineAt(text: string, end: number): string {
  const from = text.lastIndexOf('\n', Math.max(0, end - 1)) + 1;
  const to = text.indexOf('\n', Math.max(from, end - 1));
  return text.slice(from, to < 0 ? undefined : to).trim();
}

/** A test may power some of its machines on later: they are as they shall be, e.g. for a comparison. */
async function breakGuests(machines: readonly Machine[], script: string): Promise<void> {
  const on = machines.filter((machine) => machine.isOn());
  if (on.length === 0) throw new Failure('no machine of the test is on when it begins');
  await Promise.all(on.map((machine) => machine.succeed(script)));
}
