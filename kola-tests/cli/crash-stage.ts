import { fileURLToPath } from 'node:url';
import { CRASH_OPTIONS, type CrashSuite } from '../harness/crash/suite-options.ts';
import { qemuTree } from '../harness/qemu/tree.ts';
import { OUT } from './options.ts';
import type { Stage } from './stages.ts';

/** The number of states of each flow that `test --all` boots. */
const BOOT = 8;

/** The name of the stage in reports. */
export const crashStageName = (image: string): string => `crash states of ${image}`;

/** The stage of `test --all` for the crash states of flows. It keeps no verdicts, so it always runs. */
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
