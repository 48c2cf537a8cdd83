import { badInput } from '../../sdk/lib/errors.ts';
import { byteOrder } from '../../sdk/lib/files.ts';
import { didYouMean } from '../../sdk/lib/near.ts';
import { type Suite, suites } from './archives.ts';
import { cannotHold, checkLocked, checkOnly, holdSets, resolveHeld } from './hold.ts';
import { type FetchOptions, openSuite, openSuiteSources, type SuiteIndexes } from './index.ts';
import {
  definitionDigest,
  type Lock,
  type LockedIndex,
  type LockedPackage,
  type LockedSet,
  type LockedSource,
} from './lock.ts';
import type { Resolved } from './resolve.ts';
import { isSecurity, keptIndexes, securityFixes, withFixes, withVanished } from './security.ts';
import type { PackageSet } from './set.ts';
import { makeUniverse, type Pins } from './universe.ts';
import { compareVersions } from './version.ts';

/** The parts of a lock that are updated, and the indexes to use. */
export interface UpdateOptions extends Omit<FetchOptions, 'notBefore'> {
  /** The existing lock. No index may be older than the one in it. */
  readonly old?: Lock | undefined;
  /**
   * Only these packages may change; all others keep their version of `old`. A package that is new to the lock gets its
   * newest version. Default: all packages may change.
   */
  readonly only?: readonly string[];
  /** Names of sets that stay unchanged. It has no effect together with `only`. */
  readonly keep?: readonly string[];
  /** Only packages with a later version in the security archive change, to that version. */
  readonly securityOnly?: boolean;
}

/** A new lock, and the stale entries of the sets. */
export interface Updated {
  readonly lock: Lock;
  /** Stale drops and replacements. */
  readonly warnings: readonly string[];
}

/** Resolves every set with the newest verified indexes. It writes nothing. */
export async function updateLock(sets: readonly PackageSet[], options: UpdateOptions): Promise<Updated> {
  const { old } = options;
  const notBefore = (suite: string) => {
    const known = old?.indexes.find((index) => index.suite === suite);
    return known === undefined ? undefined : Date.parse(known.date) / 1000;
  };
  const opened: SuiteIndexes[] = [];
  for (const suite of wantedSuites(sets)) opened.push(await openSuite(suite, { ...options, notBefore }));
  const fresh = opened.flatMap((suite) => suite.indexes);
  const fixes = options.securityOnly ? securityFixes(old, fresh) : undefined;
  const only = fixes ? [...fixes.keys()] : options.only;
  const indexes = fixes ? withVanished(fresh, old) : fresh;
  const universeWith = (pins: Pins) => makeUniverse(indexes, pins);
  if (only !== undefined) checkOnly(only, old, universeWith(new Map()).names());

  const warnings: string[] = [];
  const locked = new Map<string, LockedSet>();
  const kept = only === undefined ? sets.filter(({ name }) => options.keep?.includes(name)) : sets;
  const pins = holdSets(kept, old, only ?? [], universeWith(new Map()));
  for (const set of sets) {
    const held = pins.get(set.name) ?? new Map();
    const wanted = fixes ? withFixes(held, fixes, old?.sets.get(set.name)) : held;
    const { packages, stale } = resolveHeld(set, wanted, only ?? [], universeWith);
    for (const name of stale)
      warnings.push(`package set ${set.name}: it drops or replaces ${name}, but no package depends on that`);
    locked.set(set.name, { definition: definitionDigest(set), packages: packages.map(lockPackage) });
  }
  if (only !== undefined) checkLocked(only, locked, old);
  const withSources: OpenedSuite[] = [];
  const wantSources = sets.some(({ sources = [] }) => sources.length > 0);
  for (const suite of opened) {
    withSources.push({ ...suite, sources: wantSources ? await openSuiteSources(suite, options) : [] });
  }
  const sources = fixes
    ? fixedSources(sets, withSources, old)
    : lockSources(sets, withSources, old, (name, set) =>
        only === undefined ? options.keep?.includes(set) === true : !only.includes(name),
      );
  const dated = withSources.map(lockIndex);
  return {
    lock: { indexes: fixes ? keptIndexes(dated, old, locked, sources) : dated, sets: locked, sources },
    warnings,
  };
}

/**
 * Source packages with a later version in the security archive change to that version. All others stay, even if the
 * archive no longer has them.
 */
function fixedSources(
  sets: readonly PackageSet[],
  opened: readonly OpenedSuite[],
  old: Lock | undefined,
): LockedSource[] {
  const secure = opened.filter(({ suite }) => isSecurity(suite));
  const known = (old?.sources ?? []).filter(({ name }) =>
    sets.some(({ sources = [] }) => sources.some((entry) => entry.split('/')[0] === name)),
  );
  return known.map((locked) => {
    const fixed = secure
      .flatMap(({ suite, sources }) =>
        sources.flatMap(({ component, sources: index }) =>
          index.lookup(locked.name).map((record) => ({
            ...record,
            ...{ archive: suite.archive, suite: suite.suite, component },
          })),
        ),
      )
      .sort((a, b) => compareVersions(b.version, a.version))[0];
    return fixed && compareVersions(fixed.version, locked.version) > 0 ? fixed : locked;
  });
}

/** Suites on request are read only if a set names one. Otherwise their daily changes would change the lock's date. */
function wantedSuites(sets: readonly PackageSet[]): Suite[] {
  const asked = new Set(
    sets.flatMap(({ include, sources = [] }) => [...include, ...sources]).map((name) => name.split('/')[1]),
  );
  return suites.filter(({ suite, onRequest }) => !onRequest || asked.has(suite));
}

function lockPackage({ record, index, root, needs, dropped }: Resolved): LockedPackage {
  const { name, version, architecture, size, installedSize, sha256, path } = record;
  const [archive, suite, component] = index.id.split('/') as [LockedPackage['archive'], string, string];
  const place = { archive, suite, component };
  return {
    ...{ name, version, architecture, size, installedSize, sha256, path, ...place, root },
    needs: Object.fromEntries(needs),
    dropped: Object.fromEntries(dropped),
  };
}

/** ISO 8601 without milliseconds, because InRelease has none. */
function iso(time: number): string {
  return new Date(time * 1000).toISOString().replace('.000Z', 'Z');
}

interface OpenedSuite extends SuiteIndexes {
  /** Empty if no set wants sources. */
  readonly sources: Awaited<ReturnType<typeof openSuiteSources>>;
}

function lockIndex({ suite, release, indexes, sources }: OpenedSuite): LockedIndex {
  const digests = (list: readonly { component: string; sha256: string }[]) =>
    Object.fromEntries(list.map(({ component, sha256 }) => [component, sha256]));
  return {
    archive: suite.archive,
    suite: suite.suite,
    date: iso(release.date),
    ...(release.validUntil === undefined ? {} : { validUntil: iso(release.validUntil) }),
    inRelease: release.sha256,
    packages: digests(indexes),
    ...(sources.length > 0 ? { sources: digests(sources) } : {}),
  };
}

/**
 * Pins each source package of a set at its newest eligible version (`name/SUITE`: the version of that suite). If
 * `isHeld` returns true for its name and its set, it keeps the version of `old`.
 */
function lockSources(
  sets: readonly PackageSet[],
  opened: readonly OpenedSuite[],
  old: Lock | undefined,
  isHeld: (name: string, set: string) => boolean,
): LockedSource[] {
  const wanted = new Map(sets.flatMap(({ name, sources = [] }) => sources.map((entry) => [entry, name])));
  return [...wanted]
    .sort(([a], [b]) => byteOrder(a, b))
    .map(([entry, setName]) => {
      const [name, from] = entry.split('/');
      const eligible = opened.filter(({ suite }) =>
        from === undefined ? !suite.onRequest : suite.suite === from,
      );
      const indexes = eligible.flatMap(({ suite, sources }) => sources.map((index) => ({ ...index, suite })));
      const seen = indexes
        .flatMap((index) => index.sources.lookup(name!).map((record) => ({ ...index, record })))
        .sort((a, b) => compareVersions(b.record.version, a.record.version));
      const pin = isHeld(name!, setName) ? old?.sources.find((each) => each.name === name) : undefined;
      const found = pin ? seen.find(({ record }) => record.version === pin.version) : seen[0];
      if (pin !== undefined && found === undefined && seen.length > 0)
        throw cannotHold([`${pin.name} ${pin.version}`], `sources of package set ${setName}`, []);
      if (found === undefined) {
        const names = indexes.flatMap(({ sources }) => [...sources.names()]);
        throw badInput(`there is no source package ${entry}`, {
          where: `package set ${setName}`,
          hint: didYouMean(name!, names),
        });
      }
      const { suite, component, record } = found;
      return { ...record, archive: suite.archive, suite: suite.suite, component };
    });
}
