import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Failure } from '../../../sdk/lib/errors.ts';
import { newMachineDir } from '../qemu/rundir.ts';
import { supervise } from '../qemu/supervise.ts';
import { poll } from '../qemu/wait.ts';
import type { IgnitionConfig } from './ignition.ts';
import { HOST } from './web.ts';

/*
 * Runs the command line for tests, in the way of an owner. It is apart from the rest of the harness, because a test
 * that imports this module depends on all code of the command line (see kola-tests/verdict/).
 */

/** The entry of the command line. Node runs it with the options of this process. */
const PROGRAM = fileURLToPath(new URL('../../../draisine.ts', import.meta.url));
/** The command as a user starts it from a shell. */
export const DRAISINE = fileURLToPath(new URL('../../../draisine', import.meta.url));

/** Runs `draisine ignition VERB …` and returns the config that it writes. */
export async function ignitionVerb(
  verb: 'compile' | 'translate',
  ...args: string[]
): Promise<IgnitionConfig> {
  const { stdout } = await promisify(execFile)(DRAISINE, ['ignition', verb, ...args], {
    maxBuffer: 16 << 20,
  });
  return JSON.parse(stdout) as IgnitionConfig;
}

/** A running `draisine serve IMAGE --http-only`. It ends with the harness. */
export interface Served {
  /** The address for guests on the user network, with a slash at its end. */
  readonly url: string;
  /** The last 16 KiB of its output so far. */
  said(): string;
  close(): Promise<void>;
}

/** Starts `draisine serve IMAGE` on a free port. */
export async function startServe(image: string, ...options: readonly string[]): Promise<Served> {
  const args = [PROGRAM, 'serve', image, '--http-only', '--port', '0', ...options];
  // With the options of this process: the loader of TypeScript.
  const command = { file: process.execPath, args: [...process.execArgv, ...args], env: serveEnvironment() };
  const server = await supervise(command, await newMachineDir());
  try {
    const port = await Promise.race([
      poll('serve', async () => /http:\/\/127\.0\.0\.1:(\d+)\//.exec(server.said())?.[1], {
        timeoutMs: 120_000,
      }),
      server.ended.then(({ output }) => {
        throw new Failure(`serve ended: ${output.trim()}`);
      }),
    ]);
    return {
      url: `http://${HOST}:${port}/`,
      said: server.said,
      close: async () => void (await server.kill()),
    };
  } catch (error) {
    await server.kill();
    throw error;
  }
}

/** The environment without node:test's variables, because the server is not a test process. */
function serveEnvironment(): Record<string, string> {
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
  return environment as Record<string, string>;
}
