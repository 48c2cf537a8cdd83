import { FLOWS, flowNamed } from '../flows/all.ts';
import { describeFound, lookAtFlow } from '../harness/crash/look.ts';
import { openLab } from '../harness/machine/lab.ts';
import { qemuTree } from '../harness/qemu/tree.ts';
import { OUT } from './options.ts';

/** The options of `kola crash-states`. */
export interface CrashOptions {
  readonly image: string;
  readonly boot: number;
  readonly json?: boolean;
}

/**
 * `kola crash-states FLOW`: checks offline every disk state that a power cut may leave during a flow, and boots a
 * selection of them. Exit code 1: the machine does not boot from at least one state.
 */
export async function crashStatesOf(name: string | undefined, options: CrashOptions): Promise<number> {
  if (name === undefined) {
    for (const each of FLOWS) process.stdout.write(`${each.name.padEnd(12)}  ${each.what}\n`);
    return 0;
  }
  const flow = flowNamed(name);
  const lab = await openLab({ image: options.image, out: OUT, toolTree: await qemuTree() });
  const said = (line: string): void => void process.stderr.write(`kola: ${line}\n`);
  const found = await lookAtFlow(lab, flow, { boot: options.boot, said });
  if (options.json) {
    const document = {
      flow: name,
      ...found,
      ms: Math.round(found.ms),
      boots: Object.fromEntries(found.boots),
    };
    process.stdout.write(`${JSON.stringify(document, undefined, 2)}\n`);
  } else {
    process.stdout.write(`${name}: ${describeFound(found)}\n`);
    for (const fault of found.faults) process.stdout.write(`WRONG ${fault}\n`);
  }
  return found.faults.length === 0 ? 0 : 1;
}
