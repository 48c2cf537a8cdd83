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
 * The command line that tests run as an owner does. Apart from the rest of the harness: a test that imports this
 * depends on all of its code (see kola-tests/verdict/).
 */

/** The program, which Node runs as it runs this one. */
const PROGRAM = fileURLToPath(new URL('../../../draisine.ts', import.meta.url));
/** The command, for programs that are started as from a shell. */
export const DRAISINE = fileURLToPath(new URL('../../../draisine', import.meta.url));

/** What `draisine ignition VERB …` writes: a config, made by the verbs that a user has. */
export async function ignitionVerb(
  verb: 'compile' | 'translate',
  ...args: string[]
): Promise<IgnitionConfig> {
  const { stdout } = await promisify(execFile)(DRAISINE, ['ignition', verb, ...args], {
    maxBuffer: 16 << 20,
  });
  return JSON.parse(stdout) as IgnitionConfig;
}

/** `draisine serve IMAGE --http-only`, which does not outlive the harness. */
export interface Served {
  /** Its address for guests of the user network, with a slash at its end. */
  readonly url: string;
  /** The last 16 KiB of what it has printed so far. */
  said(): string;
  close(): Promise<void>;
}

/** Starts `draisine serve IMAGE`, on a port of its own. */
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

/** It is no test process, whatever this one is. */
function serveEnvironment(): Record<string, string> {
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
  return environment as Record<string, string>;
}
