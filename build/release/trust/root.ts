import { badInput } from '../../../sdk/lib/errors.ts';
import type { Root } from '../format/types.ts';
import { checkSigned, type Opened, openEnvelope } from './envelope.ts';

/**
 * Checks the roles of a root.
 * @throws badInput if a role names a key that the root does not have, or needs more keys than it has
 */
function checkRoles({ value, where }: Opened<'root'>): void {
  for (const [name, { keys, threshold }] of Object.entries(value.roles) as [
    string,
    Root['roles']['root'],
  ][]) {
    const hint = 'make a correct root: ./draisine keys rotate';
    if (threshold > keys.length)
      throw badInput(`the role ${name} wants ${threshold} signatures and has ${keys.length} keys`, {
        where,
        hint,
      });
    const lost = keys.find((id) => value.keys[id] === undefined);
    if (lost !== undefined)
      throw badInput(`the root lacks the key ${lost} of the role ${name}`, { where, hint });
  }
}

/** A root that its own keys have signed, i.e. a consistent one. The reader decides whether to trust it. */
export async function openRoot(text: string, where: string): Promise<Opened<'root'>> {
  const opened = await openEnvelope('root', text, where);
  checkRoles(opened);
  await checkSigned(opened, 'root', opened.value);
  return opened;
}

/**
 * Checks that `next` follows `root`: its number is one higher, and the keys of both have signed it.
 * @throws if it does not
 */
export async function checkSuccessor(root: Root, next: Opened<'root'>): Promise<void> {
  if (next.value.number !== root.number + 1)
    throw badInput(`root ${next.value.number} does not follow root ${root.number}`, {
      where: next.where,
      hint: 'fetch the roots in order: each one follows the one before it',
    });
  await checkSigned(next, 'root', root);
}

/**
 * Checks the date of a root. `now`: milliseconds.
 * @throws if it has expired
 */
export function checkFresh({ value, where }: Opened<'root'>, now: number): void {
  if (Date.parse(value.expires) > now) return;
  throw badInput(`the root expired at ${value.expires}`, {
    where,
    hint: 'renew it with the root keys: ./draisine keys rotate root --keep',
  });
}
