import { join } from 'node:path';
import { runTool } from '../../sdk/tool.ts';

/** Runs ukify of the tool tree: a Python program, whose interpreter is told where its library is. */
export async function runUkify(
  sdk: string,
  args: readonly string[],
  {
    scratch,
    signal,
    epoch,
  }: { readonly scratch: string; readonly signal: AbortSignal; readonly epoch: number },
): Promise<void> {
  await runTool(sdk, 'python3', [join(sdk, 'usr/bin/ukify'), ...args], {
    cwd: scratch,
    signal,
    env: {
      PYTHONHOME: join(sdk, 'usr'),
      PYTHONDONTWRITEBYTECODE: '1',
      SOURCE_DATE_EPOCH: String(epoch),
    },
  });
}
