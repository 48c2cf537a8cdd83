import { badInput } from '../../sdk/lib/errors.ts';

/** The folder of a path: `usr/bin` of `usr/bin/sh`, '' of `usr`. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

/** Last component of a path. */
export function baseOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Throws unless `path` has the form of `Entry.path`; `where` says who brought it. */
export function checkPath(path: string, where: string): void {
  const bad =
    path.includes('\0') || path.split('/').some((part) => part === '' || part === '.' || part === '..');
  if (bad) throw badInput(`${JSON.stringify(path)} is not a plain path relative to the root`, { where });
}

const MERGED = /^(?:bin|sbin|lib|lib64)\//;

/**
 * The path on a system with merged /usr: `lib/udev/x` becomes `usr/lib/udev/x`. The four names themselves stay, because
 * they are the symlinks (file-hierarchy(7)). `mergeUsr` moves them if they are folders.
 */
export function usrMerged(path: string): string {
  return MERGED.test(path) ? `usr/${path}` : path;
}

export const MERGED_USR: readonly string[] = ['bin', 'lib', 'lib64', 'sbin'];

/**
 * The path that a symlink at `path` points to, in the form of `Entry.path`. '' is the root, and `..` stops there, as in
 * path_resolution(7). Intermediate symlinks are not followed.
 */
export function linkTarget(path: string, target: string): string {
  const parts = target.startsWith('/') ? [] : parentOf(path).split('/').filter(Boolean);
  for (const part of target.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}
