/**
 * Measures the time from the start of a machine to the answer of its first command: for a boot, for a fork of the
 * initrd, and for a fork of a ready machine.
 *
 *   node --import tsx bench/fork.ts [ROUNDS [FORKS]]
 *
 * For out/n100 (./draisine build n100). Prints medians and their ratios; boots and forks of the initrd take turns, so
 * that a busy host slows down both. The snapshots are made before the measurement. Goal: fork of the initrd ≤ 0.55 of a
 * boot.
 */
import { fileURLToPath } from 'node:url';
import { createCluster, planCluster } from '../kola-tests/harness/machine/cluster.ts';
import { openLab } from '../kola-tests/harness/machine/lab.ts';
import type { MachineSpec } from '../kola-tests/harness/machine/spec.ts';
import { qemuTree } from '../kola-tests/harness/qemu/tree.ts';

const [rounds = 5, forks = 10] = process.argv.slice(2).map(Number);
const out = fileURLToPath(new URL('../out', import.meta.url));
const lab = await openLab({ image: 'n100', out, toolTree: await qemuTree() });

/** Seconds from a machine's start to its first answer after the end of its boot. */
async function toFirstAnswer(box: MachineSpec): Promise<number> {
  const cluster = await createCluster(lab, planCluster({ name: 'bench.fork', machines: { box } }));
  try {
    const start = performance.now();
    await cluster.start();
    await cluster.machines.box?.succeed('true');
    const fallback = cluster.machines.box?.fallback();
    if (fallback !== undefined) throw new Error(`booted, not forked: ${fallback}`);
    return (performance.now() - start) / 1000;
  } finally {
    await cluster.dispose();
  }
}

function median(times: readonly number[]): number {
  return [...times].sort((a, b) => a - b)[times.length >> 1] ?? Number.NaN;
}

const kinds = { boot: 'fresh', initrd: 'first-boot', fork: 'fork' } as const;
const times: Record<keyof typeof kinds, number[]> = { boot: [], initrd: [], fork: [] };
await toFirstAnswer({}); // makes the snapshots
for (let round = 0; round < rounds; round += 1)
  for (const kind of ['boot', 'initrd'] as const)
    times[kind].push(await toFirstAnswer({ start: kinds[kind] }));
for (let round = 0; round < forks; round += 1) times.fork.push(await toFirstAnswer({}));

const [boot, initrd, fork] = [median(times.boot), median(times.initrd), median(times.fork)];
process.stdout.write(
  `boot ${boot.toFixed(1)} s (${rounds}) · fork of the initrd ${initrd.toFixed(1)} s (${rounds}), ${(initrd / boot).toFixed(2)} of a boot · ` +
    `fork ${fork.toFixed(2)} s (${forks}), ${(boot / fork).toFixed(0)} ×\n`,
);
for (const [kind, all] of Object.entries(times))
  process.stdout.write(`  ${kind.padEnd(6)} ${all.map((each) => each.toFixed(1)).join(' ')}\n`);
