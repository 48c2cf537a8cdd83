import { badInput } from '../../sdk/lib/errors.ts';
import type { ArchiveName } from './archives.ts';
import type { Index } from './index.ts';
import type { Lock, LockedIndex, LockedPackage, LockedSet, LockedSource } from './lock.ts';
import type { PackageIndex, PackageRecord } from './packages-index.ts';
import type { IndexLike, Pins } from './universe.ts';
import { compareVersions } from './version.ts';

/**
 * `lock --update --security-only`: only packages with a later version in the security archive change, to that version.
 */

const SECURITY: ArchiveName = 'debian-security';

/** The locked packages with a later version in the security archive: name → that version. */
export function securityFixes(old: Lock | undefined, indexes: readonly Index[]): Pins {
  if (old === undefined)
    throw badInput('security fixes can only be taken into an existing lock', {
      hint: './draisine lock --update',
    });
  const fixes = new Map<string, string>();
  for (const { name, version } of [...old.sets.values()].flatMap(({ packages }) => packages)) {
    const newest = newestIn(indexes, name);
    if (newest !== undefined && compareVersions(newest, version) > 0) fixes.set(name, newest);
  }
  return fixes;
}

function newestIn(indexes: readonly Index[], name: string): string | undefined {
  return indexes
    .filter(({ archive }) => archive === SECURITY)
    .flatMap(({ packages }) => packages.lookup(name).map(({ version }) => version))
    .sort(compareVersions)
    .at(-1);
}

/**
 * The pins of a set with its security fixes. If the set already has a later version (from backports), it keeps that
 * one.
 */
export function withFixes(pins: Pins, fixes: Pins, set: LockedSet | undefined): Pins {
  const all = new Map(pins);
  for (const [name, fixed] of fixes) {
    const locked = set?.packages.find((each) => each.name === name)?.version;
    all.set(name, locked !== undefined && compareVersions(locked, fixed) >= 0 ? locked : fixed);
  }
  return all;
}

/**
 * The indexes with the locked packages that they no longer have, because a point release removes older versions from
 * the index. The dependencies of such a package come from the lock, its other fields from the version in the index. Its
 * conflicts are unknown, but it did not conflict with the packages that were locked with it.
 */
export function withVanished(indexes: readonly Index[], old: Lock | undefined): IndexLike[] {
  const locked = [...(old?.sets.values() ?? [])].flatMap(({ packages }) => packages);
  return indexes.flatMap((index): IndexLike[] => {
    const gone = new Map<string, PackageRecord[]>();
    for (const each of locked) {
      if (`${each.archive}/${each.suite}/${each.component}` !== index.id) continue;
      const known = [...index.packages.lookup(each.name), ...(gone.get(each.name) ?? [])];
      if (known.some(({ version }) => version === each.version)) continue;
      gone.set(each.name, [...(gone.get(each.name) ?? []), recordOf(each, index.packages)]);
    }
    if (gone.size === 0) return [index];
    const { id, suite, onRequest } = index;
    const packages = { lookup: (name: string) => gone.get(name) ?? [], names: () => gone.keys() };
    return [index, { id, suite, onRequest, packages: { ...packages, providers: () => [] } }];
  });
}

function recordOf(locked: LockedPackage, index: PackageIndex): PackageRecord {
  const { name, version, architecture, size, installedSize, sha256, path, needs, dropped } = locked;
  const optional = 4;
  const now = index.lookup(name)[0];
  return {
    ...{ priority: optional, essential: false, protected: false, anyAllowed: false, rank: 0, provides: '' },
    ...now,
    ...{ name, version, architecture, size, installedSize, sha256, path },
    ...{ preDepends: '', depends: [...Object.values(needs), ...Object.values(dropped)].join(', ') },
    ...{ conflicts: '', breaks: '' },
  };
}

/**
 * The indexes that the new lock names. A suite without a new package keeps its old index. So a snapshot service is
 * still asked for a day on which it had the held packages.
 */
export function keptIndexes(
  fresh: readonly LockedIndex[],
  old: Lock | undefined,
  sets: ReadonlyMap<string, LockedSet>,
  sources: readonly LockedSource[],
): LockedIndex[] {
  const pins = (of: Pick<Lock, 'sets' | 'sources'>) => [
    ...[...of.sets.values()].flatMap(({ packages }) => packages),
    ...of.sources,
  ];
  const before = new Set(old ? pins(old).map(({ name, version }) => `${name} ${version}`) : []);
  const moved = pins({ sets, sources }).filter(({ name, version }) => !before.has(`${name} ${version}`));
  return fresh.map((index) => {
    const same = ({ archive, suite }: { archive: string; suite: string }) =>
      archive === index.archive && suite === index.suite;
    return moved.some(same) ? index : (old?.indexes.find(same) ?? index);
  });
}

/** Whether a source package comes from the security archive. */
export function isSecurity({ archive }: { readonly archive: string }): boolean {
  return archive === SECURITY;
}
