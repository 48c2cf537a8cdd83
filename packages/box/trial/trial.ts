import { compareVersions } from '../../../build/release/format/version.ts';
import { countTry, fallback, installedUkis, markBad, markGood } from '../disk/assess.ts';
import {
  type Box,
  BoxError,
  describeError,
  orLog,
  readTextIfThere,
  removeTree,
  uptime,
  whyFailed,
} from '../io/box.ts';
import { isoTime } from '../io/fields.ts';
import { DEFAULT_POLICY, type Policy, readPolicy } from '../settings/update.ts';
import { noteRunning, notKnown, otherVersion, unreadableBy } from '../update/readable.ts';
import { type Running, runningRelease } from '../update/running.ts';
import { changeState, FOLDER, readState, recordUnstaged } from '../update/state.ts';
import { inTurn } from '../update/turn.ts';
import { BASELINE, isOutside, lossQuestions, readBaseline } from './baseline.ts';
import { dropEtc } from './etc.ts';
import { BOOT_COMPLETE, gateFault } from './gates.ts';
import { commonFaults, judge, type Look } from './judge.ts';
import { dropPreparation, reachOf } from './stage.ts';

/** Exists while the running release is on trial; lists the faults. */
const ON_TRIAL = '/run/draisine/on-trial.json';
/** Exists from the end of a trial until the next boot. A state of the trial that is written later does not count. */
const ENDED = '/run/draisine/on-trial.ended';
/** Milliseconds until the second trial of a release. Only missing answers from outside lead to a second trial. */
const SECOND_TRIAL = 4 * 3_600_000;
/** The faults of a rejected release, to see whether the previous release has the same. */
const AFTER = `${FOLDER}/after.json`;
const EVIDENCE = `${FOLDER}/evidence`;
const KEPT_EVIDENCE = 3;
const PAUSE = 10_000;
const JOURNAL_LINES = '20000';

/** A release on trial. */
export interface OnTrial {
  readonly version: string;
  /** Tries left. */
  readonly left: number;
  readonly faults: readonly string[];
  /** Seconds since the boot until the decision. */
  readonly settle: number;
  readonly deadline: number;
}

/** The release on trial; undefined if there is none. */
export function onTrial(box: Box): OnTrial | undefined {
  const text = box.stat(ENDED) ? undefined : readTextIfThere(box, ON_TRIAL);
  return text === undefined ? undefined : (JSON.parse(text) as OnTrial);
}

function endTrial(box: Box): void {
  box.remove(ON_TRIAL);
  orLog(box, 'warning', 'the end of the trial cannot be recorded', () =>
    box.writeFile(ENDED, '', { durable: false }),
  );
}

function say(box: Box, trial: OnTrial): void {
  box.makeFolder('/run/draisine');
  box.writeFile(ON_TRIAL, `${JSON.stringify(trial)}\n`, { durable: false });
}

/**
 * The present faults. A failed question is a fault, and so is an answer that cannot be understood: programs of a new
 * release must not end its trial without a verdict. `end`: seconds since the boot after which one fault is enough,
 * because each program that hangs takes its time.
 */
function faultsOf(
  box: Box,
  running: Pick<Running, 'image'>,
  policy: Policy,
  end = Number.POSITIVE_INFINITY,
): string[] {
  const baseline = readBaseline(box);
  const asks: (() => string[])[] = [
    ...[BOOT_COMPLETE, ...policy.gates].map((gate) => () => {
      const fault = gateFault(box, gate);
      return fault === undefined ? [] : [fault];
    }),
    ...(baseline ? lossQuestions(box, baseline, reachOf(box, running, policy)) : []),
  ];
  const faults: string[] = [];
  for (const ask of asks) {
    if (faults.length > 0 && uptime(box) >= end) break;
    faults.push(...answerOf(ask));
  }
  return faults;
}

function answerOf(ask: () => string[]): string[] {
  try {
    return ask();
  } catch (error) {
    const told = describeError(error);
    return [error instanceof BoxError ? told : `a check of the trial itself failed: ${told}`];
  }
}

/** A policy that cannot be read must not keep a trial from ending. */
function policyOrDefault(box: Box): Policy {
  try {
    return readPolicy(box);
  } catch (error) {
    if (!(error instanceof BoxError)) throw error;
    box.log('warning', `${describeError(error)}; the trial uses the default policy`);
    return DEFAULT_POLICY;
  }
}

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

/** A machine whose /usr came over the network or from a file has no installed release, so it has no trial. */
function installedRelease(box: Box): Running | undefined {
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
  const { settle, deadline } = policy;
  box.log(
    'notice',
    `${version} is on trial: it is judged between ${settle} and ${deadline} seconds after the boot`,
  );
  const looks: Look[] = [];
  let told = '';
  const first = ['the box was not checked yet'];
  let shown = show(box, { version, left, faults: first, settle, deadline }, notify);
  for (;;) {
    let faults = faultsOf(box, running, policy, deadline);
    // The owner has ended the trial.
    if (shown && !onTrial(box)) return;
    looks.push({ uptime: uptime(box), faults });
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
        reject(box, running, faults);
        return undefined;
      });
      if (fault === undefined) return;
      faults = [fault];
      looks.splice(-1, 1, { uptime: uptime(box), faults });
      if (judge(looks, settle, deadline) === 'reject') {
        inTurn(box, () => reject(box, running, faults));
        return;
      }
    }
    box.sleep(PAUSE);
  }
}

/**
 * Shows the state of a trial. Returns false if that fails, e.g. because /run is full or the new release cannot report
 * its own state: the trial must end nevertheless.
 */
function show(box: Box, trial: OnTrial, notify: () => void): boolean {
  try {
    say(box, trial);
    notify();
    return true;
  } catch (error) {
    box.log('warning', `the trial cannot be shown: ${describeError(error)}`);
    return onTrial(box) !== undefined;
  }
}

/** Commits. The reason if the boot menu cannot be changed. */
function commitFault(box: Box, running: Running, notify: () => void): string | undefined {
  try {
    markGood(box, running.disk, running.usr.rootHash);
  } catch (error) {
    if (!(error instanceof BoxError)) throw error;
    const fault = `the release cannot be committed: ${describeError(error)}`;
    box.log('error', fault);
    return fault;
  }
  // The boot menu has the commit. The timer records it when there is room.
  orLog(box, 'error', 'the commit cannot be recorded', () => finishCommit(box, running));
  notify();
  return undefined;
}

/** Commits the running release. */
export function commit(box: Box, running: Running, notify: () => void): void {
  markGood(box, running.disk, running.usr.rootHash);
  finishCommit(box, running);
  notify();
}

function finishCommit(box: Box, { version }: Running): void {
  endTrial(box); // first: the state partition may be full
  changeState(box, ({ floor, rejected }) => ({
    staged: undefined,
    unstaged: undefined,
    floor: floor === undefined || compareVersions(version, floor) > 0 ? version : floor,
    // Older ones can no longer come.
    rejected: rejected.filter((each) => compareVersions(each.version, version) > 0),
    lastTrial: { version, at: box.now(), text: 'committed' },
  }));
  box.remove(BASELINE);
  box.remove(AFTER);
  dropEtc(box);
  box.log('notice', `${version} is committed`);
}

/** Goes back to the previous release, even if something cannot be recorded. */
export function reject(box: Box, running: Running, faults: readonly string[]): void {
  const { version } = running;
  box.log('error', `${version} is rejected: ${faults.join('; ')}`);
  endTrial(box);
  const price = lostByGoingBack(box, running);
  if (price !== '') box.log('error', price);
  orLog(box, 'error', 'the evidence could not be saved', () =>
    recordRejection(box, version, faults, saveEvidence(box, version, faults), price),
  );
  // If this fails, the boot loader counts the remaining tries.
  orLog(box, 'error', 'its tries could not be removed', () =>
    markBad(box, running.disk, running.usr.rootHash),
  );
  leave(box);
}

/** Restarts. A release that is broken may not be able to stop its services, or to reach its systemd. */
function leave(box: Box): void {
  const faults: string[] = [];
  for (const force of [[], ['--force'], ['--force', '--force']]) {
    const command = ['systemctl', 'reboot', ...force];
    const ran = box.run(command, { timeoutSeconds: 60 });
    if (ran.code === 0) return;
    faults.push(whyFailed(command, ran));
  }
  throw new BoxError(`cannot restart: ${faults.join('; ')}`);
}

/** A sentence about the pools that the previous release cannot read, or perhaps cannot read; empty if it can read all. */
function lostByGoingBack(box: Box, running: Running): string {
  const other = otherVersion(running);
  if (other === undefined) return '';
  try {
    const lost = unreadableBy(box, other);
    if (lost.length === 0) return notKnown(box, other) ?? '';
    return `${other} cannot read these pools: ${lost.join('; ')}. draisine stage ${running.version} stages this release again`;
  } catch (error) {
    if (!(error instanceof BoxError)) throw error;
    return `it is not known whether ${other} can read the pools: ${describeError(error)}`;
  }
}

function saveEvidence(box: Box, version: string, faults: readonly string[]): string {
  const folder = `${EVIDENCE}/${version}`;
  removeTree(box, folder);
  box.makeFolder(folder, 0o700);
  const list = box
    .list(EVIDENCE)
    .filter((name) => name !== version)
    .sort(compareVersions);
  for (const old of list.slice(0, Math.max(0, list.length - KEPT_EVIDENCE + 1)))
    removeTree(box, `${EVIDENCE}/${old}`);
  const found = { version, at: isoTime(box.now()), uptime: uptime(box), faults };
  box.writeFile(`${folder}/faults.json`, `${JSON.stringify(found, null, 2)}\n`, { mode: 0o600 });
  box.run(['journalctl', '--boot', '--no-pager', '--output=short-monotonic', `--lines=${JOURNAL_LINES}`], {
    stdoutFile: `${folder}/journal.txt`,
    timeoutSeconds: 120,
  });
  return folder;
}

function recordRejection(
  box: Box,
  version: string,
  faults: readonly string[],
  evidence: string | undefined,
  price = '',
): void {
  const told = `${faults.join('; ')}${price === '' ? '' : ` (${price})`}`;
  const again =
    isOutside(readBaseline(box), faults) && readState(box).staged?.second !== true
      ? box.now() + SECOND_TRIAL
      : undefined;
  const reason =
    again === undefined ? told : `${told}; nothing of this box was missing, so there is a second trial`;
  changeState(box, ({ rejected }) => ({
    staged: undefined,
    unstaged: undefined,
    rejected: [
      ...rejected.filter((each) => each.version !== version),
      { version, reason, since: box.now(), evidence, again },
    ],
    lastTrial: { version, at: box.now(), text: `rejected: ${reason}` },
  }));
  box.writeFile(AFTER, `${JSON.stringify({ version, faults })}\n`, { mode: 0o600 });
  box.log('error', `${version} was rejected: ${reason}`);
}

interface After {
  readonly version: string;
  readonly faults: readonly string[];
}

function readAfter(box: Box): After | undefined {
  const text = readTextIfThere(box, AFTER);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as After;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    box.remove(AFTER); // interrupted: the cause is unknown
    return undefined;
  }
}

/** The previous release runs again. If it has the same faults, the update was not the cause. */
function aftermath(box: Box, running: Running): void {
  const after = readAfter(box);
  if (!after) return;
  const { version, faults } = after;
  const policy = policyOrDefault(box);
  for (;;) {
    const common = commonFaults(faults, faultsOf(box, running, policy));
    if (common.length === 0) break;
    if (uptime(box) >= policy.deadline) {
      const note = `not the update: ${running.version} has the same faults: ${common.join('; ')}`;
      box.log('warning', `${version} was rejected, but the cause was ${note}`);
      // The baseline of the next trial lacks the parts that this release has lost as well, so a release can pass that
      // trial. A gate that is not met would reject each trial.
      const baseline = readBaseline(box);
      const lost = baseline
        ? lossQuestions(box, baseline, reachOf(box, running, policy)).flatMap(answerOf)
        : [];
      const again =
        commonFaults(faults, lost).length === faults.length ? box.now() + SECOND_TRIAL : undefined;
      inTurn(box, () =>
        changeState(box, ({ rejected }) => ({
          rejected: rejected.map((each) =>
            each.version === version
              ? { ...each, reason: `${each.reason} (${note})`, again: again ?? each.again }
              : each,
          ),
          lastTrial: { version, at: box.now(), text: note },
        })),
      );
      break;
    }
    box.sleep(PAUSE);
  }
  box.remove(AFTER);
  inTurn(box, () => {
    // Another release may have been staged meanwhile, with a baseline of its own.
    if (!readState(box).staged) box.remove(BASELINE);
  });
}
