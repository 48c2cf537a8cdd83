import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDir } from '../../../sdk/lib/cache.ts';
import { Failure } from '../../../sdk/lib/errors.ts';
import { byteOrder, writeAtomic } from '../../../sdk/lib/files.ts';
import { createCluster, planCluster } from '../machine/cluster.ts';
import type { Lab } from '../machine/lab.ts';
import type { Acceleration } from '../qemu/accel.ts';
import type { Artifact } from '../qemu/artifacts.ts';
import { type Budget, memoryNeed } from './budget.ts';

/** Number of charts to keep. There is one for each artifact. */
const KEPT = 20;

function chartDir(): string {
  return join(cacheDir(), 'kola', 'boot-charts');
}

/** The path of an artifact's boot chart, an SVG file. */
export function bootChartFile(disk: Pick<Artifact, 'sha256'>, accel: Acceleration['kind']): string {
  return join(chartDir(), `${disk.sha256.slice(0, 32)}-${accel}.svg`);
}

/**
 * Makes the boot chart of the image under test, once for each artifact. A fork's systemd still has the times of the
 * boot of its snapshot, so no machine boots for this. If it fails, no test fails; the log has the reason.
 */
export async function keepBootChart(lab: Lab, budget: Budget): Promise<void> {
  const path = bootChartFile(lab.disk, lab.accel.kind);
  if (existsSync(path)) return;
  const plans = planCluster({ name: 'boot chart' });
  const release = await budget.acquire(memoryNeed([...plans.values()], lab.accel));
  try {
    const cluster = await createCluster(lab, plans);
    try {
      await cluster.start();
      const [machine] = Object.values(cluster.machines);
      const svg = (await machine?.succeed('systemd-analyze plot')) ?? '';
      if (!/<svg[\s>]/.test(svg)) throw new Failure(`systemd-analyze gave no SVG: ${svg.slice(0, 200)}`);
      await writeAtomic(path, svg);
      await forgetOld();
    } finally {
      await cluster.dispose();
    }
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    lab.log(`kola: no boot chart: ${error.message}`);
  } finally {
    release();
  }
}

async function forgetOld(): Promise<void> {
  const dir = chartDir();
  await mkdir(dir, { recursive: true });
  const charts = await Promise.all(
    (await readdir(dir)).sort(byteOrder).map(async (name) => {
      const path = join(dir, name);
      return { path, made: (await stat(path)).mtimeMs };
    }),
  );
  for (const { path } of charts.sort((a, b) => b.made - a.made).slice(KEPT)) await rm(path, { force: true });
}
