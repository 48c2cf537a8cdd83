import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from '../../sdk/lib/files.ts';
import type { Context, Input, Inputs, Output, Recipe, Target } from './target.ts';
import { isSource, isTarget } from './target.ts';

/** For tests: runs the recipe of one target by itself, without a graph or a store. */

const outputs = new WeakMap<Target, Output>();
const noRecipe: Recipe = {
  kind: 'file',
  from: 'test:',
  index: 0,
  fetch: false,
  parallel: false,
  invocation: undefined,
  uncounted: [],
  run: async () => {
    throw new Error('a given output is not made');
  },
};

/** An input that exists already: a file or folder at `path`. `size` (bytes) may differ from the real one. */
export async function given(path: string, size?: number): Promise<Target> {
  const status = await stat(path);
  const kind = status.isDirectory() ? 'dir' : 'file';
  const digest = sha256(kind === 'dir' ? path : await readFile(path));
  const target: Target = { name: `given:${path}`, recipe: noRecipe, inputs: {} };
  outputs.set(target, { kind, digest, size: size ?? (kind === 'dir' ? 0 : status.size), path });
  return target;
}

/**
 * Runs the recipe of `target`, whose target inputs are all `given`. `folder` is an empty folder for its scratch and
 * output. Returns the path of the output and the blobs that the recipe added to the store.
 */
export async function runRecipe(
  target: Target,
  folder: string,
): Promise<{ readonly out: string; readonly blobs: ReadonlyMap<string, Buffer> }> {
  const out = join(folder, 'out');
  const scratch = join(folder, 'scratch');
  await mkdir(scratch, { recursive: true });
  const blobs = new Map<string, Buffer>();
  const context: Context<Inputs> = {
    inputs: Object.fromEntries(
      Object.entries(target.inputs).map(([name, input]) => [name, resolved(input)]),
    ) as Context<Inputs>['inputs'],
    out,
    scratch,
    jobs: 1,
    signal: new AbortController().signal,
    add: async (content) => {
      const bytes = content instanceof Uint8Array ? Buffer.from(content) : await readFile(content.path);
      blobs.set(sha256(bytes), bytes);
      return sha256(bytes);
    },
    blob: async (digest) => {
      throw new Error(`no blob ${digest}: tests have their contents inline`);
    },
    workspace: async (name) => {
      const path = join(folder, 'workspace', name);
      await mkdir(path, { recursive: true });
      return path;
    },
    progress: () => {},
  };
  await target.recipe.run(context);
  return { out, blobs };
}

function resolved(input: Input): unknown {
  if (isTarget(input)) return outputOf(input);
  if (Array.isArray(input)) return input.map((item) => (isTarget(item) ? outputOf(item) : item));
  return isSource(input) ? { path: input.source, digest: '' } : input;
}

function outputOf(target: Target): Output {
  const output = outputs.get(target);
  if (!output) throw new Error(`${target.name} is not given`);
  return output;
}
