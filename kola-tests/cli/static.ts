import { fileURLToPath } from 'node:url';
import { toolTree } from '../harness/qemu/tree.ts';
import { chosenChecks } from '../static/checks.ts';
import { STATIC_OPTIONS, type StaticOptions } from '../static/options.ts';
import { CHECKOUT } from './options.ts';
import type { Stage } from './stages.ts';

/** The stage of `test` that checks the sources; undefined where the patterns choose none of its checks. */
export function staticStage(patterns: readonly string[]): Stage | undefined {
  if (chosenChecks(patterns).length === 0) return undefined;
  const run = async (): Promise<Record<string, string>> => {
    const options: StaticOptions = { checkout: CHECKOUT, tools: await toolTree('sdk-check'), patterns };
    return { [STATIC_OPTIONS]: JSON.stringify(options) };
  };
  return {
    files: [fileURLToPath(new URL('../static/suite.ts', import.meta.url))],
    concurrency: 1,
    before: { name: 'fetch shellcheck', run },
  };
}
