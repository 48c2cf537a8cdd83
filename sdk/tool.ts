import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from './lib/errors.ts';
import { type ProcessOptions, runProcess, type ToolCommand } from './process.ts';

export type { ToolCommand } from './process.ts';

const LIBRARY_DIRS = ['usr/lib/x86_64-linux-gnu', 'usr/lib/x86_64-linux-gnu/systemd', 'usr/lib/systemd'];
const BINARY_DIRS = ['usr/bin', 'usr/sbin', 'usr/lib/systemd', 'usr/libexec'];

/**
 * The command that runs a tool of an unpacked Debian tree, without a chroot or namespace. It calls the tree's own
 * dynamic linker, so the host's libraries and glibc do not matter (ld.so(8)). The environment inherits nothing: no
 * locale, time zone or path of this machine reaches the tool.
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

/** Options for running a tool. */
export interface RunOptions extends Omit<ProcessOptions, 'stdout'> {
  /** Variables added to the command's environment. */
  readonly env?: NodeJS.ProcessEnv;
}

/** Runs a tool of an unpacked Debian tree to its end and returns its stdout. A non-zero exit is a ToolFailure. */
export async function runTool(
  root: string,
  tool: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Buffer> {
  return await runCommand(toolCommand(root, tool, args), tool, options);
}

/** A program that ended with an error. */
export class ToolFailure extends Failure {
  /** Its exit code; null if a signal ended it. */
  readonly exit: number | null;
  /** The end of its stderr, or of its stdout if stderr is empty. */
  readonly said: string;

  constructor(what: string, where: string, exit: number | null, said: string) {
    super(`${what}\n${said}`, { where });
    this.exit = exit;
    this.said = said;
  }
}

/** Runs any command to its end. `name`: its name in errors. A non-zero exit is a ToolFailure. */
export async function runCommand(
  command: ToolCommand,
  name: string,
  { env, ...options }: RunOptions = {},
): Promise<Buffer> {
  const { code, signal, stdout, stderr } = await runProcess(
    { ...command, env: { ...command.env, ...env } },
    options,
  );
  if (code === 0) return stdout;
  const said = (stderr === '' ? stdout.toString() : stderr).trim();
  const words = [name, ...command.args.slice(command.args.indexOf('--library-path') + 3)];
  const what = `${name} failed (${signal ?? `exit ${code}`})`;
  throw new ToolFailure(what, words.join(' ').slice(0, 2000), signal ? null : code, said);
}
