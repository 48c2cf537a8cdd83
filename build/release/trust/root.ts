import { badInput } from '../../../sdk/lib/errors.ts';
import type { Root } from '../format/types.ts';
import { checkSigned, type Opened, openEnvelope } from './envelope.ts';

/** Throws badInput when the roles of a root name keys it does not have, or more than there are. */
function checkRoles({ value, where }: Opened<'root'>): void {
  for (const [name, { keys, threshold }] of Object.entries(value.roles) as [
    string,
    Root['roles']['root'],
  ][]) {
    const hint = './draisine keys rotate makes a root that is right';
    if (threshold > keys.length)
      throw badInput(`the role ${name} wants ${threshold} signatures and has ${keys.length} keys`, {
        where,
        hint,
      });
    const lost = keys.find((id) => value.keys[id] === undefined);
    if (lost !== undefined)
      throw badInput(`the key ${lost} of the role ${name} is not there`, { where, hint });
  }
}

/** A root that its own keys have signed: right in itself. Whether it is to be trusted, its reader knows. */
export async function openRoot(text: string, where: string): Promise<Opened<'root'>> {
  const opened = await openEnvelope('root', text, where);
  checkRoles(opened);
  await checkSigned(opened, 'root', opened.value);
  return opened;
}

/** Throws unless `next` follows `root`: one number more, signed by the keys of both. */
export async function checkSuccessor(root: Root, next: Opened<'root'>): Promise<void> {
  if (next.value.number !== root.number + 1)
    throw badInput(`root ${next.value.number} does not follow root ${root.number}`, {
      where: next.where,
      hint: 'each root follows the one before it',
    });
  await checkSigned(next, 'root', root);
}

/** Throws when a root is out of date. `now`: milliseconds. */
export function checkFresh({ value, where }: Opened<'root'>, now: number): void {
  if (Date.parse(value.expires) > now) return;
  throw badInput(`the root expired at ${value.expires}`, {
    where,
    hint: 'renew it with the root keys: ./draisine keys rotate root --keep',
  });
}
