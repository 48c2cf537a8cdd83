import type { Entry, Tree } from './entry.ts';
import { linkTarget, parentOf } from './paths.ts';

/** Entries by path. */
export type Index = ReadonlyMap<string, Entry>;

export function indexTree(tree: Tree): Index {
  return new Map(tree.entries.map((entry) => [entry.path, entry]));
}

export interface Found {
  /** Never a symlink. */
  readonly entry: Entry;
  /** The symlinks that were followed, in order. Symlinks in the place of a folder (`lib64`) count. */
  readonly links: readonly Entry[];
}

/** The limit of Linux (path_resolution(7)). */
const MAX_LINKS = 40;

/**
 * Looks up `path` (with or without leading slash) in the tree, and follows symlinks in every component. Undefined if
 * the path does not exist or the symlinks form a circle.
 */
export function lookUp(index: Index, path: string): Found | undefined {
  const links: Entry[] = [];
  let rest = path.split('/').filter(Boolean);
  let at = '';
  while (rest.length > 0) {
    const [part = '', ...after] = rest;
    rest = after;
    if (part === '.') continue;
    if (part === '..') {
      at = parentOf(at);
      continue;
    }
    const next = at === '' ? part : `${at}/${part}`;
    const entry = index.get(next);
    if (!entry) return undefined;
    if (entry.type === 'symlink') {
      if (links.push(entry) > MAX_LINKS) return undefined;
      rest = [...linkTarget(entry.path, entry.target).split('/').filter(Boolean), ...rest];
      at = '';
    } else at = next;
  }
  const entry = index.get(at);
  return entry && { entry, links };
}
