import { type Freed, freeRoom, mebibytes } from '../free/free.ts';
import { BoxError } from '../io/box.ts';
import { tell, type Verb } from './verb.ts';

/** Percentage of used space from which on the owner gets more hints. */
const MUCH = 80;

/** The result as text for a terminal. */
export function formatFreed({ before, after, percent, removed, failed }: Freed): string {
  return [
    ...removed.map((what) => `removed  ${what}`),
    ...failed.map((what) => `kept     ${what}`),
    `freed    ${mebibytes(Math.max(0, after - before))}; the state partition is ${percent} % full, ${mebibytes(after)} are available`,
    ...(percent < MUCH
      ? []
      : [
          'still    full: podman system df shows the space of containers; containerStorage in the machine config moves images and volumes to a pool',
        ]),
  ].join('\n');
}

/** `draisine free`: makes room on the state partition. */
export const free: Verb = (box, terminal, options) => {
  const freed = freeRoom(box);
  tell(terminal, options, freed, formatFreed(freed));
  if (freed.failed.length > 0) throw new BoxError('not everything could be removed');
};
