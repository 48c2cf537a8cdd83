import { spawn } from 'node:child_process';
import { badInput, Failure } from '../../sdk/lib/errors.ts';
import { sandboxCommand } from '../../sdk/sandbox.ts';
import { type ToolCommand, toolCommand } from '../../sdk/tool.ts';
import { sdkTree } from '../image/sdk.ts';

/** Sets whose tools `sdk run` looks for, in this order. */
const TOOL_SETS = ['sdk-image', 'sdk-qemu', 'sdk-serve', 'sdk-registry', 'sdk-compile'];

/** `sdk run -- TOOL…`: the tool of the first tree that has it, on this terminal. Resolves to its exit code. */
export async function sdkRun(tool: string | undefined, args: readonly string[]): Promise<number> {
  if (tool === undefined) throw badInput('which tool?', { mend: './draisine sdk run -- mkfs.erofs --help' });
  for (const set of TOOL_SETS) {
    let command: ToolCommand;
    try {
      command = toolCommand(await sdkTree(set), tool, args);
    } catch (error) {
      if (error instanceof Failure && /has no/.test(error.message)) continue;
      throw error;
    }
    return await onTerminal(command);
  }
  throw badInput(`no tool ${tool} in ${TOOL_SETS.join(', ')}`, {
    mend: 'add its package to packages/sets/sdk.ts, then ./draisine lock --update',
  });
}

/** `sdk shell`: a shell in the compiler's tree, as recipes see it; the working directory is /build. */
export async function sdkShell(): Promise<number> {
  const compiler = await sdkTree('sdk-compile');
  const here = { from: process.cwd(), to: '/build', writable: true };
  return await onTerminal(
    sandboxCommand(await sdkTree('sdk-image'), compiler, ['/bin/bash', '-i'], [here], '/build'),
  );
}

function onTerminal(command: ToolCommand): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command.file, command.args, {
      stdio: 'inherit',
      env: { ...command.env, TERM: process.env.TERM ?? 'dumb' },
    });
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? (signal ? 130 : 1)));
  });
}
