import { type Box, orLog, uptime } from '../io/box.ts';
import { list, members, readDocument, string } from '../io/fields.ts';
import type { Policy } from '../settings/update.ts';
import type { Running } from '../update/running.ts';
import { changeState, readState, version } from '../update/state.ts';
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

/** Undefined if it cannot be read: then the cause of the rejection is unknown. */
const readAfter = (box: Box): After | undefined =>
  orLog(box, 'warning', 'the record of the last rejection is ignored', () =>
    readDocument(box.readText(AFTER), 'the record of the last rejection', AFTER, (root) =>
      members<After>(root, { version, faults: (faults) => list(faults, (fault) => string(fault)) }),
    ),
  );

/** The previous release runs again. If it has the same faults, the update was not the cause. */
export function aftermath(box: Box, running: Running): void {
  if (box.stat(AFTER) === undefined) return;
  const after = readAfter(box);
  // The rejected release runs again if there is no other one, or if somebody chose it in the boot menu.
  if (after && after.version !== running.version) compare(box, running, after, policyOrDefault(box));
  box.remove(AFTER);
  inTurn(box, () => {
    // Another release may have been staged meanwhile, with a baseline of its own.
    if (!readState(box).staged) box.remove(BASELINE);
  });
}

/** Waits until this release has none of the faults, or until the deadline. */
function compare(box: Box, running: Running, { version, faults }: After, policy: Policy): void {
  for (;;) {
    const common = commonFaults(faults, faultsOf(box, running, policy));
    if (common.length === 0) return;
    if (uptime(box) >= policy.deadline) {
      notTheUpdate(box, running, { version, faults }, common, policy);
      return;
    }
    box.sleep(PAUSE);
  }
}

function notTheUpdate(
  box: Box,
  running: Running,
  { version, faults }: After,
  common: readonly string[],
  policy: Policy,
): void {
  const note = `not the update: ${running.version} has the same faults: ${common.join('; ')}`;
  box.log('warning', `${version} was rejected, but the cause was ${note}`);
  // The baseline of the next trial lacks the parts that this release has lost as well, so a release can pass that
  // trial. A gate that is not met would reject each trial.
  const baseline = readBaseline(box);
  const lost = baseline ? lossQuestions(box, baseline, reachOf(box, running, policy)).flatMap(answerOf) : [];
  const again = commonFaults(faults, lost).length === faults.length ? box.now() + SECOND_TRIAL : undefined;
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
}
