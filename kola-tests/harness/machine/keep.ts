import { openSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { ReadStream } from 'node:tty';
import { describeFailure, Failure } from '../../../sdk/lib/errors.ts';
import { openShell, type ShellOptions } from '../guest/shell.ts';
import { lineSplitter } from '../qemu/lines.ts';
import { seconds } from '../qemu/wait.ts';
import type { Machine } from './machine.ts';

/*
 * Machines that are kept after their test. This process stays, and other processes reach each machine through a socket
 * in its folder. The guest channel and the console have only one reader. So this process passes them on.
 *
 *   client → server   one line of JSON, a Request
 *   server → client   of `run`: one line of JSON, an Answer. Of `shell`: from then on the terminal's bytes, both ways
 */

/** A request of `kola attach` to a kept machine. */
export type Request =
  | { readonly run: string }
  | { readonly shell: Pick<ShellOptions, 'columns' | 'rows' | 'terminal'> };

/** Streams in base64. */
export type Answer =
  | { readonly code: number; readonly stdout: string; readonly stderr: string }
  | { readonly error: string };

/** The machines that are kept after a test, and the time limit. */
export interface Keep {
  readonly when: 'failed' | 'always';
  /** Time until they end by themselves. Undefined: they end only when Enter is pressed on the terminal. */
  readonly limitMs?: number;
}

/** The socket through which `kola attach` reaches a kept machine. */
export function attachSocket(dir: string): string {
  return join(dir, 'attach.sock');
}

/** Keeps the machines of a test until somebody presses Enter or the time is up. `say` prints a line. */
export async function keepMachines(
  test: string,
  machines: readonly Machine[],
  { limitMs }: Keep,
  say: (line: string) => void,
): Promise<void> {
  const servers: Server[] = [];
  try {
    say(`kola: the machines of ${test} are kept`);
    for (const machine of machines) {
      if (machine.isOn()) servers.push(await serveMachine(machine));
      for (const line of await waysIn(machine)) say(`kola:   ${line}`);
    }
    const limit = limitMs === undefined ? '' : ` or ${seconds(limitMs)} have passed`;
    say(`kola: they end when you press Enter on this terminal${limit}; Ctrl-C ends them and the whole run`);
    await released(limitMs);
  } finally {
    for (const server of servers) server.close();
  }
}

async function waysIn(machine: Machine): Promise<string[]> {
  const { name, dir } = machine;
  if (!machine.isOn()) return [`${name} is off; its disks and console are in ${dir}`];
  const ways = [
    `${name}: ./draisine kola attach ${dir}`,
    `${' '.repeat(name.length)}  opens a root shell on its console; with a command at the end, runs that command`,
  ];
  try {
    ways.push(
      `${' '.repeat(name.length)}  ssh -p ${await machine.forward(22)} root@127.0.0.1, with a key of its config`,
    );
  } catch (error) {
    if (!(error instanceof Failure)) throw error; // The machine has no NIC on the user network.
  }
  return ways;
}

/** Lets `kola attach` into a machine. */
export async function serveMachine(
  machine: Pick<Machine, 'dir' | 'output' | 'succeed' | 'vm' | 'waitUntilSucceeds'>,
): Promise<Server> {
  const server = createServer((client) => {
    client.on('error', () => {}); // 'close' follows
    const onBytes = lineSplitter((line) => {
      client.off('data', onBytes);
      void serve(machine, line, client).catch((error: unknown) =>
        answer(client, { error: error instanceof Failure ? describeFailure(error) : String(error) }),
      );
    });
    client.on('data', onBytes);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(attachSocket(machine.dir), resolve);
  });
  return server;
}

const COMMAND_SECONDS = 600;

async function serve(
  machine: Parameters<typeof serveMachine>[0],
  line: string,
  client: Socket,
): Promise<void> {
  const request = JSON.parse(line) as Request;
  if ('run' in request) {
    const { code, stdout, stderr } = await machine.output(request.run, { seconds: COMMAND_SECONDS });
    return answer(client, { code, stdout: stdout.toString('base64'), stderr: stderr.toString('base64') });
  }
  const shell = await openShell(machine, {
    ...request.shell,
    onOutput: (bytes) => void client.write(bytes),
  });
  client.on('data', (bytes: Buffer) => shell.write(bytes));
  client.once('close', () => shell.close());
  await shell.ended;
  shell.close();
  client.end();
}

function answer(client: Socket, message: Answer): void {
  client.end(`${JSON.stringify(message)}\n`);
}

/**
 * Waits for Enter on the terminal of this session, or for the time limit. A test process has that terminal, although
 * its stdin is another file.
 */
async function released(limitMs: number | undefined): Promise<void> {
  const terminal = openTerminal();
  if (!terminal && limitMs === undefined)
    throw new Failure('there is no terminal to press Enter on', { hint: 'give --keep-for a time' });
  let timer: NodeJS.Timeout | undefined;
  await new Promise<void>((resolve) => {
    terminal?.once('data', () => resolve());
    if (limitMs !== undefined) timer = setTimeout(resolve, limitMs);
  });
  clearTimeout(timer);
  terminal?.destroy();
}

function openTerminal(): ReadStream | undefined {
  try {
    return new ReadStream(openSync('/dev/tty', 'r+'));
  } catch {
    return undefined; // ENXIO, ENOENT, EIO, EACCES: in each case there is no terminal.
  }
}
