import { runningUsr } from '../disk/inspect.ts';
import { hasLoaderVariable } from '../disk/loader.ts';
import { keepReserve } from '../free/reserve.ts';
import { type Box, BoxError } from '../io/box.ts';
import { type Baseline, readBaseline } from '../trial/baseline.ts';
import { atBoot } from '../trial/trial.ts';
import { releaseIdentity } from '../update/running.ts';
import { readState } from '../update/state.ts';
import { readFirst } from '../zfs/pools.ts';
import { writeNotices } from './notice.ts';
import type { Verb } from './verb.ts';

/** The program of draisine-boot.service. */
export const boot: Verb = (box) => {
  keepReserve(box);
  atBoot(box, () => writeNotices(box));
};

/** A power cut, or a damaged record, may leave a release on trial without a record of it. */
function mayBeOnTrial(box: Box, { version }: Baseline): boolean {
  const { staged } = readState(box);
  if (staged) return staged.rootHash === runningUsr(box).rootHash;
  return hasLoaderVariable(box, 'LoaderBootCountPath') && version !== releaseIdentity(box).version;
}

/** Runs before pools are imported. During a trial it first reads each of them. */
export const readPools: Verb = (box) => {
  const baseline = readBaseline(box);
  if (!baseline || baseline.pools.length === 0 || !mayBeOnTrial(box, baseline)) return;
  const faults = readFirst(box, baseline.pools);
  if (faults.length > 0) throw new BoxError(`no pool is imported for writing: ${faults.join('; ')}`);
  box.log(
    'notice',
    `the pools were read, and have not changed: ${baseline.pools.map(({ name }) => name).join(', ')}`,
  );
};
