import { bootOther } from '../disk/assess.ts';
import { WrongUsage } from '../install/terminal.ts';
import { type Box, BoxError } from '../io/box.ts';
import { readPolicy } from '../settings/update.ts';
import { onTrial } from '../trial/on-trial.ts';
import { prepareTrial, restart } from '../trial/stage.ts';
import { commit, damageOfOther, reject } from '../trial/verdict.ts';
import { notKnown, otherVersion, unreadableBy } from '../update/readable.ts';
import { type Running, runningRelease } from '../update/running.ts';
import { changeState, readState } from '../update/state.ts';
import { exclusive } from '../update/turn.ts';
import { writeNotices } from './notice.ts';
import { refuseOnTrial, tell, type Verb } from './verb.ts';

/** `draisine reboot`: restarts into the staged release. */
export const reboot: Verb = (box, _terminal, { words }) => {
  if (words.length > 0) throw new WrongUsage(`reboot takes no ${words[0]}`);
  refuseOnTrial(box);
  const running = runningRelease(box);
  exclusive(box, () => {
    const { staged } = readState(box);
    restart(box, running, readPolicy(box), staged ? `${staged.version} is staged` : 'the owner asked for it');
  });
};

/** `draisine commit`: commits the release that is on trial now, without waiting for its gates. */
export const commitNow: Verb = (box, terminal, options) => {
  const trial = onTrial(box);
  if (!trial) throw new BoxError('no release is on trial');
  exclusive(box, () => commit(box, runningRelease(box), () => writeNotices(box)));
  tell(terminal, options, { action: 'commit', version: trial.version }, `${trial.version} is committed`);
};

/** `draisine rollback`: rejects the release on trial, or restarts into the release in the other slot. */
export const rollback: Verb = (box, terminal, options) => {
  const running = runningRelease(box);
  exclusive(box, () => {
    if (!options.flags.has('without-pools')) refuseToLosePools(box, running);
    if (onTrial(box)) {
      const damage = damageOfOther(box, running);
      if (damage !== undefined) throw new BoxError(damage);
      return reject(box, running, ['its owner rolled it back']);
    }
    const { version } = running;
    const { staged } = readState(box);
    if (staged && staged.rootHash !== running.usr.rootHash)
      throw new BoxError(`${staged.version} is staged in the other slot: there is no release to go back to`, {
        hint: `draisine reboot starts ${staged.version}`,
      });
    prepareTrial(box, running, readPolicy(box));
    // If power fails after the other release was chosen, this one must not come back by itself.
    const other = bootOther(box, running.disk, running.usr.rootHash, () =>
      changeState(box, ({ rejected }) => ({
        rejected: [
          ...rejected.filter((each) => each.version !== version),
          { version, reason: 'its owner rolled it back', since: box.now(), evidence: undefined },
        ],
      })),
    );
    changeState(box, ({ rejected }) => ({
      staged: {
        version: other.version,
        rootHash: other.rootHash!,
        from: version,
        since: box.now(),
        rebooting: true,
      },
      rejected: rejected.filter((each) => each.version !== other.version),
    }));
    box.log('notice', `${version} is rolled back by its owner: ${other.version} runs from the next boot on`);
    tell(terminal, options, { action: 'rollback', version: other.version }, `back to ${other.version}`);
    restart(box, running, readPolicy(box), `back to ${other.version}`);
  });
};

/**
 * Checks that the release to go back to can read all pools, because a pool cannot be converted back.
 * @throws BoxError if it cannot
 */
function refuseToLosePools(box: Box, running: Running): void {
  const other = otherVersion(running);
  if (other === undefined) return;
  const unknown = notKnown(box, other);
  if (unknown !== undefined)
    box.log('warning', `${unknown}. If it cannot, draisine rollback leads from there to ${running.version}`);
  const lost = unreadableBy(box, other);
  if (lost.length > 0)
    throw new BoxError(`${other} cannot read these pools: ${lost.join('; ')}`, {
      hint: 'draisine rollback --without-pools goes back nevertheless; that release does not import these pools',
    });
}
