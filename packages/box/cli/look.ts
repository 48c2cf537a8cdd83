import { describeDisk, disksOf } from '../smart/disks.ts';
import { check, describeDecision } from '../update/check.ts';
import { runningRelease } from '../update/running.ts';
import { exclusive } from '../update/turn.ts';
import { attempt, formatStatus, formatWhy, statusReport } from './report.ts';
import { remembered, requestOf, tell, type Verb } from './verb.ts';

/** `draisine status`: the release, updates, disks and problems of the box. */
export const status: Verb = (box, terminal, options) => {
  const report = statusReport(box);
  const { value: disks = [], fault } = attempt(() => disksOf(box));
  const lines = [...disks.map(describeDisk), ...(fault === undefined ? [] : [fault])].map(
    (line) => `disk      ${line}`,
  );
  tell(terminal, options, { ...report, disks }, [formatStatus(report), ...lines].join('\n'));
};

/** `draisine why`: the reasons why the box does not update now, each with the event that ends it. */
export const why: Verb = (box, terminal, options) => {
  const report = statusReport(box);
  const { next, trial, updates, lastCheck, version } = report;
  tell(terminal, options, { version, next, trial, updates, lastCheck }, formatWhy(report));
};

/** `draisine check`: asks the channel now. */
export const checkNow: Verb = (box, terminal, options) => {
  const { base } = requestOf({ ...options, words: [] });
  const running = runningRelease(box);
  const { decision } = exclusive(box, () => remembered(box, () => check(box, running, { base })));
  tell(terminal, options, decision, describeDecision(decision));
};
