import type { Box } from '../io/box.ts';
import type { Health } from './engine.ts';

/** Units that have failed. */
function failedUnits(box: Box): string[] {
  const ran = box.run(['systemctl', 'list-units', '--failed', '--plain', '--no-legend', '--no-pager']);
  return ran.stdout
    .split('\n')
    .map((line) => line.trim().split(' ')[0] ?? '')
    .filter((unit) => unit !== '');
}

/** A change must not make a unit fail that had not failed before. */
export const unitHealth: Health<readonly string[]> = {
  record: failedUnits,
  lost: (box, before) =>
    failedUnits(box)
      .filter((unit) => !before.includes(unit))
      .map((unit) => `${unit} has failed`),
};
