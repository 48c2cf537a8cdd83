import { readJournal } from '../apply/journal.ts';
import { LOCKED } from '../disk/lock.ts';
import type { Terminal } from '../install/terminal.ts';
import { type Box, BoxError, describeError, orLog } from '../io/box.ts';
import { readPolicy } from '../settings/update.ts';
import { onTrial } from '../trial/on-trial.ts';
import { restart, unstage } from '../trial/stage.ts';
import { settleState } from '../trial/trial.ts';
import { check, describeDecision, recall } from '../update/check.ts';
import { type Running, runningRelease } from '../update/running.ts';
import { readState } from '../update/state.ts';
import { exclusive } from '../update/turn.ts';
import { writeNotices } from './notice.ts';
import { doStage } from './stage.ts';
import { remembered, requestOf, type Verb } from './verb.ts';

/** Milliseconds between two checks of the channel. */
export const EVERY = 4 * 3_600_000;

/** Milliseconds after a failed check, or a failure to stage, until the next one. */
export const AGAIN = 30 * 60_000;

/** Whether to check the channel now. The box's turn in a rollout is a reason, by the known channel file. */
function isDue(box: Box, running: Running): boolean {
  const { lastCheck } = readState(box);
  if (!lastCheck) return true;
  const age = box.now() - lastCheck.at;
  const failed = lastCheck.result === 'failed';
  if (age < 0 || age >= (failed ? AGAIN : EVERY)) return true;
  return !failed && recall(box, running)?.decision.action === 'stage';
}

/**
 * The program of the timer and of a plugged-in stick: checks, and acts by the policy.
 * A server that is down, or that sends wrong files, is reported in the journal, in status and in why. It
 * makes no unit fail.
 */
export const update: Verb = (box, terminal, options) => {
  if (onTrial(box)) return box.log('info', 'the channel is not asked while a release is on trial');
  // A trial would begin without a change that its baseline and its copy of /etc have, because a restart reverts it.
  const apply = orLog(box, 'warning', 'the journal of an apply is ignored', () => readJournal(box));
  if (apply !== undefined && box.now() < apply.until)
    return box.log('info', 'the channel is not asked while a change of the machine waits for confirmation');
  const running = runningRelease(box);
  const { base } = requestOf({ ...options, words: [] });
  const { staged } = readState(box);
  if (base === undefined && readPolicy(box).base === undefined && !staged) return;
  const act = () => {
    try {
      orLog(box, 'error', 'no update', () => {
        // The commit could not be recorded, e.g. because the state partition was full.
        if (staged?.rootHash === running.usr.rootHash) settleState(box, running);
        if (base !== undefined || isDue(box, running)) askAndStage(box, terminal, running, base);
        restartAsPolicySays(box, running);
      });
    } finally {
      writeNotices(box);
    }
  };
  try {
    exclusive(box, act);
  } catch (error) {
    // The timer comes again. A stick does not.
    if (!(error instanceof BoxError) || error.code !== LOCKED || base !== undefined) throw error;
    box.log('notice', describeError(error));
  }
};

function askAndStage(box: Box, terminal: Terminal, running: Running, base: string | undefined): void {
  // A stick is plugged in to install its release.
  const request = base === undefined ? {} : { base, asked: {} };
  try {
    const checked = remembered(box, () => check(box, running, request));
    if (checked.decision.action === 'stage') doStage(box, terminal, running, checked);
    else box.log('info', describeDecision(checked.decision));
  } catch (error) {
    // A staged release does not wait for a server that is down.
    if (!(error instanceof BoxError) || !readState(box).staged) throw error;
    box.log('warning', describeError(error));
  }
}

function restartAsPolicySays(box: Box, running: Running): void {
  const known = recall(box, running);
  if (!known || !readState(box).staged) return;
  const { decision, situation } = known;
  box.log('info', describeDecision(decision));
  if (decision.action === 'unstage') unstage(box, running, decision.reason);
  if (decision.action === 'reboot') restart(box, running, situation.policy, decision.reason);
}
