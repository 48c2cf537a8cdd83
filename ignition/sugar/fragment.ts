import { badInput } from '../../sdk/lib/errors.ts';
import { mergeConfigs } from '../check/merge.ts';
import type { JsonObject } from '../json/value.ts';

/**
 * A part of a config: any sections of plain Ignition, without a version. Every function of the sugar returns
 * one.
 * Parts are merged in Ignition's own way. A secret stands in place of a text.
 */
export interface Fragment {
  readonly ignition?: object;
  readonly kernelArguments?: object;
  readonly passwd?: object;
  readonly storage?: object;
  readonly systemd?: object;
}

/**
 * Merges a list of parts; a later one wins over an earlier one. The list is halved again and again, so n
 * parts take n log n time.
 */
export function mergeAll(fragments: readonly Fragment[]): Fragment {
  const [only = {}] = fragments;
  if (fragments.length <= 1) return only;
  const middle = fragments.length >> 1;
  const first = mergeAll(fragments.slice(0, middle)) as JsonObject;
  return mergeConfigs(first, mergeAll(fragments.slice(middle)) as JsonObject) as Fragment;
}

/** Merges parts; a later one wins over an earlier one. */
export function mergeFragments(...fragments: readonly Fragment[]): Fragment {
  return mergeAll(fragments);
}

/** Refuses a text with a line break, which would begin a new line in the file. */
export function oneLine(text: string, what: string): string {
  if (/[\n\r\0]/.test(text))
    throw badInput(`${what} has a line break`, { where: JSON.stringify(text.slice(0, 80)) });
  return text;
}

/** Refuses a text that does not match; the error names the expected form. */
export function matching(text: string, pattern: RegExp, what: string, hint: string): string {
  if (pattern.test(text)) return text;
  throw badInput(`not a ${what}: ${JSON.stringify(text.slice(0, 80))}`, { hint });
}
