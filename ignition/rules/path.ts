import { posix } from 'node:path';
import { type Problem, problem } from '../report.ts';

/**
 * The shortest equal path, by text alone (Go's path.Clean; no trailing slash, `.` for nothing).
 * POSIX' normalize differs only in keeping a trailing slash.
 */
export function cleanPath(path: string): string {
  if (path === '') return '.';
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
}

/** Suffix of the last component from its last dot, with the dot; empty without one. */
export function extension(path: string): string {
  const dot = path.lastIndexOf('.');
  return dot > path.lastIndexOf('/') ? path.slice(dot) : '';
}

export function checkPath(path: string): Problem | undefined {
  if (path === '') return problem('path not specified', 'give an absolute path');
  if (!path.startsWith('/'))
    return problem('path not absolute', `write it from the root, e.g. /${path.slice(0, 80)}`);
  const clean = cleanPath(path);
  if (clean !== path) return problem('path is not fully simplified', `write ${clean.slice(0, 200)}`);
  return undefined;
}

export function checkOptionalPath(path: string | undefined): Problem | undefined {
  return path === undefined || path === '' ? undefined : checkPath(path);
}
