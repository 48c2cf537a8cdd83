import { badInput } from '../../sdk/lib/errors.ts';
import type { Entry, Tree } from './entry.ts';
import { checkPath } from './paths.ts';

/** The entry at `path`, without following symlinks. It does a binary search; for many look-ups use `indexTree`. */
export function findEntry(tree: Tree, path: string): Entry | undefined {
  const at = firstNotBefore(tree, path);
  const entry = tree.entries[at];
  return entry?.path === path ? entry : undefined;
}

/** The entry at `prefix` and all below it, in order. '' is the whole tree. */
export function under(tree: Tree, prefix: string): readonly Entry[] {
  if (prefix === '') return tree.entries;
  const own = findEntry(tree, prefix);
  const from = firstNotBefore(tree, `${prefix}/`);
  const to = firstNotBefore(tree, `${prefix}0`); // '0' follows '/' in code-unit order
  return [...(own ? [own] : []), ...tree.entries.slice(from, to)];
}

function firstNotBefore(tree: Tree, path: string): number {
  let low = 0;
  let high = tree.entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (tree.entries[middle]!.path < path) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Moves entries from below `from` to below `to`; '' is the root. `from` itself becomes `to`, or vanishes if `to`
 * is the root. Hard links move with their files; symlink targets stay as they are. An entry, or the target of a
 * hard link, outside `from` is an error.
 */
export function relocate(entries: readonly Entry[], from: string, to: string): Entry[] {
  const where = `relocate /${from} to /${to}`;
  const moved = (path: string): string => {
    if (path === from) return to;
    if (from !== '' && !path.startsWith(`${from}/`))
      throw badInput(`/${path} is not below /${from}`, { where });
    const rest = from === '' ? path : path.slice(from.length + 1);
    return to === '' ? rest : `${to}/${rest}`;
  };
  const result: Entry[] = [];
  for (const entry of entries) {
    const path = moved(entry.path);
    if (path === '') continue;
    checkPath(path, where);
    result.push(
      entry.type === 'hardlink' ? { ...entry, path, target: moved(entry.target) } : { ...entry, path },
    );
  }
  return result;
}
