import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, posix } from 'node:path';
import { errorCode, Failure } from '../../sdk/lib/errors.ts';
import { type Bind, runSandboxed } from '../../sdk/sandbox.ts';
import type { Step } from '../base/step.ts';
import type { Finding } from './finding.ts';
import type { ImageView } from './image.ts';

/** Paths that the sandbox uses itself. No file of a config goes there. */
const TAKEN = new Set(['usr', 'bin', 'sbin', 'lib', 'lib64', 'proc', 'dev', 'sys', 'run', 'tmp', '']);
/** Milliseconds for one tool. */
const PATIENCE = 120_000;

/** The folder of generated units on a machine. */
export const GENERATED = '/run/systemd/generator';

/**
 * A machine on which nothing runs: the image's /usr, and the files of a config. Tools see both at the paths
 * of the machine, in a sandbox without the host's files, network or privileges.
 */
export interface Stage {
  /** Writes a text to an absolute path. Returns false and adds a finding if that is not possible. */
  place(path: string, text: string, at: readonly Step[], mode?: number): boolean;
  /** Host path of a folder of the stage. */
  folder(path: string): string;
  /** Runs a tool of the image. Returns the lines of its stderr, whatever its exit code. */
  run(argv: readonly string[]): Promise<string[]>;
}

function binds(root: string): Bind[] {
  return readdirSync(root)
    .sort()
    .map((name) => ({ from: join(root, name), to: `/${name}`, writable: name === 'run' }));
}

async function runTool(image: ImageView, root: string, argv: readonly string[]): Promise<string[]> {
  let printed = '';
  try {
    const tool = { root: image.root, argv, binds: binds(root) };
    await runSandboxed(image.sandbox, tool, {
      onStderr: (text) => {
        printed += text;
      },
      signal: AbortSignal.timeout(PATIENCE),
    });
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError') {
      throw new Failure(`${argv[0]} took longer than ${PATIENCE / 1000} s`, { cause: error });
    }
    // A non-zero exit code with messages is an answer. A sandbox that does not start is a failure.
    if (!(error instanceof Failure) || printed === '' || /^bwrap: /m.test(printed)) throw error;
  }
  return printed.split('\n').filter((line) => line !== '');
}

/** Calls `use` with an empty stage, and removes it afterwards. */
export async function withStage<T>(
  image: ImageView,
  findings: Finding[],
  use: (stage: Stage) => Promise<T>,
): Promise<T> {
  const root = await mkdtemp(join(tmpdir(), 'draisine-strict-'));
  mkdirSync(join(root, GENERATED), { recursive: true });
  mkdirSync(join(root, 'etc'));
  const place: Stage['place'] = (path, text, at, mode = 0o644) => {
    // No link is ever made below root, so a normalized absolute path stays inside.
    const normal = posix.normalize(path);
    if (!normal.startsWith('/') || TAKEN.has(normal.split('/')[1] ?? '')) return false;
    const file = join(root, normal);
    try {
      if (existsSync(file)) return false;
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text, { mode });
      return true;
    } catch (error) {
      const code = errorCode(error);
      if (code === undefined) throw error;
      findings.push({
        path: at,
        message: `${JSON.stringify(path.slice(0, 80))} cannot be written (${code}); correct the path`,
      });
      return false;
    }
  };
  try {
    return await use({
      place,
      folder: (path) => join(root, path),
      run: (argv) => runTool(image, root, argv),
    });
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}
