import { posix } from 'node:path';

/**
 * The shortest path that means the same, by text alone (Go's path.Clean): without a trailing slash, `.` for
 * an empty path.
 * Differs from `normalize` of node:path only in the trailing slash.
 */
export function cleanPath(path: string): string {
  if (path === '') return '.';
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
}
