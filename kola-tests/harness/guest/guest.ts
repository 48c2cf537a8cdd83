import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../../../sdk/lib/errors.ts';
import type { Acceleration } from '../qemu/accel.ts';
import { CHANNEL_CLOSED, firstLine, type Output } from '../qemu/agent.ts';
import { indent } from '../qemu/console.ts';
import type { Vm } from '../qemu/vm.ts';
import { poll, seconds } from '../qemu/wait.ts';

/** Seconds as on the machine's native speed: emulation gets them multiplied. */
export interface Limit {
  readonly seconds?: number;
}

export interface ExecuteOptions extends Limit {
  readonly stdin?: Uint8Array | string;
}

/** Text of a command, with the trailing newlines of stdout cut off as `$(…)` does. */
export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a test does in a guest. Every wait ends at once when QEMU ends, the kernel panics or emergency mode comes up. */
export interface GuestVerbs {
  /** Runs a bash script as root and returns how it went. */
  execute(script: string, options?: ExecuteOptions): Promise<Result>;
  /** As `execute`, but what it printed is as it came. */
  output(script: string, options?: ExecuteOptions): Promise<Output>;
  /** Runs a script that must exit 0; returns its stdout. */
  succeed(script: string, options?: ExecuteOptions): Promise<string>;
  /** Runs a script that must not exit 0, nor 126 or 127 for a command that is not there; returns its stdout and stderr. */
  fail(script: string, options?: ExecuteOptions): Promise<string>;
  /** Runs the script again until it exits 0; returns its stdout. */
  waitUntilSucceeds(script: string, options?: Limit): Promise<string>;
  /** Until the unit is active. Fails at once, with its journal, when it has failed or does not exist. */
  waitForUnit(unit: string, options?: Limit): Promise<void>;
  waitForFile(path: string, options?: Limit): Promise<void>;
  /** Until something accepts TCP connections at `address` (default 127.0.0.1) in the guest. */
  waitForPort(port: number, options?: Limit & { readonly address?: string }): Promise<void>;
  waitForConsole(pattern: RegExp, options?: Limit & { readonly since?: number }): Promise<RegExpExecArray>;
  /** The journal of this boot, or of one unit. */
  journal(unit?: string): Promise<string>;
  /** Calls `attempt` until it does not throw; the last error is thrown when time is up. */
  retry<T>(attempt: () => Promise<T>, options?: Limit): Promise<T>;
  /** What the display shows, as a PNG file of the host. */
  screenshot(path: string): Promise<void>;
  /** Presses keys of the keyboard, each e.g. `a`, `ret` or `ctrl-alt-delete` (QKeyCode names). */
  sendKeys(...keys: string[]): Promise<void>;
  /** Copies a file of the host, or bytes, to a path of the guest. */
  copyTo(source: string | Uint8Array, path: string, options?: { readonly mode?: number }): Promise<void>;
  /** Copies a file of the guest; to a path of the host if given. Returns the bytes. */
  copyFrom(path: string, to?: string): Promise<Buffer>;
}

const DEFAULT_SECONDS = 60;
const CHUNK = 1 << 20;
const CLOSING_MS = 2_000;

/** `patience` multiplies all limits. */
export function guestVerbs(
  { slowness }: Pick<Acceleration, 'slowness'>,
  name: string,
  vm: () => Vm,
  patience: () => number = () => 1,
): GuestVerbs {
  const limitMs = ({ seconds = DEFAULT_SECONDS }: Limit = {}): number =>
    seconds * 1000 * slowness * patience();

  async function raw(script: string, options: ExecuteOptions = {}): Promise<Output> {
    const { agent, lost } = vm();
    const { stdin } = options;
    try {
      return await agent.run(script, {
        timeoutMs: limitMs(options),
        signal: lost,
        ...(stdin === undefined ? {} : { stdin }),
      });
    } catch (error) {
      throw await reasonOfClosing(error, lost);
    }
  }

  async function execute(script: string, options: ExecuteOptions = {}): Promise<Result> {
    const { code, stdout, stderr } = await raw(script, options);
    return { code, stdout: trimmed(stdout), stderr: trimmed(stderr) };
  }

  async function succeed(script: string, options: ExecuteOptions = {}): Promise<string> {
    const result = await execute(script, options);
    if (result.code !== 0)
      throw new Failure(`${name}: exit ${result.code} of: ${firstLine(script)}${said(result)}`);
    return result.stdout;
  }

  async function waitFor<T>(
    what: string,
    ask: () => Promise<T | undefined>,
    options: Limit = {},
  ): Promise<T> {
    return await poll(`${name}: ${what}`, ask, {
      timeoutMs: limitMs(options),
      signal: vm().lost,
      intervalMs: 100,
    });
  }

  async function journal(unit?: string): Promise<string> {
    return await succeed(
      `journalctl --boot --no-pager --output=short-monotonic${unit === undefined ? '' : ` --unit=${quote(unit)}`}`,
    );
  }

  async function waitForUnit(unit: string, options: Limit = {}): Promise<void> {
    const show = `systemctl show --property=LoadState,ActiveState,SubState,Job,Result ${quote(unit)}`;
    await waitFor(
      `unit ${unit} active`,
      async () => {
        const state = new Map((await succeed(show)).split('\n').map((line) => splitOnce(line)));
        const [load, active, job] = ['LoadState', 'ActiveState', 'Job'].map((key) => state.get(key) ?? '');
        if (active === 'active') return true;
        const pending = job !== '' && job !== '0';
        if (load === 'not-found') throw new Failure(`${name}: there is no unit ${unit}`);
        if (active === 'failed' || (active === 'inactive' && !pending && load !== 'loaded')) {
          throw new Failure(
            `${name}: unit ${unit} is ${active} (${state.get('Result')}, ${load})\n${indent(lastLines(await journal(unit), 40))}`,
          );
        }
        return undefined;
      },
      options,
    );
  }

  return {
    execute,
    output: raw,
    succeed,
    fail: async (script, options) => {
      const result = await execute(script, options);
      if (result.code === 0)
        throw new Failure(`${name}: should have failed: ${firstLine(script)}${said(result)}`);
      // The shell's own: what was meant to fail was not run at all.
      if (result.code === 126 || result.code === 127)
        throw new Failure(
          `${name}: could not be run (exit ${result.code}): ${firstLine(script)}${said(result)}`,
        );
      return `${result.stdout}${result.stderr}`;
    },
    waitUntilSucceeds: async (script, options) => {
      let last: Result | undefined;
      try {
        return await waitFor(
          `success of: ${firstLine(script)}`,
          async () => {
            last = await execute(script);
            return last.code === 0 ? last.stdout : undefined;
          },
          options,
        );
      } catch (error) {
        if (error instanceof Failure && last)
          throw new Failure(`${error.message}${said(last)}`, { cause: error });
        throw error;
      }
    },
    waitForUnit,
    waitForFile: async (path, options = {}) => {
      // The loop runs in the guest: one answer instead of many questions.
      const limit = limitMs(options);
      const script = `for ((i = 0; i < ${Math.ceil(limit / 50)}; i++)); do [[ -e ${quote(path)} ]] && exit 0; sleep 0.05; done; exit 1`;
      const { agent, lost } = vm();
      const { code } = await agent.run(script, { timeoutMs: 2 * limit, signal: lost });
      if (code !== 0) throw new Failure(`${name}: no ${path} after ${seconds(limit)}`);
    },
    waitForPort: async (port, { address = '127.0.0.1', ...options } = {}) => {
      await waitFor(
        `port ${port} of ${address} open`,
        async () => {
          const { code } = await execute(`exec 9<>/dev/tcp/${address}/${port}`);
          return code === 0 ? true : undefined;
        },
        options,
      );
    },
    waitForConsole: async (pattern, { since, ...options } = {}) => {
      const { console, lost } = vm();
      return await console.waitFor(pattern, {
        timeoutMs: limitMs(options),
        signal: lost,
        ...(since === undefined ? {} : { since }),
      });
    },
    journal,
    retry: async (attempt, options) => {
      const { lost } = vm();
      let last: unknown;
      try {
        return await waitFor(
          'success',
          async () => {
            try {
              return { value: await attempt() };
            } catch (error) {
              last = error;
              return undefined;
            }
          },
          options,
        ).then(({ value }) => value);
      } catch (error) {
        throw lost.aborted ? error : (last ?? error);
      }
    },
    screenshot: async (path) => {
      await mkdir(dirname(path), { recursive: true });
      await vm().qmp.execute('screendump', { filename: path, format: 'png' });
    },
    sendKeys: async (...keys) => {
      for (const key of keys) {
        await vm().qmp.execute('send-key', { keys: key.split('-').map((data) => ({ type: 'qcode', data })) });
      }
    },
    copyTo: async (source, path, { mode = 0o644 } = {}) => {
      const target = quote(path);
      await succeed(`mkdir -p "$(dirname ${target})" && : >${target} && chmod ${mode.toString(8)} ${target}`);
      const chunks =
        typeof source === 'string' ? createReadStream(source, { highWaterMark: CHUNK }) : slices(source);
      for await (const chunk of chunks) await succeed(`cat >>${target}`, { stdin: chunk as Uint8Array });
    },
    copyFrom: async (path, to) => {
      const parts: Buffer[] = [];
      for (let index = 0; ; index += 1) {
        const { code, stdout, stderr } = await raw(
          `dd if=${quote(path)} bs=${CHUNK} skip=${index} count=1 status=none`,
        );
        if (code !== 0) throw new Failure(`${name}: cannot read ${path}: ${trimmed(stderr)}`);
        parts.push(stdout);
        if (stdout.length < CHUNK) break;
      }
      const bytes = Buffer.concat(parts);
      if (to !== undefined) {
        await mkdir(dirname(to), { recursive: true });
        await writeFile(to, bytes);
      }
      return bytes;
    },
  };
}

/** The channel closes a moment before QEMU's end is known, which is what one wants to read. */
async function reasonOfClosing(error: unknown, lost: AbortSignal): Promise<unknown> {
  if (!(error instanceof Failure) || error.message !== CHANNEL_CLOSED) return error;
  if (!lost.aborted) await Promise.race([once(lost, 'abort'), sleep(CLOSING_MS, undefined, { ref: false })]);
  return lost.aborted ? lost.reason : error;
}

function* slices(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += CHUNK) yield bytes.subarray(at, at + CHUNK);
}

/** A word for the shell, whatever it holds. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

export function lastLines(text: string, count: number): string {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}

function trimmed(bytes: Buffer): string {
  return bytes.toString().replace(/\n+$/, '');
}

function splitOnce(line: string): [string, string] {
  const at = line.indexOf('=');
  return [line.slice(0, at), line.slice(at + 1)];
}

function said({ stdout, stderr }: Result): string {
  const text = [stdout, stderr].filter((part) => part !== '').join('\n');
  return text === '' ? '' : `\n${indent(lastLines(text, 40))}`;
}
