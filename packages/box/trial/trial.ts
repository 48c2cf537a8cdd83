import { countTry, fallback, installedUkis, markGood } from '../disk/assess.ts';
import { hasLoaderVariable } from '../disk/loader.ts';
import { type Box, orLog, uptime } from '../io/box.ts';
import { noteRunning } from '../update/readable.ts';
import { type Running, runningRelease } from '../update/running.ts';
import { changeState, readState, recordUnstaged } from '../update/state.ts';
import { inTurn } from '../update/turn.ts';
import { aftermath } from './aftermath.ts';
import { isSourceSilent, readBaseline } from './baseline.ts';
import { faultsOf, PAUSE, policyOrDefault } from './faults.ts';
import { judge, type Look } from './judge.ts';
import { onTrial, show } from './on-trial.ts';
import { dropPreparation } from './stage.ts';
import { commitFault, finishCommit, recordRejection, reject } from './verdict.ts';

/**
 * Seconds after the deadline in which all questions are still asked, so that a rejection has all of its reasons. After
 * them, one fault is enough: programs may hang.
 */
const GRACE = 30;
/**
 * Seconds by which a trial is longer if only the channel's server does not answer at the deadline: a server of updates, or
 * the way to it, is often down for an hour. The release stays on trial, because it may be the cause.
 */
const OUTAGE = 3600;

/** Runs at every boot: a trial to its end, or a report of an earlier one. `notify`: called at each change. */
export function atBoot(box: Box, notify: () => void): void {
  const running = installedRelease(box);
  if (!running) return;
  noteRunning(box);
  const left = countTry(box, running.disk, running.usr.rootHash);
  if (left !== undefined && (left > 0 || readState(box).staged?.rootHash === running.usr.rootHash)) {
    runTrial(box, running, left, notify);
    return;
  }
  if (left !== undefined) keepOrLeave(box, running);
  inTurn(box, () => settleState(box, running));
  notify();
  aftermath(box, running);
  notify();
}

/**
 * A release without tries runs. After a rollback that failed as well there is no other release to go to, so it
 * stays. Otherwise somebody chose a rejected release in the boot menu.
 */
function keepOrLeave(box: Box, { disk, usr, version }: Running): void {
  const other = fallback(disk, installedUkis(box, disk));
  if (other && other.uki.left !== 0)
    box.log(
      'warning',
      `${version} was rejected, and was started from the boot menu: the next restart leads to ${other.uki.version}`,
    );
  else markGood(box, disk, usr.rootHash);
}

/**
 * A machine whose /usr came over the network or from a file has no installed release, so it has no trial. But if the boot
 * loader has counted this boot, there is a trial.
 * @throws BoxError then, which costs a try (usr/lib/draisine/trial-lost): otherwise the trial would have no verdict
 */
function installedRelease(box: Box): Running | undefined {
  if (hasLoaderVariable(box, 'LoaderBootCountPath')) return runningRelease(box);
  return orLog(box, 'notice', 'nothing is on trial', () => runningRelease(box));
}

/** Records what could not be recorded: a commit, or boots that ended before. */
export function settleState(box: Box, running: Running): void {
  const { staged } = readState(box);
  if (!staged) return;
  if (staged.rootHash === running.usr.rootHash) {
    finishCommit(box, running);
    return;
  }
  const uki = installedUkis(box, running.disk).find(({ rootHash }) => rootHash === staged.rootHash);
  if (uki !== undefined && (uki.left ?? 1) > 0) {
    if ((uki.done ?? 0) > 0)
      box.log('notice', `${staged.version} was tried ${uki.done} times and has ${uki.left} tries left`);
    return;
  }
  if (uki) {
    const reason = `it was started ${uki.done ?? 0} times, and never ran long enough to be judged`;
    recordRejection(box, staged.version, [reason], undefined);
    return;
  }
  // The release has not failed: somebody removed the file, or the file system was damaged. It is staged again.
  const reason = 'its kernel image is gone from the EFI system partition';
  changeState(box, () => ({ staged: undefined }));
  recordUnstaged(box, staged.version, reason);
  dropPreparation(box);
  box.log('warning', `${staged.version} is no longer staged: ${reason}`);
}

function runTrial(box: Box, running: Running, left: number, notify: () => void): void {
  const policy = policyOrDefault(box);
  const { version } = running;
  const { settle } = policy;
  let { deadline } = policy;
  box.log(
    'notice',
    `${version} is on trial: it is judged between ${settle} and ${deadline} seconds after the boot`,
  );
  const looks: Look[] = [];
  let told = '';
  const first = ['the box was not checked yet'];
  let shown = show(box, { version, left, faults: first, settle, deadline }, notify);
  for (;;) {
    let faults = faultsOf(box, running, policy, deadline + GRACE);
    // The owner has ended the trial.
    if (shown && !onTrial(box)) return;
    looks.push({ uptime: uptime(box), faults });
    if (
      deadline === policy.deadline &&
      uptime(box) >= deadline &&
      isSourceSilent(readBaseline(box), faults)
    ) {
      deadline += OUTAGE;
      box.log('notice', `trial: only the server of the channel does not answer: at most ${OUTAGE} s more`);
    }
    const changed = faults.join('; ') !== told;
    shown = show(box, { version, left, faults, settle, deadline }, changed ? notify : () => {});
    if (changed) {
      told = faults.join('; ');
      box.log('info', told === '' ? 'trial: nothing is missing' : `trial: not yet: ${told}`);
    }
    if (judge(looks, settle, deadline) !== 'look again') {
      const fault = inTurn(box, (): string | undefined => {
        // The owner has ended the trial while this process waited.
        if (shown && !onTrial(box)) return undefined;
        if (judge(looks, settle, deadline) === 'commit') return commitFault(box, running, notify);
        reject(box, running, faults, notify);
        return undefined;
      });
      if (fault === undefined) return;
      faults = [fault];
      looks.splice(-1, 1, { uptime: uptime(box), faults });
      if (judge(looks, settle, deadline) === 'reject') {
        inTurn(box, () => reject(box, running, faults, notify));
        return;
      }
    }
    box.sleep(PAUSE);
  }
}
