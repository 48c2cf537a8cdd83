import { RESUME } from '../delta/slot.ts';
import type { Terminal } from '../install/terminal.ts';
import { type Box, BoxError, describeError, orLog } from '../io/box.ts';
import { stageRelease } from '../trial/stage.ts';
import { type Checked, check, describeDecision } from '../update/check.ts';
import { type Running, runningRelease } from '../update/running.ts';
import { changeState, recordUnstaged } from '../update/state.ts';
import { exclusive } from '../update/turn.ts';
import { writeNotices } from './notice.ts';
import { refuseOnTrial, remembered, requestOf, tell, type Verb } from './verb.ts';

/** Stages the release of a check. Returns the bytes that were fetched and copied, for `--json`. */
export function doStage(box: Box, terminal: Terminal, running: Running, checked: Checked): object {
  const started = box.monotonic();
  const traffic = noted(box, checked, () =>
    stageRelease(box, running, checked, (step) => terminal.complain(step)),
  );
  writeNotices(box);
  return { ...traffic, seconds: Math.round((box.monotonic() - started) / 1000) };
}

/** Records a failure for status and why. It must not hide behind a failure to record it. */
function noted<T>(box: Box, { release }: Checked, use: () => T): T {
  try {
    return use();
  } catch (error) {
    if (!(error instanceof BoxError)) throw error;
    const reason = describeError(error);
    const text = `${release?.value.version} was not staged: ${reason}`;
    orLog(box, 'warning', 'a failure could not be recorded', () => {
      if (release) recordUnstaged(box, release.value.version, reason, box.stat(RESUME) !== undefined);
      changeState(box, () => ({ lastCheck: { at: box.now(), result: 'failed', text } }));
    });
    throw error;
  }
}

const isOther = (version: string | undefined, running: Running) =>
  version !== undefined && version !== running.version;

/** `draisine stage [VERSION]`: fetches a release into the other slot now. */
export const stageNow: Verb = (box, terminal, options) => {
  refuseOnTrial(box);
  const running = runningRelease(box);
  const request = requestOf(options);
  exclusive(box, () => {
    const checked = remembered(box, () => check(box, running, request));
    const { decision } = checked;
    if (decision.action === 'stage') {
      const done = doStage(box, terminal, running, checked);
      tell(
        terminal,
        options,
        { ...decision, ...done },
        `${decision.version} is staged; draisine reboot starts it`,
      );
    } else if (decision.action === 'wait') throw new BoxError(describeDecision(decision));
    else if (decision.action === 'none' && isOther(request.asked?.version, running))
      throw new BoxError(decision.reason);
    else
      tell(
        terminal,
        options,
        decision,
        decision.action === 'reboot'
          ? `${decision.version} is staged already; draisine reboot starts it`
          : decision.reason,
      );
  });
};
