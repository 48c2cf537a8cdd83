import { byteOrder } from '../../sdk/lib/files.ts';
import type { Lock } from './lock.ts';

/** The differences of two locks, by set. */
export type LockDiff = readonly {
  readonly set: string;
  readonly added: readonly { readonly name: string; readonly version: string }[];
  readonly removed: readonly { readonly name: string; readonly version: string }[];
  readonly changed: readonly { readonly name: string; readonly from: string; readonly to: string }[];
}[];

/**
 * Compares the packages of two locks. `old`: undefined if there was no lock. Sets without a difference are left out.
 */
export function compareLocks(old: Lock | undefined, lock: Lock): LockDiff {
  const names = [...new Set([...(old?.sets.keys() ?? []), ...lock.sets.keys()])].sort(byteOrder);
  const diffs = names.map((set) => {
    const before = new Map((old?.sets.get(set)?.packages ?? []).map(({ name, version }) => [name, version]));
    const after = new Map((lock.sets.get(set)?.packages ?? []).map(({ name, version }) => [name, version]));
    const only = (these: Map<string, string>, others: Map<string, string>) =>
      [...these].filter(([name]) => !others.has(name)).map(([name, version]) => ({ name, version }));
    const changed = [...after].flatMap(([name, to]) => {
      const from = before.get(name);
      return from === undefined || from === to ? [] : [{ name, from, to }];
    });
    return { set, added: only(after, before), removed: only(before, after), changed };
  });
  return diffs.filter(({ added, removed, changed }) => added.length + removed.length + changed.length > 0);
}
