import { readFile } from 'node:fs/promises';
import { badInput, errorCode } from '../../../sdk/lib/errors.ts';

/** A test that is known to fail and is not run for a while. */
export interface Denial {
  readonly test: string;
  readonly reason: string;
  /** URL of the bug. */
  readonly tracker: string;
  /** Last day, `YYYY-MM-DD` in UTC. After it the entry itself is a failed test. */
  readonly expires: string;
}

/**
 * Reads a denylist: JSON, `{"denied": [{test, reason, tracker, expires}]}`. No file, no denials. Each entry must be of
 * one of the `tests` there are: one of a test that was renamed would hold nothing back, for ever.
 */
export async function readDenylist(path: string, tests: ReadonlySet<string>): Promise<readonly Denial[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
  const denials = parseDenylist(text, path);
  const unknown = denials.find(({ test }) => !tests.has(test));
  if (unknown)
    throw badInput(`the denylist is wrong: there is no test ${unknown.test}`, {
      where: path,
      hint: 'take the entry out, or give it the name that the test has now',
    });
  return denials;
}

export function parseDenylist(text: string, where: string): readonly Denial[] {
  const fault = (what: string): Error => badInput(`the denylist is wrong: ${what}`, { where });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw fault(error instanceof Error ? error.message : String(error));
  }
  const denied = typeof value === 'object' && value !== null && 'denied' in value ? value.denied : undefined;
  if (!Array.isArray(denied)) throw fault('$.denied must be an array');
  return denied.map((entry: unknown, index) => {
    const fields = typeof entry === 'object' && entry !== null ? (entry as Record<string, unknown>) : {};
    const field = (key: keyof Denial): string => {
      const text = fields[key];
      if (typeof text !== 'string' || text.trim() === '')
        throw fault(`$.denied[${index}].${key} must be a text`);
      return text;
    };
    const denial = {
      test: field('test'),
      reason: field('reason'),
      tracker: field('tracker'),
      expires: field('expires'),
    };
    if (!isDay(denial.expires))
      throw fault(`$.denied[${index}].expires must be a day, YYYY-MM-DD: ${denial.expires}`);
    return denial;
  });
}

function isDay(text: string): boolean {
  const day = new Date(`${text}T00:00:00Z`);
  // A date that no month has is counted on into the next one.
  return !Number.isNaN(day.getTime()) && day.toISOString().slice(0, 10) === text;
}

/** What holds a test back today, and whether that has gone on for too long. */
export function denialOf(
  test: string,
  denials: readonly Denial[],
  now: Date,
): { readonly denial: Denial; readonly expired: boolean } | undefined {
  const denial = denials.find((candidate) => candidate.test === test);
  return denial && { denial, expired: now.toISOString().slice(0, 10) > denial.expires };
}
