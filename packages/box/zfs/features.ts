import { type Box, mustRun } from '../io/box.ts';
import { hasZfs, importedPools } from './pools.ts';

/** The features of a pool (zpool-features(7)), and the limit that its owner sets. */
export interface PoolFeatures {
  readonly name: string;
  /** `off`, `legacy`, or names of lists, separated by commas (zpoolprops(7)). */
  readonly compatibility: string;
  /** Active features: a release that does not know one of them cannot import the pool for writing. */
  readonly active: readonly string[];
  /** Enabled features, which may become active at any time. */
  readonly enabled: readonly string[];
}

/** Folders of feature lists: OpenZFS's own in the image, and those of the owner (zpool-features(7)). */
const LISTS = ['/etc/zfs/compatibility.d', '/usr/share/zfs/compatibility.d'];

/** Names of features in a list: one a line, or several with commas or spaces; `#` begins a comment. */
export function parseList(text: string): string[] {
  return text
    .split('\n')
    .flatMap((line) => line.replace(/#.*/, '').split(/[\s,]+/))
    .filter((name) => name !== '');
}

/**
 * Features that the running release can read: those of the newest list of its OpenZFS. Undefined if there is
 * no list.
 */
export function readableFeatures(box: Box): readonly string[] | undefined {
  const folder = LISTS.at(-1)!;
  if (box.stat(folder) === undefined) return undefined;
  const newest = box
    .list(folder)
    .flatMap((name) => {
      const [, major, minor] = /^openzfs-(\d+)\.(\d+)(?:-linux)?$/.exec(name) ?? [];
      return major === undefined ? [] : [{ name, rank: Number(major) * 1000 + Number(minor) }];
    })
    .sort((a, b) => b.rank - a.rank)[0];
  return newest && parseList(box.readText(`${folder}/${newest.name}`)).sort();
}

/** The features of all imported pools. */
export function featuresOfPools(box: Box): PoolFeatures[] {
  if (!hasZfs(box)) return [];
  return importedPools(box).map(({ name }) => {
    const ask = ['zpool', 'get', '-H', '-o', 'property,value', 'all', name];
    const told = mustRun(box, `cannot ask for the features of ${name}`, ask, { timeoutSeconds: 60 });
    const features = [...told.matchAll(/^feature@(\S+)\t(\S+)$/gm)];
    const those = (state: string) =>
      features.filter(([, , value]) => value === state).map(([, feature]) => feature!);
    return {
      name,
      compatibility: /^compatibility\t(\S+)$/m.exec(told)?.[1] ?? 'off',
      active: those('active'),
      enabled: those('enabled'),
    };
  });
}

/** Active features that a release cannot read: `POOL: feature, …` for each such pool. */
export function unreadable(pools: readonly PoolFeatures[], readable: readonly string[]): string[] {
  return pools.flatMap(({ name, active }) => {
    const unknown = active.filter((feature) => !readable.includes(feature));
    return unknown.length > 0 ? [`${name}: ${unknown.join(', ')}`] : [];
  });
}

/** The same for the pools that are imported now. */
export function unreadableFeatures(box: Box, readable: readonly string[]): string[] {
  return unreadable(featuresOfPools(box), readable);
}

/** Features of a pool that none of its compatibility lists allows: somebody has upgraded it too far. */
export function beyondCompatibility(box: Box, pool: PoolFeatures): readonly string[] {
  const { compatibility, active, enabled } = pool;
  if (compatibility === 'off') return [];
  const lists = compatibility === 'legacy' ? [[]] : compatibility.split(',').map((name) => listOf(box, name));
  return [...active, ...enabled].filter((feature) => lists.some((list) => list && !list.includes(feature)));
}

/** Undefined: the list is unknown, so it limits nothing. */
function listOf(box: Box, name: string): readonly string[] | undefined {
  const path = LISTS.map((folder) => `${folder}/${name}`).find((each) => box.stat(each)?.type === 'file');
  return path === undefined ? undefined : parseList(box.readText(path));
}
