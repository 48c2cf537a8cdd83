import { type Box, mustRun } from '../io/box.ts';
import { BACKUP } from './journal.ts';

/** Numbers of owners, attributes and modes as they are; a folder is itself alone, not what is in it. */
const TAR = ['tar', '--numeric-owner', '--xattrs', '--no-recursion', '--null'] as const;

/** Copies what is at these paths into the backup, which is on the disk then, and says which were not there. */
export function saveAll(
  box: Box,
  paths: readonly string[],
): { readonly saved: readonly string[]; readonly absent: readonly string[] } {
  const saved = paths.filter((path) => box.lstat(path) !== undefined);
  const names = saved.map((path) => `${path.slice(1)}\0`).join('');
  const making = `${BACKUP}.new`;
  mustRun(box, 'the backup cannot be made', [...TAR, '--create', '-C', '/', '-f', making, '--files-from=-'], {
    stdin: names,
  });
  mustRun(box, 'the backup cannot be made', ['chmod', '0600', making]);
  box.sync(making);
  box.rename(making, BACKUP);
  box.sync(BACKUP);
  return { saved, absent: paths.filter((path) => !saved.includes(path)) };
}

/** Puts everything back: what was there is there again, what was not is gone. Done twice it is the same. */
export function restoreAll(box: Box, saved: readonly string[], absent: readonly string[]): void {
  const deepestFirst = [...absent].sort((a, b) => b.split('/').length - a.split('/').length);
  for (const path of deepestFirst) {
    const info = box.lstat(path);
    // A folder that somebody put something into meanwhile stays.
    if (info?.type === 'directory' && box.list(path).length > 0) continue;
    box.remove(path);
  }
  if (saved.length === 0) return;
  // Those that `systemctl enable` made go; those that were there are in the backup.
  mustRun(box, 'links of units cannot be removed', ['find', '/etc/systemd/system', '-type', 'l', '-delete']);
  mustRun(box, 'the backup cannot be put back', [
    ...['tar', '--numeric-owner', '--xattrs', '--xattrs-include=*', '--same-permissions', '--same-owner'],
    ...['--extract', '-C', '/', '-f', BACKUP],
  ]);
  mustRun(box, 'what was put back cannot be written', ['sync', '--file-system', '/']);
}
