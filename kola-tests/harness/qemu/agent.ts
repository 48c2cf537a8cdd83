import type { Socket } from 'node:net';
import { Failure } from '../../../sdk/lib/errors.ts';
import { indent } from './console.ts';
import { lineSplitter } from './lines.ts';
import { anySignal, type Patience, poll, seconds, within } from './wait.ts';

/*
 * The guest channel: a bash script on a virtio-serial port that the machine gets through its Ignition config.
 *
 *   harness → guest   hello?
 *                     run ID SECONDS SCRIPT-BYTES STDIN-BYTES    then the script, then the input, as they are
 *   guest → harness   :hello BOOT-ID
 *                     :begin ID, base64 lines of stdout, :stderr, base64 lines of stderr, :end ID EXIT-CODE
 *
 * Base64 has no colon. So the `:hello` of a guest that restarts in the middle of an answer is unambiguous.
 */

/** The output of a script as bytes, and its exit code. */
export interface Output {
  /** The shell's exit code: 128 + N after signal N. */
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/** Options for a script in the guest. */
export interface RunOptions {
  /** Default 60 s times the slowness of the machine. The process group is killed after it. */
  readonly timeoutMs: number;
  readonly stdin?: Uint8Array | string;
  readonly signal?: AbortSignal | undefined;
}

/** The agent of a guest, over a virtio port. */
export interface Agent {
  /**
   * Runs a bash script as root. Several may run at the same time. Rejects if the guest reboots meanwhile, or if the
   * time is up.
   */
  run(script: string, options: RunOptions): Promise<Output>;
  /** Waits until the guest answers. Returns its boot id. */
  hello(patience: Patience): Promise<string>;
}

/** The error of calls when QEMU has closed the channel. */
export class ChannelClosed extends Failure {
  constructor() {
    super('the guest channel is closed');
  }
}

/** A script is one argument of bash, and the length of an argument is limited (MAX_ARG_STRLEN, 128 KiB). */
const LONGEST_SCRIPT = 100 * 1024;
/** Additional time for the guest's own time limit. */
const GRACE_MS = 10_000;

interface Call {
  resolve(output: Output): void;
  reject(reason: unknown): void;
}

/** Speaks the protocol over a connected socket. */
export function openAgent(socket: Socket): Agent {
  const calls = new Map<number, Call>();
  let boot: string | undefined;
  let helloes = 0;
  let lastId = 0;
  let answer: { id: number; stdout: string[]; stderr: string[]; current: string[] } | undefined;

  function onLine(line: string): void {
    if (!line.startsWith(':')) {
      answer?.current.push(line);
      return;
    }
    const [word, first, second] = line.slice(1).split(' ');
    if (word === 'hello' && first) onHello(first);
    else if (word === 'begin') {
      const stdout: string[] = [];
      answer = { id: Number(first), stdout, stderr: [], current: stdout };
    } else if (word === 'stderr' && answer) answer.current = answer.stderr;
    else if (word === 'end' && answer && answer.id === Number(first)) {
      const call = calls.get(answer.id);
      call?.resolve({ code: Number(second), stdout: decode(answer.stdout), stderr: decode(answer.stderr) });
      answer = undefined;
    }
  }

  function onHello(id: string): void {
    answer = undefined;
    helloes += 1;
    if (boot !== undefined && boot !== id) fail(new Failure('the guest rebooted'));
    boot = id;
  }

  function fail(reason: Failure): void {
    for (const call of calls.values()) call.reject(reason);
    calls.clear();
  }

  socket.on('data', lineSplitter(onLine));
  socket.on('error', () => {}); // vm.ts notices the end of QEMU.
  socket.on('close', () => fail(new ChannelClosed()));

  return {
    hello: async (patience) => {
      const before = helloes;
      socket.write('hello?\n');
      return await poll('an answer from the guest', async () => (helloes > before ? boot : undefined), {
        ...patience,
        intervalMs: 10,
      });
    },
    run: async (script, { timeoutMs, stdin = '', signal }) => {
      const code = checkedScript(script);
      const input = Buffer.from(stdin);
      lastId += 1;
      const id = lastId;
      const output = new Promise<Output>((resolve, reject) => calls.set(id, { resolve, reject }));
      socket.write(`run ${id} ${(timeoutMs / 1000).toFixed(3)} ${code.length} ${input.length}\n`);
      socket.write(code);
      socket.write(input);
      const start = performance.now();
      try {
        const limits = { timeoutMs: timeoutMs + GRACE_MS, signal: anySignal(signal) };
        const result = await within(output, `no answer to: ${firstLine(script)}`, limits);
        const tookMs = performance.now() - start;
        return endedInTime(result, script, timeoutMs, tookMs);
      } finally {
        calls.delete(id);
      }
    },
  };
}

/** Checks that a script can be an argument of bash, and returns its bytes. */
function checkedScript(script: string): Buffer {
  const code = Buffer.from(script);
  if (code.length > LONGEST_SCRIPT)
    throw new Failure(`a script of ${code.length} bytes is too long: use copyTo`);
  if (code.includes(0)) throw new Failure('a script must not hold a NUL byte');
  return code;
}

/**
 * timeout(1) exits with 124 if the time was up, and with 137 if SIGTERM did not help. A script that ended in time may
 * have the same exit code.
 */
function endedInTime(result: Output, script: string, timeoutMs: number, tookMs: number): Output {
  if ((result.code !== 124 && result.code !== 137) || tookMs < timeoutMs) return result;
  const said = `${result.stdout}${result.stderr}`.trim();
  throw new Failure(
    `still running after ${seconds(timeoutMs)}, killed: ${firstLine(script)}${said ? `\n${indent(said)}` : ''}`,
  );
}

function decode(lines: readonly string[]): Buffer {
  return Buffer.concat(lines.map((line) => Buffer.from(line, 'base64')));
}

/** The first line of a script that does something, for errors. */
export function firstLine(script: string): string {
  const lines = script
    .trim()
    .replace(/^set -e\n\s*/, '')
    .split('\n');
  return lines.length > 1 ? `${lines[0]} …` : (lines[0] ?? '');
}
