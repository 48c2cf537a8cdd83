import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Failure } from './lib/errors.ts';

const LIBRARY_DIRS = ['usr/lib/x86_64-linux-gnu', 'usr/lib/x86_64-linux-gnu/systemd', 'usr/lib/systemd'];
const BINARY_DIRS = ['usr/bin', 'usr/sbin', 'usr/lib/systemd', 'usr/libexec'];

export interface ToolCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/**
 * How to run a tool of an unpacked Debian tree without a chroot or namespace: through the tree's own dynamic
 * linker, so that neither the host's libraries nor its version of glibc matter (ld.so(8)).
 * The environment is made from nothing: no locale, time zone or path of this machine reaches the tool.
 */
export function toolCommand(root: string, tool: string, args: readonly string[] = []): ToolCommand {
  const binary = BINARY_DIRS.map((dir) => join(root, dir, tool)).find((path) => existsSync(path));
  if (!binary)
    throw new Failure(`the tool tree has no ${tool}`, {
      where: root,
      hint: 'add its package to packages/sets/sdk.ts',
    });
  const libraries = LIBRARY_DIRS.map((dir) => join(root, dir));
  return {
    file: join(root, 'usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2'),
    args: ['--library-path', libraries.join(':'), binary, ...args],
    env: {
      LC_ALL: 'C',
      TZ: 'UTC',
      HOME: '/nonexistent',
      PATH: BINARY_DIRS.map((dir) => join(root, dir)).join(':'),
    },
  };
}

export interface RunOptions {
  readonly stdin?: Readable | Uint8Array | string;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
  /** Called with what the tool prints on stderr, as it comes. */
  readonly onStderr?: (text: string) => void;
}

/** Runs a tool of an unpacked Debian tree to its end and returns its stdout. A non-zero exit is a Failure with its stderr. */
export async function runTool(
  root: string,
  tool: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Buffer> {
  return await runCommand(toolCommand(root, tool, args), tool, options);
}

/** Runs any command to its end; `name` is what errors call it. */
export async function runCommand(
  command: ToolCommand,
  name: string,
  options: RunOptions = {},
): Promise<Buffer> {
  const child = spawn(command.file, command.args, {
    cwd: options.cwd,
    env: { ...command.env, ...options.env },
    stdio: [options.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    signal: options.signal,
  });
  const stdout: Buffer[] = [];
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-64 * 1024);
    options.onStderr?.(text);
  });
  const ended = exitOf(child);
  const [fed, exit] = await Promise.allSettled([feed(child, options.stdin), ended]);
  if (exit.status === 'rejected') throw exit.reason;
  if (exit.value !== 0) {
    const lines =
      `${stderr}${stdout.length > 0 && stderr === '' ? Buffer.concat(stdout).toString() : ''}`.trim();
    throw new Failure(
      `${name} failed (${typeof exit.value === 'number' ? `exit ${exit.value}` : exit.value})\n${lines}`,
      {
        where: [name, ...command.args.slice(command.args.indexOf('--library-path') + 3)]
          .join(' ')
          .slice(0, 2000),
      },
    );
  }
  // A tool that ended well may have closed stdin early; one that failed was reported above.
  if (fed.status === 'rejected' && !isClosedPipe(fed.reason)) throw fed.reason;
  return Buffer.concat(stdout);
}

async function feed(child: ChildProcess, stdin: RunOptions['stdin']): Promise<void> {
  if (stdin === undefined || !child.stdin) return;
  if (typeof stdin === 'string' || stdin instanceof Uint8Array) {
    child.stdin.on('error', () => {}); // the exit code tells
    child.stdin.end(stdin);
    return;
  }
  await pipeline(stdin, child.stdin);
}

function isClosedPipe(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    (error.code === 'EPIPE' || error.code === 'ERR_STREAM_PREMATURE_CLOSE')
  );
}

function exitOf(child: ChildProcess): Promise<number | NodeJS.Signals> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? signal ?? 1));
  });
}
