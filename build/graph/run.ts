import { availableParallelism } from 'node:os';
import { performance } from 'node:perf_hooks';
import { describeFailure, Failure } from '../../sdk/lib/errors.ts';
import type { Sha256 } from '../../sdk/lib/files.ts';
import { warn } from '../../sdk/lib/log.ts';
import { rememberCodes } from './code.ts';
import { loadFacts, saveFacts } from './facts.ts';
import { type Graph, makeGraph, type Node } from './graph.ts';
import { useStore } from './hold.ts';
import { isKeyedByModule, type KeyReader, keyReader } from './key.ts';
import { type Build, evaluate, type Made, present, type RemoteStore } from './make.ts';
import { outputOf } from './record.ts';
import { makeReport } from './report.ts';
import { catchSignals } from './signals.ts';
import { makeSlots } from './slots.ts';
import { closeStore, openStore, type Store } from './store.ts';
import type { Output, Target } from './target.ts';

/** Options of a build. */
export interface BuildOptions {
  /**
   * Number of recipes at once, which is also the number of processes that they may use together. Default: one
   * for each processor.
   */
  readonly jobs?: number;
  /** After a failure, go on with targets that do not depend on it. */
  readonly keepGoing?: boolean;
  /** Run the recipes of the asked targets and of all they need, but not downloads, although nothing changed. */
  readonly rebuild?: boolean;
  /** Log the reason for each target that runs. */
  readonly explain?: boolean;
  readonly store?: Store;
  /** The state of a plan that was made just before, so that files are not read again. */
  readonly keys?: KeyReader;
  /** Called before a recipe runs. */
  readonly remote?: RemoteStore;
  /**
   * Stops the build. Without it, the build listens to SIGINT and SIGTERM itself, and then ends the process.
   */
  readonly signal?: AbortSignal;
}

/** A target whose recipe ran. */
export interface Ran {
  readonly name: string;
  readonly ms: number;
  readonly digest: Sha256;
  readonly reasons: readonly string[];
}

/** The result of a build. */
export interface BuildResult {
  /** The outputs of the wanted targets that succeeded, by name. */
  readonly outputs: ReadonlyMap<string, Output>;
  /** Targets in the order in which they ended. */
  readonly ran: readonly Ran[];
  readonly failures: readonly { readonly name: string; readonly error: unknown }[];
  /** Targets that were not built, because an input failed or the build stopped. */
  readonly skipped: readonly string[];
  /** The record of every target whose output is known. */
  readonly made: readonly Made[];
  /** Number of targets in the graph. */
  readonly total: number;
  readonly ms: number;
}

/** Number of downloads at once, beside recipes that compute. */
const DOWNLOADS = 8;

/**
 * Builds missing targets and returns the outputs of `targets` by name.
 * @throws the failures
 */
export async function buildTargets(
  targets: readonly Target[],
  options: BuildOptions = {},
): Promise<ReadonlyMap<string, Output>> {
  const result = await runBuild(targets, options);
  throwFailures(result);
  return result.outputs;
}

/**
 * The same as `buildTargets`, but failures of recipes are part of the result.
 * @throws only for an invalid graph
 */
export async function runBuild(targets: readonly Target[], options: BuildOptions = {}): Promise<BuildResult> {
  const began = performance.now();
  const graph = makeGraph(targets);
  const store = options.store ?? openStore();
  const interruption = options.signal ? undefined : catchSignals(() => closeStore(store));
  const signal = options.signal ?? interruption?.signal ?? new AbortController().signal;
  let result: BuildResult;
  try {
    await useStore(store, signal);
    result = await runGraph(prepare(graph, store, signal, options), targets, began);
  } finally {
    closeStore(store);
    interruption?.end();
  }
  signal.throwIfAborted();
  return result;
}

async function runGraph(build: Build, targets: readonly Target[], began: number): Promise<BuildResult> {
  const { graph, store, ran, failures } = build;
  try {
    const modules = graph.nodes.map(({ target }) => target.recipe).filter(isKeyedByModule);
    rememberCodes(build.keys.code, [...new Set(modules.map(({ from }) => from))]);
    await Promise.all(graph.nodes.map((node) => evaluate(build, node)));
    const asked = [...new Set(targets.map(({ name }) => nodeOf(graph, name)))];
    const outputs = new Map<string, Output>();
    const made = await Promise.all(asked.map((node) => present(build, node)));
    for (const [index, node] of asked.entries()) {
      const { action, record } = made[index] ?? {};
      if (action && record) outputs.set(node.name, outputOf(store, action.key, record));
    }
    await saveFacts(build.keys.facts);
    const failed = new Set(failures.map(({ name }) => name));
    const skipped = [...build.skipped].filter((name) => !failed.has(name));
    const all = await Promise.all([...build.evaluated.values()]);
    const settled = all.filter((each) => each !== undefined);
    return {
      outputs,
      ran,
      failures,
      skipped,
      made: settled,
      total: graph.nodes.length,
      ms: performance.now() - began,
    };
  } finally {
    build.report.end();
  }
}

/** A single failure is thrown unchanged. Several failures are one error with all their messages. */
function throwFailures({ failures, skipped }: BuildResult): void {
  const [first, ...rest] = failures;
  if (first === undefined) {
    if (skipped.length > 0) throw new Failure(`not built: ${skipped.join(', ')}`);
    return;
  }
  const described = describeFailures(failures);
  if (rest.length === 0 || described.length === 1) throw first.error;
  const all = described.join('\n');
  const exitCode = failures.every(({ error }) => error instanceof Failure && error.exitCode === 2) ? 2 : 1;
  throw new Failure(`${failures.length} targets failed\n${all}`, { exitCode });
}

/**
 * The failures as text. A cause that stopped many targets, e.g. a full disk, appears once, with the first
 * target.
 */
export function describeFailures(failures: BuildResult['failures']): string[] {
  const said = new Map<string, string>();
  for (const { name, error } of failures) {
    const text = describeFailure(error);
    const common = text.replace(`${name}: `, '');
    if (!said.has(common)) said.set(common, text);
  }
  return [...said.values()];
}

function prepare(graph: Graph, store: Store, signal: AbortSignal, options: BuildOptions): Build {
  const jobs = options.jobs ?? availableParallelism();
  return {
    graph,
    store,
    signal,
    jobs,
    keepGoing: options.keepGoing ?? false,
    rebuild: options.rebuild ?? false,
    keys: options.keys ?? keyReader(loadFacts(store)),
    slots: makeSlots(jobs),
    downloads: makeSlots(DOWNLOADS),
    remote: options.remote,
    report: makeReport(graph.nodes.length, options.explain ?? false),
    evaluated: new Map(),
    presence: new Map(),
    ran: [],
    failures: [],
    skipped: new Set(),
    stopped: false,
    warn,
  };
}

function nodeOf(graph: Graph, name: string): Node {
  const node = graph.byName.get(name);
  if (!node) throw new Error(`${name} is not in its own graph`);
  return node;
}
