import { definitionDigest, formatLock, type Lock } from './lock.ts';
import type { PackageSet } from './set.ts';

/** What is wrong with a lock for these sets, a sentence each; empty when nothing is. `text` is the file. Offline. */
export function checkAgainst(lock: Lock, sets: readonly PackageSet[], text: string): string[] {
  const problems: string[] = [];
  const wanted = new Set<string>();
  for (const set of sets) {
    wanted.add(set.name);
    const locked = lock.sets.get(set.name);
    if (locked === undefined) problems.push(`package set ${set.name} is not in the lock`);
    else if (locked.definition !== definitionDigest(set))
      problems.push(`package set ${set.name} has changed since it was locked`);
  }
  for (const name of lock.sets.keys())
    if (!wanted.has(name)) problems.push(`the lock has package set ${name}, which is no more`);
  if (problems.length === 0 && formatLock(lock) !== text) {
    problems.push('the lock was edited by hand: it is not as lock --update writes it');
  }
  return problems;
}
