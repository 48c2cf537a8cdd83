import { type BigIntStats, lstatSync } from 'node:fs';

/**
 * The answer of stat(2) for a file with known content: `size mtimeNs ctimeNs inode device`. The same stamp
 * later means the same content, because only root can set ctime. Only a write within the same clock tick goes
 * unnoticed.
 */
export type Stamp = string;

/** Undefined if there is no regular file. */
export function stampOf(path: string): Stamp | undefined {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return stat?.isFile() ? formatStamp(stat) : undefined;
}

/** Whether only ctime changed, as by link(2), rename(2) or chmod(2). A write would have changed mtime too. */
export function differInCtimeOnly(a: Stamp, b: Stamp): boolean {
  const others = (stamp: Stamp) => stamp.split(' ').toSpliced(2, 1).join(' ');
  return others(a) === others(b);
}

/** The stamp of a file from the answer of stat(2). */
function formatStamp(stat: BigIntStats): Stamp {
  return `${stat.size} ${stat.mtimeNs} ${stat.ctimeNs} ${stat.ino} ${stat.dev}`;
}
