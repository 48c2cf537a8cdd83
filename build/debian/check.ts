import { definitionDigest, formatLock, type Lock, type LockedSet } from './lock.ts';
import type { PackageSet } from './set.ts';

/**
 * The faults of a lock for these sets, one sentence for each; empty if there are none. `text`: the content of the lock
 * file. It needs no network.
 */
export function checkAgainst(lock: Lock, sets: readonly PackageSet[], text: string): string[] {
  const problems: string[] = [];
  const wanted = new Set<string>();
  for (const set of sets) {
    wanted.add(set.name);
    const locked = lock.sets.get(set.name);
    if (locked === undefined) problems.push(`package set ${set.name} is not in the lock`);
    else if (locked.definition !== definitionDigest(set))
      problems.push(`package set ${set.name} has changed since it was locked`);
    else problems.push(...checkClosure(locked, set));
  }
  for (const name of lock.sets.keys())
    if (!wanted.has(name)) problems.push(`the lock has package set ${name}, which no longer exists`);
  if (problems.length === 0 && formatLock(lock) !== text) {
    problems.push('the lock was edited by hand: `lock --update` writes it in another form');
  }
  return problems;
}

/**
 * Finds the faults of a locked set: packages of the definition that are missing, and packages that no other package
 * needs.
 */
function checkClosure({ packages }: LockedSet, { name: set, include }: PackageSet): string[] {
  const roots = new Set(packages.flatMap(({ name, root }) => (root ? [name] : [])));
  const named = new Set(include.map((entry) => entry.replace(/\/.*$/, '')));
  const missing = [...named].filter((name) => !roots.has(name));
  const extra = [...roots].filter((name) => !named.has(name));
  // A virtual name stands for another package. Only the indexes know which one.
  const lacking = missing.slice(extra.length);
  const surplus = extra.slice(missing.length);
  const needs = new Map(packages.map((entry) => [entry.name, Object.keys(entry.needs)]));
  const reached = new Set(roots);
  for (const name of reached) for (const need of needs.get(name) ?? []) reached.add(need);
  const idle = packages.flatMap(({ name }) => (reached.has(name) ? [] : [name]));
  const problem = (names: readonly string[], what: string) =>
    names.length === 0 ? [] : [`package set ${set} ${what}: ${names.join(', ')}`];
  return [
    ...problem(lacking, 'is locked without packages that it includes'),
    ...problem(surplus, 'is locked with roots that it does not include'),
    ...problem(idle, 'is locked with packages that nothing there needs'),
  ];
}
