import { byteOrder } from '../../sdk/lib/files.ts';
import type { Entry } from './entry.ts';

/**
 * Keeps the content of removed files that have hard links. The first hard link by path becomes the file, and the others
 * point to it. Changes `kept`. Returns the paths of the removed files whose content stays.
 */
export function promoteLinks(kept: Map<string, Entry>, removed: ReadonlyMap<string, Entry>): Set<string> {
  const heirs = new Map<string, string>();
  if (removed.size === 0) return new Set();
  const links = [...kept.values()].filter((entry) => entry.type === 'hardlink' && removed.has(entry.target));
  for (const link of links.sort((a, b) => byteOrder(a.path, b.path))) {
    if (link.type !== 'hardlink') continue;
    const file = removed.get(link.target);
    if (file?.type !== 'file') continue;
    const heir = heirs.get(link.target);
    if (heir === undefined) {
      heirs.set(link.target, link.path);
      kept.set(link.path, { ...file, path: link.path, origin: link.origin });
    } else {
      kept.set(link.path, { ...link, target: heir });
    }
  }
  return new Set(heirs.keys());
}
