import type { Box } from '../io/box.ts';
import { type Baseline, lookInside, lossesOf } from '../trial/baseline.ts';
import type { Health } from './engine.ts';

/** Seconds for restarted units to come up again: a container is not healthy at once. */
const PATIENCE = 60;

/**
 * The baseline of a trial, without units that the change stops on purpose, and without routes and gateways:
 * the new connection shows whether the machine can be reached.
 */
export const baselineHealth: Health<Baseline> = {
  record: (box) => lookInside(box, 'apply'),
  lost: (box, before, going) => {
    const expected: Baseline = {
      ...before,
      units: before.units.filter((unit) => !going.has(unit)),
      containers: before.containers.filter(({ name }) => !going.has(`${name}.service`)),
      mounts: [...going].some((unit) => unit.startsWith('zfs-dataset-')) ? [] : before.mounts,
    };
    return afterAWhile(box, () => lossesOf(box, expected));
  },
};

function afterAWhile(box: Box, look: () => readonly string[]): readonly string[] {
  let losses = look();
  for (let second = 0; losses.length > 0 && second < PATIENCE; second += 2) {
    box.sleep(2000);
    losses = look();
  }
  return losses;
}
