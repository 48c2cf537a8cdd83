import { BoxError } from '../io/box.ts';
import type { Condition } from '../notify/condition.ts';
import { conditionsOf } from '../notify/conditions.ts';
import { testTargets, watch } from '../notify/watch.ts';
import { tell, type Verb } from './verb.ts';

/** `draisine health`: the problems, one on each line, the worst first. */
function formatHealth(conditions: readonly Condition[]): string {
  const rank = { error: 0, warning: 1, info: 2 } as const;
  const wrong = conditions.filter(({ severity }) => severity !== 'info');
  if (wrong.length === 0) return 'health    all is well';
  const lines = [...wrong].sort((a, b) => rank[a.severity] - rank[b.severity]).map(({ text }) => text);
  const shown =
    lines.length > 9 ? [...lines.slice(0, 8), `and ${lines.length - 8} more: draisine health --json`] : lines;
  return shown
    .map((text, index) => `${index === 0 ? 'health    ' : '          '}${text.split('\n')[0]}`)
    .join('\n');
}

/** The exit code is 0 even with problems, because the question was answered. */
export const health: Verb = (box, terminal, options) => {
  const conditions = conditionsOf(box);
  tell(terminal, options, { conditions }, formatHealth(conditions));
};

/** Looks for problems and sends messages about them. A timer calls it. */
export const watchNow: Verb = (box) => watch(box);

/** `draisine notify`: sends a message to each target. */
export const notifyTest: Verb = (box, terminal, options) => {
  const { sent, faults } = testTargets(box);
  tell(terminal, options, { sent, faults }, `sent to ${sent}`);
  if (faults.length > 0) throw new BoxError(`not sent: ${faults.join('; ')}`);
};
