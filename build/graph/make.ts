import { Failure } from '../../sdk/lib/errors.ts';
import type { Sha256 } from '../../sdk/lib/files.ts';
import { blobPath, checkBlob } from './blobs.ts';
import { execute } from './execute.ts';
import { reasonsFor, writeLast } from './explain.ts';
import { allNeeds, type Graph, type Node } from './graph.ts';
import { type Action, actionOf, type KeyReader } from './key.ts';
import { tryLock, waitForLock } from './key-lock.ts';
import { type ActionRecord, checkOutput, outputOf, readRecord, writeRecord } from './record.ts';
import type { Report } from './report.ts';
import type { Slots } from './slots.ts';
import { sourceDigest } from './source.ts';
import type { Store } from './store.ts';

/** A node with a known output. The store may still lack its blob: see `present`. */
export interface Made {
  readonly action: Action;
  readonly record: ActionRecord;
}

/** The remote store of a build (build/remote/). Outputs that it does not have are made here. */
export interface RemoteStore {
  record(action: Action): Promise<ActionRecord | undefined>;
  /** Fetches content into the local store, and checks it; false if that is impossible. */
  fetchBlob(store: Store, digest: Sha256): Promise<boolean>;
}

/** The state of one build. */
export interface Build {
  readonly graph: Graph;
  readonly store: Store;
  readonly signal: AbortSignal;
  readonly jobs: number;
  readonly keepGoing: boolean;
  readonly rebuild: boolean;
  readonly keys: KeyReader;
  readonly slots: Slots;
  readonly downloads: Slots;
  readonly report: Report;
  /** A store that other builds have filled. It is asked before a recipe runs. */
  readonly remote: RemoteStore | undefined;
  /** Undefined for a node that failed, that needs a failed one, or that was not started. */
  readonly evaluated: Map<Node, Promise<Made | undefined>>;
  readonly presence: Map<Node, Promise<Made | undefined>>;
  readonly ran: { name: string; ms: number; digest: Sha256; reasons: readonly string[] }[];
  readonly failures: { name: string; error: unknown }[];
  readonly skipped: Set<string>;
  /** A target failed, so no new one is started. */
  stopped: boolean;
  readonly warn: (line: string) => void;
}

/** The reason and the conditions for making a node. */
interface Order {
  /** The reason to show if no input changed. */
  readonly otherwise: string;
  /** Run it even if there is a record. */
  readonly force: boolean;
  /** A running recipe asked for it, so it is made even after a failure elsewhere. */
  readonly nested: boolean;
  /** Whether this record, found after locking, makes the run unnecessary. */
  enough(action: Action, record: ActionRecord): Promise<boolean>;
}

/** Finds the output of a node: from a record in the store, or by running its recipe. */
export function evaluate(build: Build, node: Node): Promise<Made | undefined> {
  const known = build.evaluated.get(node);
  if (known) return known;
  const made = evaluateNow(build, node);
  build.evaluated.set(node, made);
  return made;
}

/** The same as `evaluate`. Afterwards the store has the intact output. */
export function present(build: Build, node: Node, nested = false): Promise<Made | undefined> {
  const known = build.presence.get(node);
  if (known) return known;
  const made = presentNow(build, node, nested);
  build.presence.set(node, made);
  return made;
}

async function evaluateNow(build: Build, node: Node): Promise<Made | undefined> {
  const needs = await Promise.all(node.needs.map((need) => evaluate(build, need)));
  return await guarded(build, node, async () => {
    const action = needs.includes(undefined) ? undefined : await currentAction(build, node);
    if (action === undefined) return undefined;
    const force = build.rebuild && !node.target.recipe.fetch;
    const record = force
      ? undefined
      : (readRecord(build.store, action) ?? (await remoteRecord(build, action)));
    if (record) {
      build.report.settled();
      return { action, record };
    }
    return await make(build, node, {
      otherwise: force ? 'asked for by --rebuild' : 'its record is missing from the store',
      force,
      nested: false,
      enough: (at, found) => checkOutput(build.store, at.key, found),
    });
  });
}

/** Copies the remote store's output of an action into the local store. */
async function remoteRecord(build: Build, action: Action): Promise<ActionRecord | undefined> {
  const record = await build.remote?.record(action);
  if (record) await writeRecord(build.store, action.key, record);
  return record;
}

async function presentNow(build: Build, node: Node, nested: boolean): Promise<Made | undefined> {
  const made = await evaluate(build, node);
  if (!made) return undefined;
  return await guarded(build, node, async () => {
    if (await checkOutput(build.store, made.action.key, made.record)) return made;
    const { kind, digest } = made.record;
    if (kind === 'file' && !build.rebuild && (await build.remote?.fetchBlob(build.store, digest)))
      return made;
    const remade = await make(build, node, {
      otherwise: 'output missing from the store',
      force: false,
      nested,
      enough: (at, found) => checkOutput(build.store, at.key, found),
    });
    if (remade) {
      warnIfOther(build, node, made, remade);
      build.evaluated.set(node, Promise.resolve(remade));
    }
    return remade;
  });
}

/**
 * Makes the output of a node: waits for its inputs, for a slot, and for other processes that make the same.
 */
async function make(build: Build, node: Node, order: Order): Promise<Made | undefined> {
  const { store, signal } = build;
  const needs = await Promise.all(node.needs.map((need) => present(build, need, order.nested)));
  if (needs.includes(undefined)) return undefined;
  const action = await currentAction(build, node);
  if (!action) return undefined;
  const slots = node.target.recipe.fetch ? build.downloads : build.slots;
  for (;;) {
    await slots.acquire(order.nested || node.target.recipe.parallel);
    try {
      if (signal.aborted || (build.stopped && !order.nested)) return undefined;
      const unlock = await tryLock(store, action.key, node.name);
      if (unlock) {
        try {
          const record = order.force ? undefined : readRecord(store, action);
          if (record && (await order.enough(action, record))) return { action, record };
          return await runRecipe(build, node, action, order, slots);
        } finally {
          await unlock();
        }
      }
    } catch (error) {
      // Before the slot is free for the next recipe.
      build.stopped ||= !build.keepGoing;
      throw error;
    } finally {
      slots.release();
    }
    // Without a slot, because another process's recipe must not keep ours from running.
    await waitForLock(store, action.key, node.name, signal);
  }
}

async function runRecipe(
  build: Build,
  node: Node,
  action: Action,
  order: Order,
  slots: Slots,
): Promise<Made> {
  const { store } = build;
  const { parallel } = node.target.recipe;
  const reasons = reasonsFor(store, node, action, order.otherwise);
  const before = order.force ? readRecord(store, action) : undefined;
  const inputs = new Map<Node, Made>();
  for (const need of node.needs) inputs.set(need, await settled(build, need));
  const producers = lazily(() => producersFor(build, node));
  build.report.started(node.name, reasons);
  const record = await execute(node, action, {
    store,
    signal: build.signal,
    fresh: build.rebuild,
    jobs: parallel ? build.jobs : Math.max(1, Math.floor(build.jobs / build.slots.load())),
    outputOf: (need) => {
      const input = inputs.get(need);
      if (!input) throw new Error(`${node.name} does not need ${need.name}`);
      return outputOf(store, input.action.key, input.record);
    },
    sourceDigest: (source, user) => sourceDigest(build.keys.facts, source, user),
    blob: (digest) => nestedBlob(build, node, digest, producers, slots),
    progress: (done, total, note) => build.report.progress(node.name, done, total, note),
  });
  await writeLast(store, node, action);
  const made = { action, record };
  if (before) warnIfOther(build, node, { action, record: before }, made);
  build.ran.push({ name: node.name, ms: record.ms, digest: record.digest, reasons });
  build.report.finished(node.name, record.ms);
  return made;
}

/** The path of a blob for a running recipe. The recipe gives up its slot while others make the blob again. */
async function nestedBlob(
  build: Build,
  node: Node,
  digest: Sha256,
  producers: () => Promise<ReadonlyMap<Sha256, Node>>,
  slots: Slots,
): Promise<string> {
  const { store } = build;
  const path = blobPath(store, digest);
  const producer = (await producers()).get(digest);
  if (!producer) {
    throw new Failure(`the blob ${digest} comes from nothing it depends on`, {
      where: node.target.recipe.from,
    });
  }
  if (await checkBlob(store, digest)) return path;
  if (await build.remote?.fetchBlob(store, digest)) return path;
  slots.release();
  try {
    const order: Order = {
      otherwise: `a part of its output is missing from the store (${digest.slice(0, 12)})`,
      force: false,
      nested: true,
      enough: () => checkBlob(store, digest),
    };
    await guarded(build, producer, () => make(build, producer, order));
  } finally {
    await slots.acquire(true);
  }
  build.signal.throwIfAborted();
  if (await checkBlob(store, digest)) return path;
  throw new Failure(`${producer.name} did not make the blob ${digest} again`, {
    hint: 'its recipe gives other bytes each time, or it failed; `./draisine build -B` makes all of it anew',
  });
}

/** Every blob that is an output of, or was added by, a target below `node`, with its node. */
async function producersFor(build: Build, node: Node): Promise<ReadonlyMap<Sha256, Node>> {
  const producers = new Map<Sha256, Node>();
  for (const need of allNeeds(node)) {
    const { record } = await settled(build, need);
    for (const digest of record.refs) producers.set(digest, need);
    if (record.kind === 'file') producers.set(record.digest, need);
  }
  return producers;
}

function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

async function settled(build: Build, node: Node): Promise<Made> {
  const made = await evaluate(build, node);
  if (!made) throw new Error(`${node.name} has no output`);
  return made;
}

/** Undefined if an input has no output. */
async function currentAction(build: Build, node: Node): Promise<Action | undefined> {
  const records = new Map<Node, ActionRecord>();
  for (const need of node.needs) {
    const made = await evaluate(build, need);
    if (!made) return undefined;
    records.set(need, made.record);
  }
  return actionOf(build.keys, node, (need) => {
    const record = records.get(need);
    if (!record) throw new Error(`${node.name} does not need ${need.name}`);
    return record;
  });
}

/**
 * Turns an exception into a failure of the node. After an interruption, exceptions follow from it and do not
 * count.
 */
async function guarded(
  build: Build,
  node: Node,
  work: () => Promise<Made | undefined>,
): Promise<Made | undefined> {
  try {
    const made = await work();
    if (!made) build.skipped.add(node.name);
    return made;
  } catch (error) {
    build.skipped.add(node.name);
    if (build.signal.aborted) return undefined;
    // Many targets may fail with one error, e.g. code that cannot be read.
    if (!build.failures.some((failure) => failure.error === error))
      build.failures.push({ name: node.name, error });
    build.report.failed(node.name);
    if (!build.keepGoing) build.stopped = true;
    return undefined;
  }
}

function warnIfOther(build: Build, node: Node, before: Made, after: Made): void {
  if (before.action.key !== after.action.key || before.record.digest === after.record.digest) return;
  build.warn(`${node.name} came out different from the same inputs: its recipe is not reproducible`);
}
