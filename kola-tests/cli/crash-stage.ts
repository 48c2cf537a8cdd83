import { fileURLToPath } from 'node:url';
import { CRASH_OPTIONS, type CrashSuite } from '../harness/crash/suite-options.ts';
import { qemuTree } from '../harness/qemu/tree.ts';
import { OUT } from './options.ts';
import type { Stage } from './stages.ts';

/** How many states of each flow `test --all` really boots. */
const BOOT = 8;

/** As reports call the stage. */
export const crashStageName = (image: string): string => `crash states of ${image}`;

/** The stage of `test --all` that looks at the crash states of flows. It is always run: it keeps no verdicts. */
export function crashStage(image: string, flows: readonly string[]): Stage {
  const run = async (): Promise<Record<string, string>> => {
    const suite: CrashSuite = { image, flows, out: OUT, toolTree: await qemuTree(), boot: BOOT };
    return { [CRASH_OPTIONS]: JSON.stringify(suite) };
  };
  return {
    name: crashStageName(image),
    files: [fileURLToPath(new URL('../flows/suite.ts', import.meta.url))],
    concurrency: 1,
    before: { name: 'fetch QEMU', run },
  };
}
