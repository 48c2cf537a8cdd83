import { type Box, readTextIfThere, uptime } from '../io/box.ts';
import type { Running } from '../update/running.ts';
import { changeState, readState } from '../update/state.ts';
import { inTurn } from '../update/turn.ts';
import { BASELINE, lossQuestions, readBaseline } from './baseline.ts';
import { answerOf, faultsOf, PAUSE, policyOrDefault } from './faults.ts';
import { commonFaults } from './judge.ts';
import { reachOf } from './stage.ts';
import { AFTER, SECOND_TRIAL } from './verdict.ts';

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
export function aftermath(box: Box, running: Running): void {
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
