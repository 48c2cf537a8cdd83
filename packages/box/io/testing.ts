import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { sdkTree } from '../../../build/image/sdk.ts';
import { CHECKOUT } from '../../../sdk/lib/checkout.ts';
import { type ToolCommand, toolCommand } from '../../../sdk/tool.ts';
import { bundleBox } from '../bundle.ts';

/** A folder that is removed at the end of the test. */
export function testFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'draisine-box-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** How to run a module of the checkout under the box's own interpreter. */
export async function quickjsCommand(
  folder: string,
  entry: string | undefined,
  args: readonly string[],
): Promise<ToolCommand> {
  const bundle = join(folder, 'bundle.js');
  writeFileSync(bundle, await bundleBox(CHECKOUT, entry));
  const command = toolCommand(await sdkTree('sdk-box'), 'qjs', [
    '--memory-limit',
    '64M',
    '-m',
    bundle,
    ...args,
  ]);
  // It runs the programs of this machine.
  return { ...command, env: { ...command.env, PATH: process.env.PATH } };
}
