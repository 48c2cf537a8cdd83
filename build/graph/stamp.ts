import { type BigIntStats, lstatSync } from 'node:fs';

/**
 * What stat(2) said about a file when its content was known: `size mtimeNs ctimeNs inode device`. The same stamp
 * later means the same content: nobody without root can set ctime. Only a write in the very clock tick of the
 * stamp escapes it.
 */
export type Stamp = string;

/** Undefined when nothing is there or it is not a regular file. */
export function stampOf(path: string): Stamp | undefined {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return stat?.isFile() ? formatStamp(stat) : undefined;
}

/** As after link(2), rename(2), chmod(2): a write would have changed mtime too. */
export function differInCtimeOnly(a: Stamp, b: Stamp): boolean {
  const others = (stamp: Stamp) => stamp.split(' ').toSpliced(2, 1).join(' ');
  return others(a) === others(b);
}

/** The stamp of a file from the answer of stat(2). */
function formatStamp(stat: BigIntStats): Stamp {
  return `${stat.size} ${stat.mtimeNs} ${stat.ctimeNs} ${stat.ino} ${stat.dev}`;
}
