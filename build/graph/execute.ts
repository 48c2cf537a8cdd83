import { lstatSync } from 'node:fs';
import { mkdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { errorCode, Failure } from '../../sdk/lib/errors.ts';
import type { Sha256 } from '../../sdk/lib/files.ts';
import { addBlob } from './blobs.ts';
import { commitDir, folderDigest } from './dirs.ts';
import type { Node } from './graph.ts';
import type { Action } from './key.ts';
import { type ActionRecord, writeRecord } from './record.ts';
import { sourcePath } from './source.ts';
import { removeTreeAsync, type Store, storeFailure, temporaryPath } from './store.ts';
import type { Context, Inputs, Output, Resolved } from './target.ts';
import { openWorkspace, type Workspace } from './workspace.ts';

/** The parts of a build that a recipe uses. */
export interface Surroundings {
  readonly store: Store;
  readonly jobs: number;
  readonly signal: AbortSignal;
  /** The recipe runs although nothing changed, so it must not find results of earlier runs. */
  readonly fresh: boolean;
  outputOf(node: Node): Output;
  /** The present state of a source. */
  sourceDigest(source: string, user: string): Sha256;
  /** Path of a blob that a target below `node` has made. It is made again if it is missing. */
  blob(digest: Sha256): Promise<string>;
  progress(done: number, total: number, note?: string): void;
}

/** Runs the recipe of a node, and puts its output and the record of it into the store. */
export async function execute(node: Node, action: Action, around: Surroundings): Promise<ActionRecord> {
  const { store, signal } = around;
  const { recipe } = node.target;
  const work = await temporaryPath(store);
  const out = join(work, 'out');
  const scratch = join(work, 'scratch');
  const refs = new Set<Sha256>();
  const workspaces: Workspace[] = [];
  const began = performance.now();
  try {
    checkCode(action);
    await mkdir(scratch, { recursive: true });
    const context: Context<Inputs> = {
      inputs: resolveInputs(node, action, around),
      out,
      scratch,
      jobs: around.jobs,
      signal,
      add: async (content) => {
        const { digest } = await addBlob(store, content);
        refs.add(digest);
        return digest;
      },
      blob: (digest) => around.blob(digest),
      workspace: async (name) => {
        const opened = await openWorkspace(store, name, { fresh: around.fresh, label: node.name, signal });
        workspaces.push(opened);
        return opened.path;
      },
      progress: around.progress,
    };
    await recipe.run(context);
    signal.throwIfAborted();
    checkSources(node, action, around);
    const made = await commit(node, action, store, out);
    if (action.pinned !== undefined && made.digest !== action.pinned) {
      throw new Failure(`the fetched file has the SHA-256 ${made.digest}, but ${action.pinned} is pinned`, {
        where: recipe.from,
        hint: 'build again; if it stays so, look for a disk that loses data',
      });
    }
    const ms = Math.round(performance.now() - began);
    const record: ActionRecord = { name: node.name, kind: recipe.kind, ...made, refs: [...refs], ms };
    await writeRecord(store, action.key, record);
    return record;
  } catch (error) {
    throw await explainFailure(store, node, error);
  } finally {
    // The state of a folder after an interruption is unknown.
    await Promise.all(workspaces.map((workspace) => workspace.close(!signal.aborted)));
    await removeTreeAsync(work);
  }
}

async function commit(
  node: Node,
  action: Action,
  store: Store,
  out: string,
): Promise<{ digest: Sha256; size: number }> {
  const { kind } = node.target.recipe;
  const stat = lstatSync(out, { throwIfNoEntry: false });
  if (kind === 'file' ? !stat?.isFile() : !stat?.isDirectory()) {
    const found = stat === undefined ? 'nothing' : 'something else';
    throw new Failure(
      `the recipe had to leave a ${kind === 'file' ? 'file' : 'folder'} as its output, but left ${found}`,
      {
        where: node.target.recipe.from,
      },
    );
  }
  if (kind === 'file') return await addBlob(store, { path: out });
  const digest = await folderDigest(out);
  await commitDir(store, action.key, out);
  return { digest, size: 0 };
}

/** If a module was edited after this process had loaded it, its output must not be stored under the new text's key. */
function checkCode({ code: { edited } }: Action): void {
  if (edited === undefined) return;
  throw new Failure('a module was edited after this command had started', {
    where: join(CHECKOUT, edited),
    hint: 'give the command again',
  });
}

/** If a source is edited while a recipe reads it, its output must not be stored under the source's old digest. */
function checkSources(node: Node, action: Action, around: Surroundings): void {
  for (const [name, input] of node.inputs) {
    const known = action.inputs[name];
    if (input.type !== 'source' || known?.type !== 'source') continue;
    if (around.sourceDigest(input.source, `input "${name}"`) === known.digest) continue;
    throw new Failure(`the input "${name}" changed while the target was built`, {
      where: sourcePath(input.source),
      hint: 'build again',
    });
  }
}

function resolveInputs(node: Node, action: Action, around: Surroundings): Resolved<Inputs> {
  const resolved: Record<string, unknown> = {};
  for (const [name, input] of node.inputs) {
    if (input.type === 'target') resolved[name] = around.outputOf(input.node);
    else if (input.type === 'targets') resolved[name] = input.nodes.map((item) => around.outputOf(item));
    else if (input.type === 'value') resolved[name] = input.value;
    else {
      const digest = action.inputs[name];
      if (digest?.type !== 'source') throw new Error(`no digest for the source ${input.source}`);
      resolved[name] = { path: sourcePath(input.source), digest: digest.digest };
    }
  }
  return resolved as Resolved<Inputs>;
}

/**
 * With less free room than this, the disk counts as full: tools that run out of room print many different
 * errors.
 */
const FULL_BYTES = 1 << 20;

/** The error for the user. It begins with the target's name, and reports a full disk. */
async function explainFailure(store: Store, node: Node, error: unknown): Promise<unknown> {
  if (error instanceof Error && error.name === 'AbortError') return error;
  const known =
    errorCode(error) === 'ENOSPC' || errorCode(error) === 'EDQUOT' ? storeFailure(store.root, error) : error;
  if (!(known instanceof Failure)) {
    // A defect of the recipe: the reader gets its stack.
    if (known instanceof Error) known.stack = `${node.name}: ${known.stack}`;
    return known;
  }
  const { bavail, bsize } = await statfs(store.root);
  const full = bavail * bsize < FULL_BYTES && known === error;
  return new Failure(`${node.name}: ${known.message}`, {
    ...(known.where === undefined ? {} : { where: known.where }),
    ...(full
      ? { hint: `free space in ${store.root}: its disk is full` }
      : known.hint === undefined
        ? {}
        : { hint: known.hint }),
    exitCode: known.exitCode,
    cause: error,
  });
}
