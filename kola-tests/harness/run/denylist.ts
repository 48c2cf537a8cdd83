import { readFile } from 'node:fs/promises';
import { checked } from '../../../sdk/lib/checked.ts';
import { badInput, ifThere } from '../../../sdk/lib/errors.ts';
import { parseJson } from '../../../sdk/lib/json.ts';
import { type Denial, type Denylist, validate } from './denylist.schema.ts';

export type { Denial } from './denylist.schema.ts';

/**
 * Reads a denylist: JSON, `{"denied": [{test, reason, tracker, expires}]}`. No file means no denials. Each entry must
 * name one of `tests`: an entry with the old name of a renamed test would have no effect.
 */
export async function readDenylist(path: string, tests: ReadonlySet<string>): Promise<readonly Denial[]> {
  const text = await ifThere(readFile(path, 'utf8'));
  if (text === undefined) return [];
  const denials = parseDenylist(text, path);
  const unknown = denials.find(({ test }) => !tests.has(test));
  if (unknown)
    throw badInput(`the denylist is wrong: there is no test ${unknown.test}`, {
      where: path,
      hint: 'remove the entry, or change it to the present name of the test',
    });
  return denials;
}

/** Reads a denylist. Throws badInput that names the wrong place. */
export function parseDenylist(text: string, where: string): readonly Denial[] {
  const fault = (place: string, what: string) =>
    badInput(`the denylist is wrong: ${place} ${what}`, { where });
  const value = parseJson(text, 'the denylist', where, 'correct it, or remove it');
  const { denied } = checked<Denylist>(validate, value, fault);
  for (const [index, { expires }] of denied.entries())
    if (!isDay(expires)) throw fault(`$.denied[${index}].expires`, `must be a day, YYYY-MM-DD: ${expires}`);
  return denied;
}

function isDay(text: string): boolean {
  const day = new Date(`${text}T00:00:00Z`);
  // Date changes a day that the month does not have into one of the next month.
  return !Number.isNaN(day.getTime()) && day.toISOString().slice(0, 10) === text;
}

/** The denial of a test today, and whether it has expired. */
export function denialOf(
  test: string,
  denials: readonly Denial[],
  now: Date,
): { readonly denial: Denial; readonly expired: boolean } | undefined {
  const denial = denials.find((candidate) => candidate.test === test);
  return denial && { denial, expired: now.toISOString().slice(0, 10) > denial.expires };
}
