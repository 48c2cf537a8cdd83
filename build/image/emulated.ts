import { badInput } from '../../sdk/lib/errors.ts';
import type { Scripted, ScriptVerdict } from '../debian/scripts.ts';
import { type Accounts, declaredIn } from './accounts.ts';

/**
 * Checks that the image has the accounts of scripts that never run, if a verdict says that packages/system/users.ts has
 * them.
 */

/** The value of a verdict's `by` for accounts. */
const USERS = 'users';
const NAME = /^[a-z_][a-z0-9_-]*$/;

/** The value of a variable of a script, if a line sets it to a plain word. */
function wordOf(word: string, script: string): string | undefined {
  const bare = word.replace(/^["']|["']$/g, '');
  const variable = /^\$\{?(\w+)\}?$/.exec(bare)?.[1];
  const value =
    variable === undefined ? bare : new RegExp(`^\\s*${variable}=["']?([^"'\\s;]+)`, 'm').exec(script)?.[1];
  return value !== undefined && NAME.test(value) ? value : undefined;
}

/**
 * Finds the accounts that a script makes: names in calls of adduser(8), addgroup(8), useradd(8) and groupadd(8), and
 * sysusers.d files in calls of systemd-sysusers.
 */
function madeBy(script: string): { readonly names: string[]; readonly files: string[] } {
  const text = script.replaceAll('\\\n', ' ').replace(/^\s*#.*$/gm, '');
  const names = [
    ...text.matchAll(/(?<!command -v |which |type )\b(?:add|user|group)(?:user|group|add)\s+([^;|&()\n]*)/g),
  ];
  const files = [...text.matchAll(/(?<!command -v )\bsystemd-sysusers\s+([^;|&\n]*)/g)];
  return {
    names: names.flatMap(([, args = '']) => {
      const words = args
        .replace(/\d*>+\s*\S*/g, ' ')
        .trim()
        .split(/\s+/);
      return wordOf(words.at(-1) ?? '', text) ?? [];
    }),
    files: files.flatMap(([, args = '']) => args.match(/[\w.@-]+\.conf\b/g) ?? []),
  };
}

/**
 * Throws unless the image has each account that a verdict `emulated` by `users` stands for: those that the verdict
 * names, or else those that the script makes.
 * @param read text of a file of the packages, empty where there is none
 * @param where the policy's file
 */
export function checkEmulated(
  packages: readonly Scripted[],
  verdicts: readonly ScriptVerdict[],
  accounts: Accounts,
  read: (path: string) => string,
  where: string,
): void {
  const known = new Set([...accounts.users, ...accounts.groups].map(({ name }) => name));
  const faults = verdicts.flatMap(({ package: owner, script, verdict, by, accounts: named }) => {
    if (verdict !== 'emulated' || !by.split(/,\s*/).includes(USERS)) return [];
    const text = packages.find(({ name }) => name === owner)?.scripts[script] ?? '';
    const { names, files } = madeBy(text);
    const declared = files.flatMap((file) => declaredIn(read(`usr/lib/sysusers.d/${file}`)));
    const made = named ?? [...names, ...declared];
    if (made.length === 0) return [`${owner} ${script}: the script names no account`];
    // A file of sysusers.d may declare more than this image uses.
    const meant = named ?? [...names, ...declared.filter((name) => !accounts.unused.includes(name))];
    const missing = [...new Set(meant)].filter((name) => !known.has(name));
    return missing.length === 0 ? [] : [`${owner} ${script}: ${missing.join(', ')}`];
  });
  if (faults.length === 0) return;
  throw badInput(`scripts are emulated by users, but these accounts are missing:\n  ${faults.join('\n  ')}`, {
    where,
    hint: 'give each a number in packages/system/users.ts; accounts: ["NAME"] in the verdict names those that the script does not',
  });
}
