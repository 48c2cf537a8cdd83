import { run as runNodeTests } from 'node:test';
import type { StageTime } from '../harness/report/spent.ts';
import type { Pass } from '../verdict/record.ts';
import { processorStallMs } from './pressure.ts';
import type { Translated } from './unit-bundle.ts';

/** An event of node:test's stream, in the form that reporters get. */
export interface TestEvent {
  readonly type: string;
  readonly data: {
    readonly nesting?: number;
    readonly testNumber?: number;
    readonly name?: string;
    readonly message?: string;
    readonly count?: number;
    readonly file?: string;
    /** The earlier pass that stands for a run. */
    readonly cached?: Pass;
    readonly details?: {
      readonly duration_ms?: number;
      readonly type?: string;
      readonly passed?: boolean;
      readonly error?: unknown;
    };
    readonly [key: string]: unknown;
  };
}

/** A part of a run: test files, or something that has to be done before the next files can run. */
export interface Stage {
  /** The name in reports. */
  readonly name: string;
  readonly files: readonly string[];
  readonly concurrency: number;
  /**
   * Runs first, and returns additional environment variables for the test processes. If it throws, that counts as a failed
   * test of this name, and the stage's files are not run.
   */
  readonly before?: { readonly name: string; run(): Promise<Readonly<Record<string, string>>> };
  /** Translates the test files that have to run, so that their processes need no loader of TypeScript. */
  readonly translate?: (files: readonly string[]) => Promise<Translated>;
  /** Limit in milliseconds for the process of a test file. After it the process is ended, and the file has failed. */
  readonly limitMs?: number;
  /** Without it, all tests run and no pass is remembered. */
  readonly verdicts?: StageVerdicts;
}

/** The passes that a stage can reuse, and the tests that it has to run. */
export interface Known {
  readonly cached: readonly CachedTest[];
  readonly files: readonly string[];
  /** Variables that override those of `before`. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A test or a file of tests that is not run, because it has passed and nothing of it has changed. */
export interface CachedTest {
  readonly name: string;
  readonly file: string;
  readonly pass: Pass;
}

/** Remembers passes. */
export interface StageVerdicts {
  /** Called after `before`, with the variables that `before` returned. */
  known(files: readonly string[], env: Readonly<Record<string, string>>): Promise<Known>;
  see(event: TestEvent): void;
  /** Returns when every pass is stored. */
  settle(): Promise<void>;
}

/** The counts of node:test's closing lines, in its order, and the number of reused passes. */
const COUNTERS = [
  'tests',
  'suites',
  'pass',
  'fail',
  'cancelled',
  'skipped',
  'todo',
  'cached',
  'duration_ms',
] as const;
type Counts = Record<(typeof COUNTERS)[number], number>;

/**
 * Runs stages one after the other as one node:test run: one stream of events, whose plan, numbers and summary are
 * those of the whole. `onEvent` sees every event, with the name of its stage; `beforeSummary` is called when all tests have
 * run, and returns lines that belong to the summary.
 */
export async function* runStages(
  stages: readonly Stage[],
  onEvent: (event: TestEvent, stage: string) => void,
  beforeSummary: (times: readonly StageTime[]) => Promise<readonly string[]> = async () => [],
): AsyncGenerator<TestEvent> {
  const counts = Object.fromEntries(COUNTERS.map((counter) => [counter, 0])) as Counts;
  const times: StageTime[] = [];
  let planned = 0;
  let current = '';
  const emit = (event: TestEvent): TestEvent => {
    onEvent(event, current);
    return event;
  };
  for (const stage of stages) {
    current = stage.name;
    const watch = await startWatch(stage.name);
    const prepared = await prepare(stage);
    watch.prepared();
    if (prepared.failed) {
      planned += 1;
      counts.tests += 1;
      counts.fail += 1;
      yield emit({ ...prepared.failed, data: { ...prepared.failed.data, testNumber: planned } });
      times.push(await watch.ended());
      continue;
    }
    for (const test of prepared.cached) {
      planned += 1;
      counts.cached += test.pass.tests;
      yield emit(cachedEvent(test, planned));
    }
    const before = planned;
    const files = watchFiles(prepared.files);
    for await (const event of nodeTests({ ...stage, files: prepared.files }, prepared.env)) {
      const { type, data } = event;
      files.see(event);
      stage.verdicts?.see(event);
      if (data.nesting === 0 && type === 'test:plan') planned += data.count ?? 0;
      else if (type === 'test:summary' && data.file === undefined) continue;
      else if (data.nesting === 0 && type === 'test:diagnostic' && addCount(counts, data.message ?? ''))
        continue;
      else if (data.nesting === 0 && data.testNumber !== undefined) {
        yield emit({ type, data: { ...data, testNumber: before + data.testNumber } });
      } else yield emit(event);
    }
    for (const file of files.died()) {
      planned += 1;
      counts.tests += 1;
      counts.fail += 1;
      yield emit(diedEvent(file, planned));
    }
    await stage.verdicts?.settle();
    times.push(await watch.ended());
  }
  const closing = await beforeSummary(times);
  yield emit({ type: 'test:plan', data: { nesting: 0, count: planned } });
  for (const message of closing) yield emit({ type: 'test:diagnostic', data: { nesting: 0, message } });
  for (const counter of COUNTERS)
    yield emit({ type: 'test:diagnostic', data: { nesting: 0, message: `${counter} ${counts[counter]}` } });
  yield emit({
    type: 'test:summary',
    data: {
      success: counts.fail + counts.cancelled === 0,
      counts: { ...counts },
      duration_ms: counts.duration_ms,
    },
  });
}

/**
 * Finds files whose process failed although none of their tests did. node:test reports such a file only if no test of it
 * failed, and counts a test that may fail (`todo`) as a failed one. It names the module that calls `test()`, which a file
 * may import. Such a failure may be of any file.
 */
function watchFiles(files: readonly string[]): { see(event: TestEvent): void; died(): readonly string[] } {
  const bad = new Set<string>();
  const told = new Set<string>();
  let elsewhere = false;
  return {
    see: (event) => {
      const { file, name, details } = event.data;
      if (file === undefined) return;
      if (isFailure(event)) {
        told.add(file);
        elsewhere ||= !files.includes(file);
      }
      if (event.type === 'test:complete' && name === file && details?.passed === false) bad.add(file);
    },
    died: () => (elsewhere ? [] : [...bad].filter((file) => !told.has(file))),
  };
}

function diedEvent(file: string, testNumber: number): TestEvent {
  const error = failureOf(file, new Error('the process of this file failed, and none of its tests did'));
  const data = { name: file, file, nesting: 0, testNumber, details: { duration_ms: 0, error } };
  return { type: 'test:fail', data };
}

/** An error in the form of node:test's own failures. The reporters show its cause. */
function failureOf(what: string, cause: unknown): Error {
  const wrapped = { code: 'ERR_TEST_FAILURE', failureType: 'testCodeFailure', cause };
  return Object.assign(new Error(what), wrapped);
}

/** A suite fails with its tests, which are counted already. A hook of the suite may fail as well. */
export function isFailure({ type, data }: TestEvent): boolean {
  if (type !== 'test:fail' || data.todo !== undefined || data.skip !== undefined) return false;
  const { error } = data.details ?? {};
  return !(error instanceof Error && 'failureType' in error && error.failureType === 'subtestsFailed');
}

/** Measures the time of a stage. */
async function startWatch(name: string): Promise<{ prepared(): void; ended(): Promise<StageTime> }> {
  const stalled = await processorStallMs();
  const start = performance.now();
  let preparedMs = 0;
  return {
    prepared: () => {
      preparedMs = Math.round(performance.now() - start);
    },
    ended: async () => {
      const ranMs = Math.round(performance.now() - start) - preparedMs;
      const now = await processorStallMs();
      const stall =
        stalled === undefined || now === undefined ? {} : { stalledMs: Math.round(now - stalled) };
      return { name, preparedMs, ranMs, ...stall };
    },
  };
}

function cachedEvent({ name, file, pass }: CachedTest, testNumber: number): TestEvent {
  const data = { name, file, nesting: 0, testNumber, details: { duration_ms: 0 }, cached: pass };
  return { type: 'test:pass', data };
}

type Prepared = (Required<Known> & { readonly failed?: never }) | { readonly failed: TestEvent };

async function prepare({ before, files, verdicts }: Stage): Promise<Prepared> {
  const start = performance.now();
  try {
    const env = (await before?.run()) ?? {};
    const known = await verdicts?.known(files, env);
    return { cached: [], files, ...known, env: { ...env, ...known?.env } };
  } catch (error) {
    if (!before) throw error;
    const details = { duration_ms: performance.now() - start, error: failureOf(before.name, error) };
    return { failed: { type: 'test:fail', data: { nesting: 0, name: before.name, details } } };
  }
}

/** Sets environment variables while a stage runs. The test processes read them when they start. */
async function* nodeTests(stage: Stage, env: Readonly<Record<string, string>>): AsyncGenerator<TestEvent> {
  if (stage.files.length === 0) return;
  const saved = new Map(Object.keys(env).map((key) => [key, process.env[key]]));
  Object.assign(process.env, env);
  try {
    if (stage.translate) yield* translated(stage, await stage.translate(stage.files));
    else yield* processes(stage.files, stage);
  } finally {
    for (const [key, value] of saved) {
      if (value === undefined) delete process.env[key];
      else process.env[key] = value;
    }
  }
}

/** Runs the programs of tests. In the events, the programs have the paths of the tests. */
async function* translated(stage: Stage, { programs, remove }: Translated): AsyncGenerator<TestEvent> {
  const tests = new Map([...programs].map(([file, program]) => [program, file]));
  // node:test gives the options of this process to the processes of the tests.
  const { execArgv } = process;
  process.execArgv = ['--no-warnings', '--enable-source-maps'];
  try {
    for await (const { type, data } of processes([...tests.keys()], stage)) {
      const own = { file: tests.get(data.file ?? ''), name: tests.get(data.name ?? '') };
      yield {
        type,
        data: { ...data, ...(own.file && { file: own.file }), ...(own.name && { name: own.name }) },
      };
    }
  } finally {
    process.execArgv = execArgv;
    await remove();
  }
}

async function* processes(
  files: readonly string[],
  { concurrency, limitMs }: Pick<Stage, 'concurrency' | 'limitMs'>,
): AsyncGenerator<TestEvent> {
  const limit = limitMs === undefined ? {} : { timeout: limitMs };
  for await (const event of runNodeTests({ files: [...files], concurrency, ...limit }))
    yield event as TestEvent;
}

function addCount(counts: Counts, message: string): boolean {
  const [, name, value] = /^(\w+) ([\d.]+)$/.exec(message) ?? [];
  const counter = COUNTERS.find((candidate) => candidate === name);
  if (!counter) return false;
  counts[counter] += Number(value);
  return true;
}
