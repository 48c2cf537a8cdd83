import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../../../sdk/lib/errors.ts';
import { shellQuote } from '../../../sdk/lib/shell.ts';
import { ChannelClosed, firstLine, type Output } from '../qemu/agent.ts';
import { indent } from '../qemu/console.ts';
import type { Vm } from '../qemu/vm.ts';

/** Seconds at native speed. Under emulation the limit is multiplied. */
export interface Limit {
  readonly seconds?: number;
}

/** How a script runs. */
export interface ExecuteOptions extends Limit {
  readonly stdin?: Uint8Array | string;
}

/** The result of a command. Texts are without trailing newlines, as in `$(…)`. */
export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The parts of a machine that the verbs of its guest use. */
export interface GuestOf {
  /** The machine's name, for errors. */
  readonly name: string;
  /** The running QEMU. Throws if the machine is off. */
  vm(): Vm;
  /** A limit in milliseconds on this host; default: 60 s at native speed. */
  limitMs(limit?: Limit): number;
}

/** Running scripts in a guest, as root, with bash. */
export interface CommandVerbs {
  /**
   * Runs a bash script as root. Returns `{ code, stdout, stderr }` for every exit code; texts are without
   * their last newlines. Throws if the time is up.
   * @example const { code, stderr } = await box.execute('zpool status tank')
   */
  execute(script: string, options?: ExecuteOptions): Promise<Result>;
  /**
   * The same as `execute`, but `stdout` and `stderr` are Buffers with all bytes.
   * @example const { stdout } = await box.output('cat /srv/photo.raw')
   */
  output(script: string, options?: ExecuteOptions): Promise<Output>;
  /**
   * Runs a script that must exit 0, else it throws with the output. In a script of several lines, each line
   * must succeed (`set -e`). Returns stdout.
   * @example assert.equal(await box.succeed('hostname'), 'lab')
   */
  succeed(script: string, options?: ExecuteOptions): Promise<string>;
  /**
   * Runs a script that must fail, else it throws. Exit codes 126 and 127 mean a missing command and throw as
   * well. Returns stdout and stderr as one text.
   * @example assert.match(await box.fail('zpool import tank'), /no such pool/)
   */
  fail(script: string, options?: ExecuteOptions): Promise<string>;
  /**
   * Returns the journal of this boot as text, of all units or of one.
   * @example assert.match(await box.journal('ssh.service'), /Server listening/)
   */
  journal(unit?: string): Promise<string>;
}

/** Time in which the reason of a closed channel becomes known. */
const CLOSING_MS = 2_000;

/** The verbs that run scripts, through the agent of a guest. */
export function commandVerbs({ name, vm, limitMs }: GuestOf): CommandVerbs {
  async function output(script: string, options: ExecuteOptions = {}): Promise<Output> {
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
    const { code, stdout, stderr } = await output(script, options);
    return { code, stdout: trimmed(stdout), stderr: trimmed(stderr) };
  }

  async function succeed(script: string, options: ExecuteOptions = {}): Promise<string> {
    // Without it, the exit code of a script is that of its last line, and a check in an earlier line cannot fail.
    const checked = script.trim().includes('\n') ? `set -e\n${script}` : script;
    const result = await execute(checked, options);
    if (result.code !== 0)
      throw new Failure(`${name}: exit ${result.code} of: ${firstLine(script)}${said(result)}`);
    return result.stdout;
  }

  return {
    execute,
    output,
    succeed,
    fail: async (script, options) => {
      const result = await execute(script, options);
      const { code } = result;
      if (code === 0) throw new Failure(`${name}: should have failed: ${firstLine(script)}${said(result)}`);
      // These codes are the shell's own: the command that should fail was not run at all.
      if (code === 126 || code === 127)
        throw new Failure(`${name}: could not be run (exit ${code}): ${firstLine(script)}${said(result)}`);
      return `${result.stdout}${result.stderr}`;
    },
    journal: async (unit) => {
      const only = unit === undefined ? '' : ` --unit=${shellQuote(unit)}`;
      return await succeed(`journalctl --boot --no-pager --output=short-monotonic${only}`);
    },
  };
}

/** The channel closes a moment before the end of QEMU is known. The reason of that end is the better error. */
async function reasonOfClosing(error: unknown, lost: AbortSignal): Promise<unknown> {
  if (!(error instanceof ChannelClosed)) return error;
  if (!lost.aborted) await Promise.race([once(lost, 'abort'), sleep(CLOSING_MS, undefined, { ref: false })]);
  return lost.aborted ? lost.reason : error;
}

/** The last `count` lines of a text. */
export function lastLines(text: string, count: number): string {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}

/** The bytes as text without trailing newlines, as in `$(…)`. */
export function trimmed(bytes: Buffer): string {
  return bytes.toString().replace(/\n+$/, '');
}

/** The output of a command, as an addition to an error; empty if there was none. */
export function said({ stdout, stderr }: Result): string {
  const text = [stdout, stderr].filter((part) => part !== '').join('\n');
  return text === '' ? '' : `\n${indent(lastLines(text, 40))}`;
}
