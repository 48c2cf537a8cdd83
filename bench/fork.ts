/**
 * A machine that boots beside a fork of one that has booted, both up to the first command answered.
 *
 *   node --import tsx bench/fork.ts [BOOTS [FORKS]]
 *
 * For out/n100 (./draisine build n100). Prints medians and their ratio. The snapshot is there before the clock starts.
 */
import { fileURLToPath } from 'node:url';
import { createCluster, planCluster } from '../kola-tests/harness/machine/cluster.ts';
import { openLab } from '../kola-tests/harness/machine/lab.ts';
import type { MachineSpec } from '../kola-tests/harness/machine/spec.ts';
import { qemuTree } from '../kola-tests/harness/qemu/tree.ts';

const [boots = 3, forks = 10] = process.argv.slice(2).map(Number);
const out = fileURLToPath(new URL('../out', import.meta.url));
const lab = await openLab({ image: 'n100', out, toolTree: await qemuTree() });

/** Seconds from a machine's start to its first answer. */
async function toFirstAnswer(box: MachineSpec): Promise<number> {
  const cluster = await createCluster(lab, planCluster({ name: 'bench.fork', machines: { box } }));
  try {
    const start = performance.now();
    await cluster.start();
    await cluster.machines.box?.succeed('true');
    return (performance.now() - start) / 1000;
  } finally {
    await cluster.dispose();
  }
}

async function median(count: number, box: MachineSpec): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < count; round += 1) times.push(await toFirstAnswer(box));
  return times.sort((a, b) => a - b)[times.length >> 1] ?? Number.NaN;
}

await toFirstAnswer({}); // makes the snapshot
const boot = await median(boots, { start: 'fresh' });
const fork = await median(forks, {});
process.stdout.write(
  `boot ${boot.toFixed(1)} s (${boots}) · fork ${fork.toFixed(2)} s (${forks}) · ${(boot / fork).toFixed(0)} ×\n`,
);
