import { posix } from 'node:path';

/**
 * The shortest equal path, by text alone (Go's path.Clean; no trailing slash, `.` for nothing).
 * POSIX' normalize differs only in keeping a trailing slash.
 */
export function cleanPath(path: string): string {
  if (path === '') return '.';
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
}
