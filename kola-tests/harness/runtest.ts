import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { describeFailure, Failure } from '../../sdk/lib/errors.ts';
import { type Budget, memoryNeed } from './budget.ts';
import { findings, unexpected } from './checks.ts';
import { createCluster, planCluster } from './cluster.ts';
import { record } from './history.ts';
import type { Lab } from './lab.ts';
import type { Machine } from './machine.ts';
import type { RegisteredTest, TestDefinition } from './register.ts';
import { leaveEvidence } from './report.ts';
import { type TestResult, writeResult } from './result.ts';
import { seconds, within } from './wait.ts';

const DEFAULT_TIMEOUT = 120;
/** Seconds on native speed that the machines of a test get to come up, a first boot for a snapshot included. */
const START_TIMEOUT = 180;

/** What a run of tests shares. */
export interface TestRun {
  readonly lab: Lab;
  readonly budget: Budget;
  readonly reportDir: string;
}

/** Runs one test when there is room for it, and records how it went. */
export async function runTest(
  test: RegisteredTest,
  t: TestContext,
  { lab, budget, reportDir }: TestRun,
): Promise<void> {
  const { name } = test.definition;
  const plans = planCluster(test.definition);
  const release = await budget.acquire(memoryNeed([...plans.values()], lab.accel));
  const start = performance.now();
  const times: Times = {};
  let fallbacks: readonly string[] = [];
  let error: Error | undefined;
  try {
    await rm(join(reportDir, name), { recursive: true, force: true });
    const cluster = await createCluster(lab, plans);
    const machines = Object.values(cluster.machines);
    try {
      await runOn(machines, cluster, test, t, lab, times);
    } catch (thrown) {
      error = readable(thrown, await leaveEvidence(machines, join(reportDir, name), thrown));
    } finally {
      fallbacks = machines.flatMap((machine) => machine.fallback() ?? []);
      await cluster.dispose();
    }
  } finally {
    release();
  }
  const totalMs = Math.round(performance.now() - start);
  const passed = error === undefined;
  lab.log(`kola: ${passed ? 'passed' : 'FAILED'} ${name} in ${seconds(totalMs)}`);
  const result: TestResult = {
    test: name,
    passed,
    ...times,
    totalMs,
    fallbacks,
    ...(error ? { error: error.message } : {}),
  };
  await writeResult(reportDir, result);
  await record({ test: name, image: lab.image.image, artifact: lab.disk.sha256, passed, ms: totalMs });
  for (const why of fallbacks) t.diagnostic(`booted, not forked: ${why}`);
  if (error) throw error;
}

type Times = { -readonly [Part in 'upMs' | 'bodyMs' | 'checkMs']?: number };

/** Start, body, checks: each part's time is noted once it is over. */
async function runOn(
  machines: readonly Machine[],
  cluster: Awaited<ReturnType<typeof createCluster>>,
  { definition, body }: RegisteredTest,
  t: TestContext,
  lab: Lab,
  times: Times,
): Promise<void> {
  const timed = async (part: keyof Times, work: Promise<void>): Promise<void> => {
    const start = performance.now();
    await work;
    times[part] = Math.round(performance.now() - start);
  };
  const limit = (native: number): { timeoutMs: number } => ({
    timeoutMs: native * 1000 * lab.accel.slowness,
  });
  await timed('upMs', within(cluster.start(), 'start of the machines', limit(START_TIMEOUT)));
  await timed(
    'bodyMs',
    within(body(t, cluster.machines), definition.name, limit(definition.timeout ?? DEFAULT_TIMEOUT)),
  );
  await timed('checkMs', check(definition, machines, lab));
  const { upMs = 0, bodyMs = 0, checkMs = 0 } = times;
  t.diagnostic(`up in ${seconds(upMs)}, ran ${seconds(bodyMs)}, checked in ${seconds(checkMs)}`);
}

async function check({ expect = [] }: TestDefinition, machines: readonly Machine[], lab: Lab): Promise<void> {
  const found = await Promise.all(
    machines.map(async (machine) =>
      unexpected(await findings(machine, lab.accel), expect).map(
        (finding) => `  ${machine.name}: ${finding}`,
      ),
    ),
  );
  if (found.flat().length > 0) throw new Failure(`after the test:\n${found.flat().join('\n')}`);
}

/** What node:test's reporters show of an error differs, but all show its message: everything goes there. */
function readable(error: unknown, evidence: string): Error {
  const what = error instanceof Failure ? describeFailure(error).replace(/^error: /, '') : String(error);
  const shown = new Error(`${what}${error instanceof Error ? callSite(error) : ''}\n${evidence}`);
  shown.stack = '';
  return shown;
}

/** The line of the test that led to a failure. */
function callSite(error: Error): string {
  const line = error.stack?.split('\n').find((frame) => /kola-tests\/tests\//.test(frame));
  return line === undefined ? '' : `\n${line}`;
}
