import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { badInput } from '../../../sdk/lib/errors.ts';
import { withSpoiltDisk } from '../machine/disk-copy.ts';
import { openLab } from '../machine/lab.ts';
import { newMachineDir } from '../qemu/rundir.ts';
import { hostBudget } from './budget.ts';
import { leaveWhenDone } from './leave.ts';
import { loadTests, type RegisteredTest } from './register.ts';
import { attemptTest, type TestRun } from './runtest.ts';
import { mustBeRed, type Sabotage, sabotaged, selectSabotages } from './sabotage.ts';
import { partOf } from './select.ts';
import { type SuiteOptions, sabotageModules, testModules } from './suite-options.ts';

/** The sabotages of kola-tests/sabotage/, each with its module. */
export async function loadSabotages(): Promise<readonly (Sabotage & { readonly file: string })[]> {
  const lists = await Promise.all(
    (await sabotageModules()).map(async (module) => {
      const { default: list } = (await import(module)) as { default?: readonly Sabotage[] };
      if (!Array.isArray(list))
        throw badInput('the module has no list of sabotages as its default export', { where: module });
      return (list as readonly Sabotage[]).map((sabotage) => ({ ...sabotage, file: module }));
    }),
  );
  return lists.flat();
}

/** Makes one node:test test of each sabotage and each test that has to notice it. */
export async function sabotageSuite(options: SuiteOptions, patterns: readonly string[]): Promise<void> {
  const { tests, broken } = await loadTests(await testModules());
  for (const { error } of broken) throw error;
  const chosen = partOf(selectSabotages(await loadSabotages(), tests, patterns), options.shard);
  const lab = await openLab(options);
  const budget = await hostBudget(options.parallel);
  const except = new Set(options.except);
  lab.log(`kola: ${chosen.length} sabotages, ${budget.slots} at once`);
  void describe(`kola sabotage ${options.image}`, { concurrency: budget.slots }, () => {
    leaveWhenDone();
    for (const sabotage of chosen) {
      for (const name of sabotage.tests) {
        const wanted = tests.find(({ definition }) => definition.name === name);
        if (!wanted || except.has(sabotageTitle(sabotage.name, name))) continue;
        test(sabotageTitle(sabotage.name, name), (t) =>
          runSabotaged(sabotage, wanted, t, {
            lab,
            budget,
            reportDir: join(options.reportDir, 'sabotage', sabotage.name),
          }),
        );
      }
    }
  });
}

/** The name of a sabotaged test in reports. */
export function sabotageTitle(sabotage: string, test: string): string {
  return `${sabotage}: ${test} turns red`;
}

/** Such a run is neither recorded nor reported as a run of the test, because it says nothing about the image. */
async function runSabotaged(
  sabotage: Sabotage,
  wanted: RegisteredTest,
  t: TestContext,
  run: TestRun,
): Promise<void> {
  const { limitFactor = 1 } = sabotage;
  let { lab } = run;
  const dir = await newMachineDir();
  try {
    if ('disk' in sabotage) lab = await withSpoiltDisk(lab, dir, sabotage.name, sabotage.disk);
    // A snapshot pays off when it is forked more than once.
    else if ('config' in sabotage && sabotage.tests.length === 1) lab = { ...lab, forks: false };
    const { test: broken, trouble } = sabotaged(wanted, sabotage);
    const { result, reason } = await attemptTest(broken, t, { ...run, lab, limitFactor });
    const because = trouble();
    const red = mustBeRed(sabotage, wanted.definition.name, {
      passed: result.passed,
      ...(reason === undefined ? {} : { reason }),
      ...(because === undefined ? {} : { trouble: because }),
    });
    t.diagnostic(`red: ${red}`);
    lab.log(`kola: ${wanted.definition.name} noticed ${sabotage.name}`);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
