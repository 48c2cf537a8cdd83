import { PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { spec, tap } from 'node:test/reporters';
import type { StageTime } from '../harness/report/spent.ts';
import { type Pass, toldPass } from '../verdict/record.ts';
import { isFailure, runStages, type Stage, type TestEvent } from './stages.ts';

/** How a run ended. */
export interface Outcome {
  readonly failed: number;
  /** The results of tests without subtests. */
  readonly tests: readonly EndedTest[];
  readonly stages: readonly StageTime[];
}

/** How a test ended. */
export interface EndedTest {
  readonly name: string;
  /** The name of its stage. */
  readonly stage: string;
  /** The test file; undefined for the preparation of a stage. */
  readonly file?: string;
  readonly passed: boolean;
  /** The earlier pass that stands for this test, which was not run again. */
  readonly cached?: Pass;
  /** The reason why it was skipped. node:test counts a skipped test as passed. */
  readonly skipped?: string;
  /** Duration; that of the earlier pass if the test was not run again. */
  readonly ms: number;
  readonly error?: string;
}

/** Additional actions besides printing results. */
export interface ReportOptions {
  /**
   * Called when all tests have run, before the summary. The lines that it returns become part of the summary, so the
   * summary stays the end of the log.
   */
  readonly whenRun?: (outcome: Outcome) => Promise<readonly string[]>;
  readonly live?: Live | undefined;
}

/** Shows the running tests on a terminal, below the output. */
export interface Live {
  see(event: TestEvent): void;
  /** Called before each piece of output is written. */
  hide(): void;
  end(): void;
}

/** Runs the stages and prints them: node:test's `spec` format on a terminal, TAP in a log. */
export async function reportStages(
  stages: readonly Stage[],
  out: NodeJS.WriteStream,
  { whenRun, live }: ReportOptions = {},
): Promise<Outcome> {
  const tests: EndedTest[] = [];
  let failed = 0;
  // The summary is printed even if the report cannot be written.
  let trouble: { readonly error: unknown } | undefined;
  let times: readonly StageTime[] = [];
  const see = (event: TestEvent, stage: string): void => {
    live?.see(event);
    if (isFailure(event)) failed += 1;
    const ended = endedTest(event);
    if (ended) tests.push({ ...ended, stage });
  };
  const events = runStages(stages, see, async (ended) => {
    live?.end();
    times = ended;
    try {
      return (await whenRun?.({ failed, tests, stages: times })) ?? [];
    } catch (error) {
      trouble = { error };
      return [];
    }
  });
  const reporter = out.isTTY ? new spec() : tap;
  const shown = out.isTTY ? inName(events) : inDiagnostic(events);
  const hide = new PassThrough({
    transform: (chunk, _encoding, done) => {
      live?.hide();
      done(null, chunk);
    },
  });
  await pipeline(Readable.from(shown).compose(reporter as never), hide, out, { end: false });
  if (trouble) throw trouble.error;
  return { failed, tests, stages: times };
}

/** For a person: puts the earlier pass behind the test's name, so that each test has one line. */
async function* inName(events: AsyncIterable<TestEvent>): AsyncGenerator<TestEvent> {
  for await (const event of events) {
    const { name, cached } = event.data;
    if (cached) yield { ...event, data: { ...event.data, name: `${name} (${toldPass(cached)})` } };
    else yield event;
  }
}

/** For a program: reports the earlier pass in a diagnostic, so that the test keeps its own name. */
async function* inDiagnostic(events: AsyncIterable<TestEvent>): AsyncGenerator<TestEvent> {
  for await (const event of events) {
    yield event;
    const { cached } = event.data;
    if (cached) yield { type: 'test:diagnostic', data: { nesting: 0, message: toldPass(cached) } };
  }
}

function endedTest({ type, data }: TestEvent): Omit<EndedTest, 'stage'> | undefined {
  if ((type !== 'test:pass' && type !== 'test:fail') || data.details?.type === 'suite') return undefined;
  if (data.name === undefined) return undefined;
  return {
    name: data.name,
    ...(data.file === undefined ? {} : { file: data.file }),
    passed: type === 'test:pass',
    ...(data.cached === undefined ? {} : { cached: data.cached }),
    ...(data.skip === undefined || data.skip === false ? {} : { skipped: String(data.skip) }),
    ms: data.cached?.ms ?? Math.round(data.details?.duration_ms ?? 0),
    ...(type === 'test:fail' ? { error: messageOf(data.details?.error) } : {}),
  };
}

/** node:test reports a wrapper. Its cause is the error that the test threw. */
function messageOf(error: unknown): string {
  const inner = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return inner instanceof Error ? inner.message : String(inner);
}
