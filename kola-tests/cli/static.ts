import { fileURLToPath } from 'node:url';
import { openSources } from '../../build/for-kola.ts';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { toolTree } from '../harness/qemu/tree.ts';
import { chosenChecks } from '../static/checks.ts';
import { STATIC_OPTIONS, type StaticOptions } from '../static/options.ts';
import type { Stage } from './stages.ts';
import { wholeVerdicts } from './unit-verdicts.ts';

/** The name of the stage in reports. */
export const STATIC = 'checks of the sources';

/** The stage of `test` that checks the sources; undefined where the patterns choose none of its checks. */
export function staticStage(
  patterns: readonly string[],
  options: { readonly fresh: boolean },
): Stage | undefined {
  if (chosenChecks(patterns).length === 0) return undefined;
  const run = async (): Promise<Record<string, string>> => {
    const suite: StaticOptions = { checkout: CHECKOUT, tools: await toolTree('sdk-check'), patterns };
    return { [STATIC_OPTIONS]: JSON.stringify(suite) };
  };
  return {
    name: STATIC,
    files: [fileURLToPath(new URL('../static/suite.ts', import.meta.url))],
    concurrency: 1,
    before: { name: 'fetch shellcheck', run },
    // A verdict stands for all checks, so a part of them gets none.
    ...(patterns.length > 0 ? {} : { verdicts: wholeVerdicts(openSources(CHECKOUT), options, toolsOf) }),
  };
}

function toolsOf(env: Readonly<Record<string, string>>): string {
  return (JSON.parse(env[STATIC_OPTIONS] ?? '{}') as Partial<StaticOptions>).tools ?? '';
}
