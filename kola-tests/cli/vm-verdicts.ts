import { fileURLToPath } from 'node:url';
import type { Sources } from '../../build/for-kola.ts';
import { readResult } from '../harness/report/result.ts';
import { denialOf, readDenylist } from '../harness/run/denylist.ts';
import { loadTests, type RegisteredTest } from '../harness/run/register.ts';
import { selectSabotages } from '../harness/run/sabotage.ts';
import { loadSabotages, sabotageTitle } from '../harness/run/sabotage-suite.ts';
import { partOf, selectTests } from '../harness/run/select.ts';
import {
  OPTIONS_VARIABLE,
  type SuiteOptions,
  selectionOf,
  testModules,
} from '../harness/run/suite-options.ts';
import { groundOf } from '../verdict/ground.ts';
import { hostFacts } from '../verdict/host.ts';
import { createKeeper } from '../verdict/keeper.ts';
import type { Pass, Subject } from '../verdict/record.ts';
import { type Sabotaged, vmInputs } from '../verdict/vm.ts';
import { machinesTake, sabotagesTake, tellStage } from './beforehand.ts';
import type { CachedTest, StageVerdicts, TestEvent } from './stages.ts';

/** A test of the suite's process, by its title in reports. */
interface Entry {
  readonly title: string;
  readonly test: RegisteredTest;
  readonly sabotage?: Sabotaged;
}

/**
 * Verdicts on VM tests and sabotages. A test that is given by its whole name always runs. The suite reports the tests
 * that the denylist excludes.
 */
export function vmVerdicts(sources: Sources, { fresh }: { readonly fresh: boolean }): StageVerdicts {
  const keeper = createKeeper({ fresh });
  const subjects = new Map<string, Subject>();
  let reportDir = '';

  return {
    known: async (files, env) => {
      const options = JSON.parse(env[OPTIONS_VARIABLE] ?? '{}') as SuiteOptions;
      reportDir = options.reportDir;
      const { entries, others } = await entriesOf(options);
      if (entries.length === 0) return { cached: [], files };
      const ground = await groundOf(options);
      const host = hostFacts();
      const cached: CachedTest[] = [];
      for (const { title, test, sabotage } of entries) {
        const kind = sabotage ? 'sabotage' : 'vm';
        const subject: Subject = { kind, name: `${options.image} ${title}` };
        subjects.set(title, subject);
        const inputs = vmInputs(sources, test, ground, host, sabotage);
        const pass = await keeper.look(subject, inputs);
        if (pass && !isNamed(options, test, sabotage))
          cached.push({ name: title, file: files[0] ?? '', pass });
      }
      await sources.save();
      const except = cached.map(({ name }) => name);
      await tellMachines(options, entries, new Set(except));
      const left = { ...env, [OPTIONS_VARIABLE]: JSON.stringify({ ...options, except }) };
      return { cached, files: others === 0 && cached.length === entries.length ? [] : files, env: left };
    },
    see: ({ type, data }: TestEvent) => {
      const subject = subjects.get(data.name ?? '');
      if (type !== 'test:complete' || !subject || data.skip !== undefined) return;
      const passed = data.details?.passed === true;
      const ms = Math.round(data.details?.duration_ms ?? 0);
      keeper.ended(
        subject,
        passed ? howLong(subject, reportDir, data.name ?? '', ms) : Promise.resolve(undefined),
      );
    },
    settle: keeper.settle,
  };
}

async function tellMachines(
  { image, parallel, sabotages }: SuiteOptions,
  entries: readonly Entry[],
  cached: ReadonlySet<string>,
): Promise<void> {
  const left = entries.filter(({ title }) => !cached.has(title));
  const tests = left.map(({ test }) => test);
  const ms = sabotages ? sabotagesTake(left.length, parallel) : await machinesTake(image, tests, parallel);
  const what = sabotages ? `sabotages of ${image}` : `tests on machines of ${image}`;
  tellStage(what, { run: left.length, cached: cached.size, ms });
}

interface Entries {
  readonly entries: readonly Entry[];
  /** The number of other tests that the suite reports. */
  readonly others: number;
}

/** The tests that the suite is going to run, if its modules load. */
async function entriesOf(options: SuiteOptions): Promise<Entries> {
  const { tests, broken } = await loadTests(await testModules());
  if (broken.length > 0) return { entries: [], others: broken.length };
  if (options.sabotages) return { entries: await sabotageEntries(options, tests), others: 0 };
  const selected = selectTests(tests, selectionOf(options), new Map());
  const denylist = fileURLToPath(new URL('../denylist.json', import.meta.url));
  const denials = await readDenylist(denylist, new Set(tests.map(({ definition }) => definition.name)));
  const now = new Date();
  const entries = selected
    .filter(({ definition }) => denialOf(definition.name, denials, now) === undefined)
    .map((test) => ({ title: test.definition.name, test }));
  return { entries, others: selected.length - entries.length };
}

async function sabotageEntries(
  { sabotages = [], shard }: SuiteOptions,
  tests: readonly RegisteredTest[],
): Promise<readonly Entry[]> {
  const chosen = partOf(selectSabotages(await loadSabotages(), tests, sabotages), shard);
  return chosen.flatMap(({ name, file, tests: wanted }) =>
    tests
      .filter(({ definition }) => wanted.includes(definition.name))
      .map((test) => ({
        title: sabotageTitle(name, test.definition.name),
        test,
        sabotage: { name, file },
      })),
  );
}

function isNamed(
  { patterns, sabotages }: SuiteOptions,
  { definition }: RegisteredTest,
  sabotage?: Sabotaged,
): boolean {
  return sabotage ? (sabotages ?? []).includes(sabotage.name) : patterns.includes(definition.name);
}

/** Takes a VM test's time from its result, because node:test's time includes the wait for a slot. */
async function howLong(subject: Subject, dir: string, name: string, ms: number): Promise<Omit<Pass, 'at'>> {
  const own = subject.kind === 'vm' ? (await readResult(dir, name))?.totalMs : undefined;
  return { ms: own ?? ms, tests: 1 };
}
