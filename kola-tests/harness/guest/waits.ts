import { Failure } from '../../../sdk/lib/errors.ts';
import { shellQuote } from '../../../sdk/lib/shell.ts';
import { firstLine } from '../qemu/agent.ts';
import { indent } from '../qemu/console.ts';
import { poll, seconds } from '../qemu/wait.ts';
import { type CommandVerbs, type GuestOf, type Limit, lastLines, type Result, said } from './commands.ts';

/** Verbs that wait for a state of a guest. */
export interface WaitVerbs {
  /**
   * Runs the script again and again until it exits 0. Returns its stdout. Throws with the last output if the
   * time is up.
   * @example await box.waitUntilSucceeds('podman healthcheck run web', { seconds: 90 })
   */
  waitUntilSucceeds(script: string, options?: Limit): Promise<string>;
  /**
   * Waits until the unit is active. Throws at once, with its journal, if the unit has failed or does not
   * exist.
   * @example await box.waitForUnit('multi-user.target')
   */
  waitForUnit(unit: string, options?: Limit): Promise<void>;
  /**
   * Waits until the path exists, or each of several paths. Its type does not matter.
   * @example await box.waitForFile('/run/ready')
   */
  waitForFile(path: string | readonly string[], options?: Limit): Promise<void>;
  /**
   * Waits until a program in the guest accepts TCP connections at the port of `address` (default 127.0.0.1).
   * @example await box.waitForPort(8080)
   */
  waitForPort(port: number, options?: Limit & { readonly address?: string }): Promise<void>;
  /**
   * Waits until the text of the serial console matches. `since` is a position in the text; default: its
   * beginning. Returns the match.
   * @example await box.waitForConsole(/login:/)
   */
  waitForConsole(pattern: RegExp, options?: Limit & { readonly since?: number }): Promise<RegExpExecArray>;
  /**
   * Calls `attempt` until it does not throw, and returns its result. Throws the last error if the time is up.
   * @example await box.retry(async () => assert.equal(await health(box), 'ok'), { seconds: 30 })
   */
  retry<T>(attempt: () => Promise<T>, options?: Limit): Promise<T>;
}

/** Makes the verbs that wait for a state of a guest. */
export function waitVerbs({ name, vm, limitMs }: GuestOf, commands: CommandVerbs): WaitVerbs {
  const { execute } = commands;

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

  async function waitUntilSucceeds(script: string, options?: Limit): Promise<string> {
    let last: Result | undefined;
    const attempt = async (): Promise<string | undefined> => {
      last = await execute(script);
      return last.code === 0 ? last.stdout : undefined;
    };
    try {
      return await waitFor(`success of: ${firstLine(script)}`, attempt, options);
    } catch (error) {
      if (error instanceof Failure && last)
        throw new Failure(`${error.message}${said(last)}`, { cause: error });
      throw error;
    }
  }

  async function retry<T>(attempt: () => Promise<T>, options?: Limit): Promise<T> {
    const { lost } = vm();
    let last: unknown;
    const once = async (): Promise<{ value: T } | undefined> => {
      try {
        return { value: await attempt() };
      } catch (error) {
        last = error;
        return undefined;
      }
    };
    try {
      return (await waitFor('success', once, options)).value;
    } catch (error) {
      throw lost.aborted ? error : (last ?? error);
    }
  }

  return {
    waitUntilSucceeds,
    retry,
    waitForUnit: async (unit, options) => {
      await waitFor(`unit ${unit} active`, async () => await isActive(name, commands, unit), options);
    },
    waitForFile: async (path, options) => {
      const limit = limitMs(options);
      const { agent, lost } = vm();
      const script = waitingFor([path].flat(), Math.ceil(limit / PAUSE_MS));
      const { code, stdout } = await agent.run(script, { timeoutMs: 2 * limit, signal: lost });
      if (code !== 0)
        throw new Failure(`${name}: no ${stdout.toString().trim() || path} after ${seconds(limit)}`);
    },
    waitForPort: async (port, { address = '127.0.0.1', ...options } = {}) => {
      const open = async (): Promise<true | undefined> => {
        const { code } = await execute(`exec 9<>/dev/tcp/${address}/${port}`);
        return code === 0 ? true : undefined;
      };
      await waitFor(`port ${port} of ${address} open`, open, options);
    },
    waitForConsole: async (pattern, { since, ...options } = {}) => {
      const { console, lost } = vm();
      return await console.waitFor(pattern, {
        timeoutMs: limitMs(options),
        signal: lost,
        ...(since === undefined ? {} : { since }),
      });
    },
  };
}

const PAUSE_MS = 50;

/**
 * A script that waits for paths, and prints the missing one after so many pauses. The loop runs in the guest, so that one
 * request is enough. It reads from a pipe that nobody writes to, because sleep(1) would be a process for each pause.
 */
function waitingFor(paths: readonly string[], pauses: number): string {
  return `paths=(${paths.map(shellQuote).join(' ')})
    left=${pauses}
    exec 9<> <(:)
    for path in "\${paths[@]}"; do
      until [[ -e $path ]]; do
        ((left-- > 0)) || { echo "$path"; exit 1; }
        read -r -t ${PAUSE_MS / 1000} -u 9
      done
    done
    exit 0`;
}

/** True if a unit is active; undefined while it may become active. Throws if it has failed or does not exist. */
async function isActive(
  name: string,
  { succeed, journal }: CommandVerbs,
  unit: string,
): Promise<true | undefined> {
  const show = `systemctl show --property=LoadState,ActiveState,SubState,Job,Result ${shellQuote(unit)}`;
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
}

function splitOnce(line: string): [string, string] {
  const at = line.indexOf('=');
  return [line.slice(0, at), line.slice(at + 1)];
}
