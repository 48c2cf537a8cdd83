import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { runSandboxed, type Sandboxed, sandboxArguments } from '../../sdk/sandbox.ts';
import { recipe, type Source, type Target } from './target.ts';

/** Increase this number when `run` below passes other things to the script for the same inputs. */
const FORMAT = 1;

/** A folder that targets share if they have the same tool tree, and the same content at the places of `of`. */
export interface Kept {
  readonly name: string;
  readonly of: readonly string[];
}

/** The content of the sandbox, with paths of this machine, or with names in their place. */
function sandboxed(
  paths: { root: string; script: string; build: string; out: string; mounts: readonly string[] },
  places: readonly string[],
  argv: readonly string[],
  jobs: string,
): Sandboxed {
  return {
    root: paths.root,
    argv: ['/bin/bash', '/build.sh', ...argv],
    env: { JOBS: jobs },
    binds: [
      { from: paths.build, to: '/build', writable: true },
      { from: paths.out, to: '/out', writable: true },
      { from: paths.script, to: '/build.sh' },
      ...places.map((to, index) => ({ from: paths.mounts[index] ?? '', to })),
    ],
  };
}

const inSandboxRecipe = recipe<{
  sandbox: Target;
  root: Target;
  script: Source;
  argv: readonly string[];
  mounts: readonly Target[];
  places: readonly string[];
  kept: { readonly name: string; readonly of: readonly string[] } | null;
  steps: number;
}>({
  from: import.meta.url,
  kind: 'file',
  parallel: true,
  uncounted: ['sandbox', 'steps', 'kept'],
  // Inputs count by themselves. This part is the same for all of them.
  invocation: () => {
    const names = { root: '', script: 'script', build: 'build', out: 'out', mounts: ['mount'] };
    return [FORMAT, ...sandboxArguments(sandboxed(names, ['place'], ['argument'], 'jobs'))];
  },
  async run({ inputs, out, scratch, jobs, workspace, signal, progress }) {
    const { root, script, argv, mounts, places, kept, steps } = inputs;
    const results = join(scratch, 'out');
    await mkdir(results);
    let build = join(scratch, 'build');
    if (kept === null) await mkdir(build);
    else {
      const of = kept.of.map((place) => mounts[places.indexOf(place)]?.digest);
      build = await workspace([kept.name, ...of, root.digest].join(' '));
    }
    const paths = {
      root: root.path,
      script: script.path,
      build,
      out: results,
      mounts: mounts.map(({ path }) => path),
    };
    let said = 0;
    await runSandboxed(inputs.sandbox.path, sandboxed(paths, places, argv, String(jobs)), {
      signal,
      onStderr: (text) => progress(++said, steps, text.trim().split('\n').at(-1)),
    });
    await rename(join(results, 'result'), out);
  },
});

/**
 * The output of a shell script that runs in a sandbox whose root is the tool tree `root`, and which leaves its output, a
 * file, at /out/result. The key is the content of the sandbox: script, arguments, environment, the content of the tool
 * tree and of all mounts; not the TypeScript that starts it, nor the tool tree `sandbox`, which has bwrap. For work of
 * minutes. The script may use $JOBS processes, and has an empty folder, or the one that is `kept`, at /build. Neither may
 * change the output.
 */
export function inSandbox(
  name: string,
  definition: {
    readonly sandbox: Target;
    readonly root: Target;
    readonly script: Source;
    readonly argv?: readonly string[];
    /** A file or folder by its path inside; read-only. */
    readonly mounts?: Readonly<Record<string, Target>>;
    readonly kept?: Kept;
    /** About how many lines the script prints on stderr, for the progress bar. */
    readonly steps: number;
  },
): Target {
  const { argv = [], mounts = {}, kept = null, ...rest } = definition;
  const places = Object.keys(mounts);
  return inSandboxRecipe(name, { ...rest, argv, mounts: Object.values(mounts), places, kept });
}
