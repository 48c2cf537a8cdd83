import type { ChildProcess } from 'node:child_process';
import { statSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, join } from 'node:path';
import { badInput, Failure } from '../../sdk/lib/errors.ts';
import { firstLine } from '../../sdk/lib/read.ts';
import { runProcess } from '../../sdk/process.ts';
import { sandboxCommand } from '../../sdk/sandbox.ts';
import { type ToolCommand, toolCommand } from '../../sdk/tool.ts';
import { sdkTree } from '../image/sdk.ts';

/** Sets whose tools `sdk run` looks for, in this order. */
const TOOL_SETS = ['sdk-image', 'sdk-qemu', 'sdk-serve', 'sdk-registry', 'sdk-compile'];

/**
 * `sdk run -- TOOL…` runs the tool of the first tree that has it, on this terminal. Resolves to its exit
 * code.
 */
export async function sdkRun(tool: string | undefined, args: readonly string[]): Promise<number> {
  if (tool === undefined)
    throw badInput('no tool was named', { hint: './draisine sdk run -- mkfs.erofs --help' });
  if (/^(\.{0,2}|.*\/.*)$/s.test(tool)) {
    throw badInput(`${JSON.stringify(tool)} is not the name of a tool`, {
      hint: 'name it without its folder: mkfs.erofs',
    });
  }
  for (const set of TOOL_SETS) {
    const command = findTool(await sdkTree(set), tool, args);
    if (command !== undefined) return await onTerminal(command);
  }
  throw badInput(`no tool ${tool} in ${TOOL_SETS.join(', ')}`, {
    hint: 'add its package to packages/sets/sdk.ts, then ./draisine lock --update',
  });
}

/** `sdk shell` starts a shell in the compiler's tree, as recipes see it. The working directory is /build. */
export async function sdkShell(): Promise<number> {
  const compiler = await sdkTree('sdk-compile');
  const here = { from: process.cwd(), to: '/build', writable: true };
  const shell = { root: compiler, argv: ['/bin/bash', '-i'], binds: [here], cwd: '/build' };
  return await onTerminal(sandboxCommand(await sdkTree('sdk-image'), shell));
}

/**
 * The command for a tool of a tree, with its interpreter if it is a script; undefined if the tree does not
 * have it.
 */
export function findTool(root: string, tool: string, args: readonly string[]): ToolCommand | undefined {
  let command: ToolCommand;
  try {
    command = toolCommand(root, tool, args);
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
  const binary = command.args[2] ?? '';
  if (!statSync(binary).isFile()) return undefined;
  const interpreter = interpreterOf(binary);
  const program = interpreter === undefined ? command : toolCommand(root, interpreter, [binary, ...args]);
  if (!(interpreter ?? tool).startsWith('python')) return program;
  // The tool looks for its library in the folder of its own program. That program is the dynamic linker here,
  // and the tool would write into its folder.
  const python = { PYTHONHOME: join(root, 'usr'), PYTHONDONTWRITEBYTECODE: '1' };
  return { ...program, env: { ...program.env, ...python } };
}

/** The interpreter that the first line of a script names; undefined for a binary. */
function interpreterOf(path: string): string | undefined {
  const [, program = '', argument = ''] = /^#![ \t]*(\S+)[ \t]*(\S*)/.exec(firstLine(path)) ?? [];
  return basename(program) === 'env' ? argument : basename(program) || undefined;
}

/** Runs a tool on this terminal. Resolves to its exit code, in the form of a shell. */
async function onTerminal(command: ToolCommand): Promise<number> {
  let child: ChildProcess | undefined;
  // The terminal sends Ctrl-C to the tool as well, and the tool decides what to do.
  const interrupted = () => {
    if (!process.stdin.isTTY) child?.kill('SIGINT');
  };
  const ended = (signal: NodeJS.Signals) => child?.kill(signal);
  process.on('SIGINT', interrupted).on('SIGTERM', ended).on('SIGHUP', ended);
  try {
    const env = { ...command.env, TERM: process.env.TERM ?? 'dumb' };
    const onStart = (started: ChildProcess) => {
      child = started;
    };
    const { code, signal } = await runProcess({ ...command, env }, { stdout: 'terminal', onStart });
    return signal ? 128 + constants.signals[signal] : (code ?? 1);
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', ended).off('SIGHUP', ended);
  }
}
