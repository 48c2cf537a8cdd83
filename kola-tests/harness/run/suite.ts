import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Failure } from '../../../sdk/lib/errors.ts';
import { openLab } from '../machine/lab.ts';
import { keepBootChart } from './bootchart.ts';
import { hostBudget } from './budget.ts';
import { type Denial, denialOf, readDenylist } from './denylist.ts';
import { readHistory } from './history.ts';
import { endWithParent, leaveWhenDone } from './leave.ts';
import { loadTests } from './register.ts';
import { runTest } from './runtest.ts';
import { sabotageSuite } from './sabotage-suite.ts';
import { bootingFirst, selectTests } from './select.ts';
import { OPTIONS_VARIABLE, type SuiteOptions, selectionOf, testModules } from './suite-options.ts';

/*
 * The entry of node:test: makes one node:test test of each selected VM test. All run in this process, which schedules
 * them by memory. The options come in the environment, because a test file has no arguments.
 */

async function main(options: SuiteOptions): Promise<void> {
  const { tests, broken } = await loadTests(await testModules());
  const history = await readHistory(options.image);
  const durations = new Map(
    [...history].flatMap(([name, { lastMs }]) => (lastMs === undefined ? [] : [[name, lastMs] as const])),
  );
  const except = new Set(options.except);
  const selected = selectTests(tests, selectionOf(options), durations).filter(
    ({ definition }) => !except.has(definition.name),
  );

  for (const { file, error } of broken) failedTest(`load ${fileURLToPath(file)}`, error);
  if (selected.length === 0) return;
  // Removes results of an earlier run, because a test may fail before it writes a result.
  await Promise.all(
    selected.map(({ definition }) =>
      rm(join(options.reportDir, definition.name), { recursive: true, force: true }),
    ),
  );
  const names = [...tests.map(({ definition }) => definition.name)];
  const denylist = fileURLToPath(new URL('../../denylist.json', import.meta.url));
  // While a module is broken, the list of tests is not complete. The run fails in any case.
  const denials = broken.length > 0 ? [] : await readDenylist(denylist, new Set(names));
  const lab = await openLab(options);
  const budget = await hostBudget(options.parallel);
  lab.log(`kola: ${selected.length} tests, ${budget.slots} at once, in ${budget.memory} MiB`);
  const { image, reportDir, keep } = options;
  const run = { lab, budget, reportDir, ...(keep ? { keep } : {}) };
  let chart: Promise<void> | undefined;
  // The budget schedules the tests. node:test only has to start enough of them.
  const concurrency = budget.slots + selected.filter(({ definition }) => definition.waits).length;
  void describe(`kola ${image}`, { concurrency }, () => {
    after(async () => await chart);
    leaveWhenDone();
    // One processor is for the machine that is saved.
    for (const wanted of bootingFirst(selected, budget.slots - 1)) {
      const { name } = wanted.definition;
      const held = denialOf(name, denials, new Date());
      if (held?.expired) failedTest(name, expired(held.denial));
      else if (held) test(name, { skip: `${held.denial.reason} (${held.denial.tracker})` });
      else
        test(name, async (t) => {
          await runTest(wanted, t, run);
          // If no machine came up, there is no chart, and waiting for one would take minutes. It is made beside the other
          // tests, because at the end of the run the other processors would have no work.
          chart ??= keepBootChart(lab, budget);
          chart.catch(() => {}); // The hook above reads it.
        });
    }
  });
}

function failedTest(name: string, error: unknown): void {
  test(name, () => {
    throw error;
  });
}

function expired({ reason, tracker, expires }: Denial): Failure {
  return new Failure(`its entry in the denylist expired on ${expires}: ${reason} (${tracker})`, {
    hint: 'fix the failure and remove the entry, or give it a new date',
  });
}

const given = process.env[OPTIONS_VARIABLE];
if (given !== undefined) {
  endWithParent();
  const options = JSON.parse(given) as SuiteOptions;
  const { sabotages } = options;
  const suite = sabotages ? sabotageSuite(options, sabotages) : main(options);
  // An error that prevents all tests is one failed test.
  await suite.catch((error: unknown) => failedTest(`kola ${options.image}`, error));
}
