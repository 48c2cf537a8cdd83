import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { describeFailure, Failure } from '../../../sdk/lib/errors.ts';
import { createCluster, planCluster } from '../machine/cluster.ts';
import { type Keep, keepMachines } from '../machine/keep.ts';
import type { Lab } from '../machine/lab.ts';
import type { Machine } from '../machine/machine.ts';
import type { Started } from '../machine/started.ts';
import { Trouble } from '../qemu/trouble.ts';
import { seconds, within } from '../qemu/wait.ts';
import { leaveEvidence } from '../report/report.ts';
import { shortened, type TestResult, writeResult } from '../report/result.ts';
import { type Budget, memoryNeed } from './budget.ts';
import { findings, unexpected } from './checks.ts';
import { record } from './history.ts';
import type { RegisteredTest, TestDefinition } from './register.ts';

const DEFAULT_TIMEOUT = 120;
/** Limit in seconds at native speed for the start of a test's machines, including a first boot for a snapshot. */
const START_TIMEOUT = 180;

/** The parts that the tests of a run share. */
export interface TestRun {
  readonly lab: Lab;
  readonly budget: Budget;
  readonly reportDir: string;
  /** The tests whose machines are kept, so that a person can inspect them. */
  readonly keep?: Keep;
  /**
   * Multiplies the limits of the body and of its verbs. The limits for starting machines do not change, because other
   * tests use their snapshots too.
   */
  readonly limitFactor?: number;
}

/** The outcome of a test: its result for the report, and its error for node:test. */
export interface Attempt {
  readonly result: TestResult;
  readonly error?: Error;
  /** The reason of the failure, without the evidence. */
  readonly reason?: string;
}

/** Runs a test when there is room for it, and records its outcome. */
export async function runTest(test: RegisteredTest, t: TestContext, run: TestRun): Promise<void> {
  const { lab } = run;
  const { result, error } = await attemptTest(test, t, run);
  const { test: name, passed, trouble, totalMs, fallbacks } = result;
  lab.log(`kola: ${passed ? 'passed' : 'FAILED'} ${name} in ${seconds(totalMs)}`);
  await record({
    ...{ test: name, image: lab.image.image, artifact: lab.disk.sha256, passed, ms: totalMs },
    ...(trouble ? { trouble } : {}),
  });
  for (const why of fallbacks) t.diagnostic(`booted, not forked: ${why}`);
  if (error) throw error;
}

/** Runs a test when there is room for it, and writes its result to the report. Does not throw if the test fails. */
export async function attemptTest(
  test: RegisteredTest,
  t: TestContext,
  { lab, budget, reportDir, keep, limitFactor = 1 }: TestRun,
): Promise<Attempt> {
  const { name, what } = test.definition;
  await rm(join(reportDir, name), { recursive: true, force: true });
  const times: Times = { since: performance.now(), totalMs: 0, waitMs: 0, parts: {} };
  let fallbacks: readonly string[] = [];
  let starts: readonly Started[] = [];
  let failure: { readonly thrown: unknown; readonly error: Error } | undefined;
  const failed = async (thrown: unknown, machines: readonly Machine[]): Promise<void> => {
    times.totalMs = Math.round(performance.now() - times.since);
    failure = {
      thrown,
      error: readable(thrown, await leaveEvidence(machines, join(reportDir, name), thrown)),
    };
  };
  try {
    const plans = planCluster(test.definition);
    const slots = test.definition.waits ? 0 : 1;
    const release = await budget.acquire(memoryNeed([...plans.values()], lab.accel), slots, (ms) => {
      times.waitMs = Math.round(ms);
    });
    try {
      const cluster = await createCluster(lab, plans);
      const machines = Object.values(cluster.machines);
      try {
        await runOn(machines, cluster, test, t, { lab, limitFactor }, times);
      } catch (thrown) {
        await failed(thrown, machines);
      } finally {
        if (keep && (failure || keep.when === 'always')) {
          if (failure) lab.log(`kola: FAILED ${name}: ${failure.error.message}`);
          await keepMachines(name, machines, keep, lab.log);
        }
        fallbacks = machines.flatMap((machine) => machine.fallback() ?? []);
        starts = machines.flatMap((machine) => machine.starts());
        await cluster.dispose();
      }
    } finally {
      release();
    }
  } catch (thrown) {
    // Only the first failure is reported.
    if (!failure) await failed(thrown, []);
  }
  const result: TestResult = {
    test: name,
    what,
    passed: failure === undefined,
    manifest: lab.image.manifest,
    ...times.parts,
    totalMs: times.totalMs,
    waitMs: times.waitMs,
    fallbacks,
    starts,
    ...(failure ? { error: failure.error.message } : {}),
    ...(failure?.thrown instanceof Trouble ? { trouble: true } : {}),
  };
  await writeResult(reportDir, result);
  return { result, ...(failure ? { error: failure.error, reason: reasonOf(failure.thrown) } : {}) };
}

interface Times {
  /** The time at which the test's own time began. */
  since: number;
  totalMs: number;
  waitMs: number;
  readonly parts: { -readonly [Part in 'upMs' | 'bodyMs' | 'checkMs']?: number };
}

/** Starts the machines, runs the body, and runs the checks. Records the duration of each part. */
async function runOn(
  machines: readonly Machine[],
  cluster: Awaited<ReturnType<typeof createCluster>>,
  { definition, body }: RegisteredTest,
  t: TestContext,
  { lab, limitFactor }: { readonly lab: Lab; readonly limitFactor: number },
  times: Times,
): Promise<void> {
  const timed = async (part: keyof Times['parts'], work: Promise<void>): Promise<void> => {
    const start = performance.now();
    await work;
    times.parts[part] = Math.round(performance.now() - start);
  };
  const limit = (native: number): { timeoutMs: number } => ({
    timeoutMs: native * 1000 * lab.accel.slowness,
  });
  const up = async (): Promise<void> => {
    await cluster.prepare();
    times.since = performance.now();
    await timed('upMs', cluster.start());
  };
  await within(up(), 'start of the machines', limit(START_TIMEOUT));
  for (const machine of machines) machine.hurry(limitFactor);
  const bodyLimit = limit((definition.timeout ?? DEFAULT_TIMEOUT) * limitFactor);
  await timed('bodyMs', within(body(t, cluster.machines), definition.name, bodyLimit));
  for (const machine of machines) machine.hurry(1);
  await timed('checkMs', check(definition, machines, lab));
  times.totalMs = Math.round(performance.now() - times.since);
  const { upMs = 0, bodyMs = 0, checkMs = 0 } = times.parts;
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

/**
 * All reporters of node:test show the message of an error, but not all show other parts. So everything goes into the
 * message.
 */
function readable(error: unknown, evidence: string): Error {
  const site = error instanceof Error ? callSite(error) : '';
  const shown = new Error(`${shortened(reasonOf(error))}${site}\n${evidence}`);
  shown.stack = '';
  return shown;
}

function reasonOf(error: unknown): string {
  return error instanceof Failure ? describeFailure(error).replace(/^error: /, '') : String(error);
}

/** The line of the test that led to a failure. */
function callSite(error: Error): string {
  const line = error.stack?.split('\n').find((frame) => /kola-tests\/tests\//.test(frame));
  return line === undefined ? '' : `\n${line}`;
}
