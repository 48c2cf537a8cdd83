import type { Box } from '../io/box.ts';
import { digestsOf } from './actual.ts';
import { DEFAULTS, NEXT_DEFAULTS, readCurrent } from './journal.ts';
import { VENDOR } from './nodes.ts';
import { type NodeStep, pathOf } from './plan.ts';
import type { Wishes } from './wishes.ts';

/*
 * A default of the release that comes back is a copy in the upper layer of /etc, because only overlayfs may change that
 * layer while it is mounted (kernel, filesystems/overlayfs, "Changes to underlying filesystems"). The copy would hide the
 * default of a later release. So the copies are listed, and the initrd (usr/lib/draisine/root) removes them at the next
 * boot, before it mounts /etc. A file that the config names, or that was changed by hand, is not removed.
 */

/** The lines of the list, by path. A line is the SHA-256 of the copy, `MODE:UID:GID`, and the path. */
function readList(box: Box): Map<string, string> {
  const lines = (readCurrent(box, NEXT_DEFAULTS, DEFAULTS) ?? '').split('\n');
  return new Map(lines.flatMap((line) => (line === '' ? [] : [[line.split(' ').slice(2).join(' '), line]])));
}

function writeList(box: Box, path: string, lines: ReadonlyMap<string, string>): void {
  const text = [...lines.values()].sort().map((line) => `${line}\n`);
  box.writeFile(path, text.join(''), { mode: 0o600, durable: false });
}

/** The list without the paths of a config: its files stay, even if they are equal to a default. */
const unnamed = (box: Box, { nodes }: Wishes): Map<string, string> =>
  new Map([...readList(box)].filter(([path]) => !nodes.has(path)));

/** Lists the defaults that these steps have set back. The list counts once the apply is confirmed. */
export function listDefaults(box: Box, steps: readonly NodeStep[], next: Wishes): void {
  const copies = steps.flatMap((step) => {
    const path = pathOf(step);
    const isCopy = step.do === 'remove' && box.lstat(`${VENDOR}${path}`)?.type === 'file';
    return isCopy && path.startsWith('/etc/') ? [path] : [];
  });
  const lines = unnamed(box, next);
  for (const [path, digest] of digestsOf(box, copies)) {
    const is = box.lstat(path);
    if (is) lines.set(path, `${digest} ${is.mode.toString(8)}:${is.uid}:${is.gid} ${path}`);
  }
  writeList(box, NEXT_DEFAULTS, lines);
}

/** Takes the paths of a config off the list, after an apply that has nothing to do. */
export function unlistNamed(box: Box, next: Wishes): void {
  const [before, after] = [readList(box), unnamed(box, next)];
  if (after.size < before.size) writeList(box, DEFAULTS, after);
}
