import { graphSvg } from '../graph/svg.ts';
import type { Target } from '../graph/target.ts';
import { graphDocument, textTree } from '../graph/view.ts';
import { loadTargets } from '../product/images.ts';
import { writeReport } from './report-file.ts';
import { resolveNames } from './wanted.ts';

/** The options of `graph`. */
export interface GraphFlags {
  readonly svg?: string;
  readonly json?: boolean;
}

/** `graph [TARGET…]`: text tree, JSON document, or SVG file. */
export async function graph(names: readonly string[], flags: GraphFlags): Promise<void> {
  const targets = await askedTargets(names);
  if (flags.svg !== undefined) {
    await writeReport(flags.svg, await graphSvg(targets));
  }
  if (flags.json) process.stdout.write(`${JSON.stringify(graphDocument(targets), null, 2)}\n`);
  else if (flags.svg === undefined) process.stdout.write(textTree(targets));
}

async function askedTargets(names: readonly string[]): Promise<readonly Target[]> {
  if (names.length > 0) return (await resolveNames(names, false)).targets;
  return [...(await loadTargets()).values()];
}
