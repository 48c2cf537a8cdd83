import type { Entry, Tree } from './entry.ts';
import { compileGlobs } from './glob.ts';
import { promoteLinks } from './links.ts';
import { parentOf } from './paths.ts';

/** A removal of paths from a tree, as data. */
export interface Trim {
  /** The reason. `size` and `why` show it. */
  readonly reason: string;
  /** Globs (build/tree/glob.ts). A matching path is removed with everything below it. */
  readonly paths: readonly string[];
  /** Globs of exceptions. A matching path stays with everything below it and with its parent folders. */
  readonly except?: readonly string[];
}

export interface TrimCount {
  readonly reason: string;
  /** Entries removed. */
  readonly count: number;
  /** Bytes of removed file content. Content that stays under another hard link does not count. */
  readonly bytes: number;
}

export interface Trimmed {
  readonly tree: Tree;
  /** One per trim, in order. */
  readonly counts: readonly TrimCount[];
  /** One line for each trim that matched nothing. */
  readonly warnings: readonly string[];
}

/** Removes the paths of the trims, one trim after the other. */
export function trimTree(tree: Tree, trims: readonly Trim[]): Trimmed {
  const kept = new Map(tree.entries.map((entry) => [entry.path, entry]));
  const counts = trims.map((trim) => apply(kept, trim));
  const warnings = counts
    .filter(({ count }) => count === 0)
    .map(({ reason }) => `trim "${reason}" matched nothing`);
  return { tree: { entries: [...kept.values()] }, counts, warnings };
}

function apply(kept: Map<string, Entry>, trim: Trim): TrimCount {
  const where = `trim "${trim.reason}"`;
  const goes = compileGlobs(trim.paths, where);
  const stays = trim.except ? compileGlobs(trim.except, where) : undefined;
  const removed = new Map<string, Entry>();
  const spared = new Set<string>();
  for (const [path, entry] of kept) {
    if (!goes.test(path)) continue;
    if (stays?.test(path)) {
      for (let up = parentOf(path); up !== '' && !spared.has(up); up = parentOf(up)) spared.add(up);
    } else removed.set(path, entry);
  }
  for (const path of spared) removed.delete(path);
  for (const path of removed.keys()) kept.delete(path);
  const alive = promoteLinks(kept, removed);
  let bytes = 0;
  for (const [path, entry] of removed)
    if (entry.type === 'file' && !alive.has(path)) bytes += entry.content.size;
  return { reason: trim.reason, count: removed.size, bytes };
}
