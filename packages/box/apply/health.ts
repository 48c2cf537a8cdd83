import type { Box } from '../io/box.ts';
import { storageScript, storageUnit } from '../settings/storage.ts';
import { type Baseline, lookInside, lossesOf, mountUnit } from '../trial/baseline.ts';
import type { Health } from './engine.ts';
import type { Service } from './services.ts';

/**
 * The baseline of a trial, without the things that the change takes away or moves on purpose, and without routes and
 * gateways: the new connection shows whether the machine can be reached.
 */
export const baselineHealth: Health<Baseline> = {
  record: (box) => lookInside(box, 'apply'),
  running: ({ units }) => units,
  lost: (box, before, services, patience) => {
    const expected = expectedAfter(before, services);
    return afterAWhile(box, () => lossesOf(box, expected), patience);
  },
};

/** A dataset and the datasets above it, from the pool on. */
const withParents = (dataset: string): string[] =>
  dataset.split('/').map((_, index, parts) => parts.slice(0, index + 1).join('/'));

/** The parts of a baseline that must still be there after these actions on units. */
export function expectedAfter(before: Baseline, services: readonly Service[]): Baseline {
  const stopped = new Set(services.flatMap((service) => (service.do === 'stop' ? [service.unit] : [])));
  const ran = new Set(services.flatMap((service) => (service.do === 'run' ? service.argv : [])));
  // A script may set another mount point, and the datasets below follow.
  const moves = (dataset: string | undefined): boolean =>
    dataset !== undefined &&
    withParents(dataset).some((name) => stopped.has(storageUnit(name)) || ran.has(storageScript(name)));
  return {
    ...before,
    units: before.units.filter((unit) => !stopped.has(unit)),
    containers: before.containers.filter(({ unit }) => unit === undefined || !stopped.has(unit)),
    // The unit of a pool exports the pool when it stops.
    pools: before.pools.filter(({ name }) => !stopped.has(storageUnit(name))),
    mounts: before.mounts.filter(({ target, dataset }) => !stopped.has(mountUnit(target)) && !moves(dataset)),
  };
}

/** The losses that are still there after some seconds: a container is not healthy at once. */
function afterAWhile(box: Box, look: () => readonly string[], patience: number): readonly string[] {
  const end = box.monotonic() + 1000 * patience;
  let losses = look();
  while (losses.length > 0 && box.monotonic() < end) {
    box.sleep(2000);
    losses = look();
  }
  return losses;
}
