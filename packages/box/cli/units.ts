import { runningUsr } from '../disk/inspect.ts';
import { keepReserve } from '../free/reserve.ts';
import { BoxError } from '../io/box.ts';
import { readBaseline } from '../trial/baseline.ts';
import { atBoot } from '../trial/trial.ts';
import { readState } from '../update/state.ts';
import { readFirst } from '../zfs/pools.ts';
import { writeNotices } from './notice.ts';
import type { Verb } from './verb.ts';

/** The program of draisine-boot.service. */
export const boot: Verb = (box) => {
  keepReserve(box);
  atBoot(box, () => writeNotices(box));
};

/** Runs before pools are imported. During a trial it first reads each of them. */
export const readPools: Verb = (box) => {
  const { staged } = readState(box);
  const baseline = readBaseline(box);
  if (!staged || !baseline || baseline.pools.length === 0) return;
  if (staged.rootHash !== runningUsr(box).rootHash) return;
  const faults = readFirst(box, baseline.pools);
  if (faults.length > 0) throw new BoxError(`no pool is imported for writing: ${faults.join('; ')}`);
  box.log(
    'notice',
    `the pools were read, and have not changed: ${baseline.pools.map(({ name }) => name).join(', ')}`,
  );
};
