import { WrongUsage } from '../install/terminal.ts';
import { BoxError } from '../io/box.ts';
import { isoTime } from '../io/fields.ts';
import { trustedTime } from '../trust/trust.ts';
import { epochOf, releaseIdentity } from '../update/running.ts';
import { changeState, readState } from '../update/state.ts';
import { parseDuration } from './options.ts';
import { tell, type Verb } from './verb.ts';

/** `draisine hold NAME`: keeps updates from being staged and booted. */
export const hold: Verb = (box, terminal, options) => {
  const [name, other] = options.words;
  if (name === undefined || other !== undefined || !/^[A-Za-z0-9._-]{1,64}$/.test(name))
    throw new WrongUsage(
      'a hold has a name of letters, digits, dots and hyphens: draisine hold NAME --reason TEXT',
    );
  const reason = options.values.reason ?? 'no reason was given';
  const { for: duration } = options.values;
  // By the time that decisions go by: with a clock of 1970 a hold would end at once.
  const now = trustedTime(box, epochOf(releaseIdentity(box).version), readState(box).signedTime);
  const until = duration === undefined ? undefined : now + parseDuration(duration);
  changeState(box, ({ holds }) => ({
    holds: [...holds.filter((each) => each.name !== name), { name, reason, since: box.now(), until }],
  }));
  const end = until === undefined ? `draisine release-hold ${name}` : isoTime(until);
  tell(
    terminal,
    options,
    { name, reason, until: until === undefined ? undefined : isoTime(until) },
    `updates are held until: ${end}`,
  );
};

/** `draisine release-hold NAME`: ends a hold. */
export const releaseHold: Verb = (box, terminal, options) => {
  const [name] = options.words;
  if (name === undefined) throw new WrongUsage('name the hold: draisine release-hold NAME');
  changeState(box, ({ holds }) => {
    if (!holds.some((each) => each.name === name)) throw new BoxError(`there is no hold ${name}`);
    return { holds: holds.filter((each) => each.name !== name) };
  });
  tell(terminal, options, { name }, `the hold ${name} is released`);
};
