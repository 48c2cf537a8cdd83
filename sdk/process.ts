import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { StringDecoder } from 'node:string_decoder';

/** A program, its arguments, and its whole environment. Nothing is inherited. */
export interface ToolCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** Options for running a process. */
export interface ProcessOptions {
  /** Standard input of the process; default: empty. */
  readonly stdin?: Readable | Uint8Array | string;
  /**
   * Default: stdout is kept in memory. `terminal`: the process has stdin, stdout and stderr of this process. A number:
   * an open file.
   */
  readonly stdout?: 'terminal' | number;
  /** Default: the end of stderr is kept, and `onStderr` is called. A number: an open file. */
  readonly stderr?: number;
  readonly cwd?: string;
  readonly signal?: AbortSignal;
  /** Called with each piece of text that the process prints on stderr. */
  readonly onStderr?: (text: string) => void;
  /** Called with the process once it has started. */
  readonly onStart?: (child: ChildProcess) => void;
}

/** The end of a process: by an exit code or by a signal. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  /** The last 64 KiB. */
  readonly stderr: string;
}

/** The number of bytes of stderr that are kept. */
const STDERR = 64 * 1024;

/**
 * Runs a process to its end, by zx. All other code calls this function. The arguments go to execve(2) unchanged,
 * without a shell. Throws if the process cannot be started, if the signal aborts it (AbortError), or if its input
 * stream fails. No exit code is an error.
 */
export async function runProcess(command: ToolCommand, options: ProcessOptions = {}): Promise<Ended> {
  const { $ } = await import('zx/core'); // Loaded late: a build with nothing to do runs no process.
  const store = { stdout: [] as Buffer[], stderr: [] as Buffer[], stdall: [] as Buffer[] };
  const decoder = new StringDecoder('utf8');
  let fed: Promise<unknown> = Promise.resolve();
  let stderr = '';
  const running = $({
    shell: '/bin/sh', // zx asks for one, and has `spawn` use it
    nothrow: true,
    store,
    env: command.env,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.signal ? { signal: options.signal } : {}),
    stdio:
      options.stdout === 'terminal'
        ? 'inherit'
        : [
            options.stdin === undefined ? 'ignore' : 'pipe',
            options.stdout ?? 'pipe',
            options.stderr ?? 'pipe',
          ],
    spawn: ((_line: string, _args: readonly string[], settings: SpawnOptions) => {
      const child = spawn(command.file, command.args, { ...settings, shell: false, detached: false });
      fed = feed(child, options.stdin).catch((error: unknown) => error);
      options.onStart?.(child);
      return child;
    }) as typeof spawn,
    log: (entry) => {
      if (entry.kind !== 'stderr') return;
      const text = decoder.write(entry.data);
      stderr = (stderr + text).slice(-STDERR);
      options.onStderr?.(text);
    },
  })`${command.file}`;
  const output = await running;
  const feeding = await fed;
  if (output.cause) throw output.cause;
  // A successful tool may have closed stdin early. Its exit code reports all other errors.
  if (output.exitCode === 0 && feeding !== undefined && !isClosedPipe(feeding)) throw feeding;
  return { code: output.exitCode, signal: output.signal, stdout: Buffer.concat(store.stdout), stderr };
}

async function feed(child: ChildProcess, stdin: ProcessOptions['stdin']): Promise<void> {
  if (stdin === undefined || !child.stdin) return;
  if (typeof stdin === 'string' || stdin instanceof Uint8Array) {
    child.stdin.on('error', () => {}); // The exit code reports the error.
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
