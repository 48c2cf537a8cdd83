import { byteOrder } from '../../sdk/lib/files.ts';
import type { Entry, Tree } from '../tree/entry.ts';

/** In bytes. Smaller groups share an archive: what an archive does not have before it compresses a little worse. */
const LEAST = 64 << 10;
const PACKAGE = 'deb:';

/**
 * Cuts the tree of an initrd into trees that change independently: the files of each source package, whose packages are
 * updated together, and those of each other origin. The first tree has all folders and links, and the files of small
 * groups. Their order is fixed: the kernel unpacks one archive after the other, and makes no missing folders.
 * `sources`: names of source packages by names of packages.
 */
export function initrdPieces(tree: Tree, sources: Readonly<Record<string, string>>): Tree[] {
  const entries = new Map(tree.entries.map((entry) => [entry.path, entry]));
  const groups = new Map<string, Entry[]>();
  for (const entry of tree.entries) {
    // Names of one file must be in one archive: the kernel forgets inode numbers at its end.
    const file = entry.type === 'hardlink' ? entries.get(entry.target) : entry;
    const group = file?.type === 'file' ? groupOf(file.origin, sources) : '';
    groups.set(group, [...(groups.get(group) ?? []), entry]);
  }
  const large = [...groups].filter(([group, files]) => group !== '' && sizeOf(files) >= LEAST);
  const own = new Set(large.flatMap(([, files]) => files));
  return [
    { entries: tree.entries.filter((entry) => !own.has(entry)) },
    ...large.sort(([a], [b]) => byteOrder(a, b)).map(([, files]) => ({ entries: files })),
  ];
}

function groupOf(origin: string, sources: Readonly<Record<string, string>>): string {
  if (!origin.startsWith(PACKAGE)) return origin;
  const name = origin.slice(PACKAGE.length);
  return sources[name] ?? name;
}

function sizeOf(files: readonly Entry[]): number {
  return files.reduce((sum, entry) => sum + (entry.type === 'file' ? entry.content.size : 0), 0);
}
