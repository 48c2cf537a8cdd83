import { byteOrder } from '../../sdk/lib/files.ts';
import type { Entry, Tree } from '../tree/entry.ts';

/** In bytes. Smaller groups share an archive, because many small archives compress worse than one large archive. */
const LEAST = 64 << 10;
const PACKAGE = 'deb:';

/**
 * Cuts the tree of an initrd into trees that change independently: one for the files of each source package, because
 * its packages are updated together, and one for the files of each other origin. The first tree has all folders and
 * links, and the files of small groups. It stays first, because the kernel unpacks one archive after the other and
 * makes no missing folders. `sources`: names of source packages by names of packages.
 */
export function initrdPieces(tree: Tree, sources: Readonly<Record<string, string>>): Tree[] {
  const entries = new Map(tree.entries.map((entry) => [entry.path, entry]));
  const groups = new Map<string, Entry[]>();
  for (const entry of tree.entries) {
    // All hard links of a file must be in one archive: at the end of an archive, the kernel forgets inode numbers.
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
