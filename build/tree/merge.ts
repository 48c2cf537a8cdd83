import { badInput } from '../../sdk/lib/errors.ts';
import { byteOrder } from '../../sdk/lib/files.ts';
import type { Entry, Tree } from './entry.ts';
import { promoteLinks } from './links.ts';
import { checkPath, MERGED_USR, parentOf, usrMerged } from './paths.ts';

/** A decision: the package whose version of a path counts if several packages disagree. */
export interface Settled {
  readonly path: string;
  readonly package: string;
  readonly reason: string;
}

/** Packages of equal rank. Two packages that own one path, or disagree about a folder, are an error unless settled. */
export interface PackageLayer {
  readonly packages: readonly { readonly name: string; readonly entries: readonly Entry[] }[];
  readonly settled?: readonly Settled[];
  /** `agree` (default): mode and owner of a shared folder must be the same. `first`: the first package decides. */
  readonly folders?: 'agree' | 'first';
}

/**
 * A layer above the earlier ones. It replaces only the paths in `replaces`. An existing folder keeps its mode and owner
 * unless it is replaced.
 */
export interface OverlayLayer {
  readonly overlay: string;
  readonly entries: readonly Entry[];
  /** Paths in the form of `Entry.path`; each must be in the overlay and in an earlier layer. */
  readonly replaces?: readonly string[];
}

export type Layer = PackageLayer | OverlayLayer;

/**
 * Lays the layers over each other, merges /usr, adds missing parents (0755 root) and sorts. All conflicts of a
 * layer are reported in one Failure.
 */
export function mergeLayers(layers: readonly Layer[]): Tree {
  const tree = new Map<string, Entry>();
  for (const layer of layers) {
    if ('overlay' in layer) layOverlay(tree, layer);
    else layPackages(tree, layer);
  }
  addParents(tree);
  checkLinks(tree);
  return { entries: [...tree.values()].sort((a, b) => byteOrder(a.path, b.path)) };
}

/** An entry at its place on a system with merged /usr. */
function mergeUsr(entry: Entry): Entry {
  const isAlias = MERGED_USR.includes(entry.path) && entry.type === 'dir';
  const path = isAlias ? `usr/${entry.path}` : usrMerged(entry.path);
  if (entry.type === 'hardlink') return { ...entry, path, target: usrMerged(entry.target) };
  return path === entry.path ? entry : { ...entry, path };
}

/** A package's entries by their path on a system with merged /usr. */
interface Owner {
  readonly name: string;
  readonly own: Map<string, Entry>;
}

function layPackages(tree: Map<string, Entry>, layer: PackageLayer): void {
  const owners = layer.packages.map(({ name, entries }) => ({ name, own: ownEntries(name, entries) }));
  yieldSettled(owners, layer.settled ?? []);
  const conflicts: string[] = [];
  for (const { own } of owners) {
    for (const entry of own.values()) {
      const earlier = tree.get(entry.path);
      const shared = entry.type === 'dir' && earlier?.type === 'dir';
      if (!earlier) tree.set(entry.path, entry);
      else if (!shared || (layer.folders !== 'first' && !sameOwner(entry, earlier)))
        conflicts.push(conflict(entry, earlier));
    }
  }
  if (conflicts.length > 0) {
    throw badInput(`${conflicts.length} paths belong to more than one package\n${listing(conflicts)}`, {
      where: 'tree: packages',
      hint: 'settle each ({path, package, reason}), or drop one of the packages',
    });
  }
}

function ownEntries(name: string, entries: readonly Entry[]): Map<string, Entry> {
  const own = new Map<string, Entry>();
  for (const shipped of entries) {
    const entry = mergeUsr(shipped);
    checkPath(entry.path, `package ${name}`);
    const twin = own.get(entry.path);
    if (twin?.type === 'dir' && entry.type === 'dir') continue; // lib/x and usr/lib/x
    if (twin)
      throw badInput(`/${entry.path} is there twice once /usr is merged`, { where: `package ${name}` });
    own.set(entry.path, entry);
  }
  return own;
}

/** Removes settled paths from all packages except the owner. */
function yieldSettled(owners: readonly Owner[], settled: readonly Settled[]): void {
  for (const { path, package: winner } of settled) {
    const having = owners.filter(({ own }) => own.has(path));
    if (having.length < 2 || !having.some(({ name }) => name === winner)) {
      const names = having.map(({ name }) => name).join(', ') || 'no package';
      throw badInput(`/${path} is settled for ${winner}, but it belongs to ${names}`, {
        where: 'tree: packages',
        hint: 'remove the entry, or name one of the owners',
      });
    }
    for (const { name, own } of having) {
      if (name === winner) continue;
      const lost = new Map([[path, own.get(path)!]]);
      own.delete(path);
      promoteLinks(own, lost);
    }
  }
}

function sameOwner(a: Entry, b: Entry): boolean {
  return a.mode === b.mode && a.uid === b.uid && a.gid === b.gid;
}

function conflict(entry: Entry, earlier: Entry): string {
  const show = ({ origin, type, mode, uid, gid }: Entry) =>
    `${origin} (${type} ${mode.toString(8).padStart(4, '0')} ${uid}:${gid})`;
  return `/${entry.path}: ${show(earlier)}, ${show(entry)}`;
}

function listing(lines: readonly string[], limit = 20): string {
  const shown = lines.slice(0, limit).map((line) => `  ${line}`);
  if (lines.length > limit) shown.push(`  … and ${lines.length - limit} more`);
  return shown.join('\n');
}

function layOverlay(tree: Map<string, Entry>, layer: OverlayLayer): void {
  const where = `overlay ${layer.overlay}`;
  const replaces = new Set((layer.replaces ?? []).map(usrMerged));
  const own = layer.entries.map(mergeUsr);
  const replaced = new Map<string, Entry>();
  const shadowed: string[] = [];
  const seen = new Set<string>();
  for (const entry of own) {
    checkPath(entry.path, where);
    if (seen.has(entry.path)) throw badInput(`/${entry.path} is there twice`, { where });
    seen.add(entry.path);
    const earlier = tree.get(entry.path);
    if (!earlier) continue;
    if (replaces.has(entry.path)) replaced.set(entry.path, earlier);
    else if (entry.type !== 'dir' || earlier.type !== 'dir')
      shadowed.push(`/${entry.path} of ${earlier.origin}`);
  }
  if (shadowed.length > 0) {
    throw badInput(`replaces paths without naming them:\n${listing(shadowed)}`, {
      where,
      hint: 'list the paths in `replaces`, or leave them out of the overlay',
    });
  }
  const idle = [...replaces].filter((path) => !replaced.has(path));
  if (idle.length > 0) {
    throw badInput(`replaces nothing: ${idle.map((path) => `/${path}`).join(', ')}`, {
      where,
      hint: 'each path of `replaces` must be in the overlay and in an earlier layer',
    });
  }
  for (const [path, entry] of replaced) {
    tree.delete(path);
    if (entry.type === 'dir') removeBelow(tree, path, replaced, own);
  }
  promoteLinks(tree, replaced);
  for (const entry of own) if (!tree.has(entry.path)) tree.set(entry.path, entry);
}

/** Removes the contents of a folder that is replaced by another kind of entry. */
function removeBelow(
  tree: Map<string, Entry>,
  path: string,
  removed: Map<string, Entry>,
  own: readonly Entry[],
): void {
  if (own.some((entry) => entry.path === path && entry.type === 'dir')) return;
  for (const [below, entry] of tree) {
    if (!below.startsWith(`${path}/`)) continue;
    tree.delete(below);
    removed.set(below, entry);
  }
}

function addParents(tree: Map<string, Entry>): void {
  for (const entry of [...tree.values()]) {
    for (let path = parentOf(entry.path); path !== ''; path = parentOf(path)) {
      const parent = tree.get(path);
      if (parent?.type === 'dir') break;
      if (parent) {
        const target = parent.type === 'symlink' ? ` to ${parent.target}` : '';
        throw badInput(`/${entry.path} lies below /${path}, a ${parent.type}${target} of ${parent.origin}`, {
          where: entry.origin,
          hint:
            parent.type === 'symlink'
              ? 'ship it under the path that the symlink points to'
              : 'move one of them',
        });
      }
      tree.set(path, { path, type: 'dir', mode: 0o755, uid: 0, gid: 0, origin: 'implied' });
    }
  }
}

function checkLinks(tree: ReadonlyMap<string, Entry>): void {
  for (const entry of tree.values()) {
    if (entry.type !== 'hardlink') continue;
    if (tree.get(entry.target)?.type === 'file') continue;
    throw badInput(`/${entry.path} is a hard link to /${entry.target}, which is not a file of the tree`, {
      where: entry.origin,
    });
  }
}
