import { badInput } from '../../sdk/lib/errors.ts';
import type { Keep } from '../harness/machine/keep.ts';

/**
 * Reads `--keep`. Its value is optional, and the parser of the command line cannot tell it from a glob on tests. So a
 * word that is not a value of `--keep` becomes a glob. `terminal`: a person can press Enter.
 */
export function keepOption(
  globs: readonly string[],
  options: { readonly keep?: string | true; readonly keepFor?: number; readonly parallel?: number },
  terminal = process.stdin.isTTY === true,
): { readonly keep?: Keep; readonly patterns: readonly string[] } {
  const { keep, keepFor, parallel } = options;
  if (keep === undefined) {
    if (keepFor !== undefined) throw badInput('--keep-for limits the time of --keep: give --keep as well');
    return { patterns: globs };
  }
  if (parallel !== undefined && parallel > 1)
    throw badInput('--keep runs one test at a time', { hint: 'leave --parallel out' });
  if (!terminal && keepFor === undefined)
    throw badInput('--keep waits for Enter on a terminal, and there is none', {
      hint: 'give a time limit: --keep-for 10m',
    });
  const word = keep === true || keep === 'failed' || keep === 'always' ? undefined : keep;
  return {
    keep: {
      when: keep === 'always' ? 'always' : 'failed',
      ...(keepFor === undefined ? {} : { limitMs: keepFor }),
    },
    patterns: word === undefined ? globs : [word, ...globs],
  };
}
