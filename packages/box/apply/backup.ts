import { RESERVE } from '../free/reserve.ts';
import { type Box, mustRun } from '../io/box.ts';
import { BACKUP } from './journal.ts';
import { flush } from './nodes.ts';

/**
 * Options of tar: numbers of owners, attributes and modes are kept, and a folder is saved without its
 * contents.
 */
const TAR = ['tar', '--numeric-owner', '--xattrs', '--no-recursion', '--null'] as const;

/** Copies the nodes at these paths into the backup. Returns the paths that did not exist. */
export function saveAll(
  box: Box,
  paths: readonly string[],
): { readonly saved: readonly string[]; readonly absent: readonly string[] } {
  const saved = paths.filter((path) => box.lstat(path) !== undefined);
  const names = saved.map((path) => `${path.slice(1)}\0`).join('');
  box.writeFile(BACKUP, '', { mode: 0o600, durable: false });
  const tar = [...TAR, '--create', '-C', '/', '-f', BACKUP, '--files-from=-'];
  mustRun(box, 'the backup cannot be made', tar, { stdin: names });
  const there = new Set(saved);
  return { saved, absent: paths.filter((path) => !there.has(path)) };
}

/** Restores everything: saved nodes come back, new paths are removed. A second call has the same result. */
export function restoreAll(box: Box, saved: readonly string[], absent: readonly string[]): void {
  const deepestFirst = [...absent].sort((a, b) => b.split('/').length - a.split('/').length);
  for (const path of deepestFirst) {
    const info = box.lstat(path);
    // A folder with new contents is not removed.
    if (info?.type === 'directory' && box.list(path).length > 0) continue;
    box.remove(path);
  }
  if (saved.length === 0) return;
  // Removes links that `systemctl enable` made. The backup has the older links.
  mustRun(box, 'links of units cannot be removed', ['find', '/etc/systemd/system', '-type', 'l', '-delete']);
  const tar = [
    'tar',
    '--numeric-owner',
    '--xattrs',
    '--xattrs-include=*',
    '--same-permissions',
    '--same-owner',
    // Otherwise tar makes an absolute link a file until its end, and cannot restore a path through the link.
    '--absolute-names',
  ];
  const extract = [...tar, '--extract', '-C', '/', '-f', BACKUP];
  // On a full partition, the reserve has the room that tar lacks (packages/box/free). The next boot makes it again.
  if (box.run(extract).code !== 0) {
    box.remove(RESERVE);
    mustRun(box, 'the backup cannot be put back', extract);
  }
  flush(box, saved);
}
