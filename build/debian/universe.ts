import { architecture } from './archives.ts';
import { type Alternatives, parseRelations, type Relation } from './control.ts';
import type { Index } from './index.ts';
import type { PackageRecord } from './packages-index.ts';
import { compareVersions, satisfies } from './version.ts';

/** The part of an index that the resolver needs; tests make small ones. */
export type IndexLike = Pick<Index, 'id' | 'suite' | 'onRequest' | 'packages'>;

/** A version of a package that may be chosen. A universe has one object for each version. */
export interface Candidate {
  readonly record: PackageRecord;
  readonly index: IndexLike;
}

/** Fields that must be satisfied. */
export type DependencyField = 'Pre-Depends' | 'Depends';
/** Fields that exclude other packages. */
export type ConflictField = 'Conflicts' | 'Breaks';

/** All packages of some indexes, in the form that the resolver needs. */
export interface Universe {
  /** All versions in all indexes, newest first. */
  readonly seen: (name: string) => readonly Candidate[];
  /** The newest version of the suites that are always eligible. */
  readonly regular: (name: string) => Candidate | undefined;
  /** The newest version of the suites that are eligible on request. */
  readonly requested: (name: string) => Candidate | undefined;
  /** The newest version of one suite. */
  readonly inSuite: (name: string, suite: string) => Candidate | undefined;
  /** Names of packages with a version that provides the virtual name. */
  readonly providerNames: (virtual: string) => readonly string[];
  readonly dependencies: (candidate: Candidate) => readonly { field: DependencyField; group: Alternatives }[];
  readonly conflicts: (candidate: Candidate) => readonly { field: ConflictField; relation: Relation }[];
  readonly provides: (candidate: Candidate) => readonly Relation[];
  /** The position of the first mention of a package name, when the indexes are read in order. */
  readonly firstMention: (name: string) => number;
  readonly names: () => Iterable<string>;
}

/** Larger than the number of names in any index. */
const MAX_RANK = 1e8;

/** Held versions: name → version. A held package has no other candidate. */
export type Pins = ReadonlyMap<string, string>;

/** Makes the universe of some indexes. `pins` hold packages at a version. */
export function makeUniverse(indexes: readonly IndexLike[], pins: Pins = new Map()): Universe {
  const seen = memoize((name: string) =>
    indexes
      .flatMap((index) => index.packages.lookup(name).map((record): Candidate => ({ record, index })))
      .sort((a, b) => compareVersions(b.record.version, a.record.version)),
  );
  const eligible = (name: string) => {
    const pin = pins.get(name);
    return pin === undefined ? seen(name) : seen(name).filter(({ record }) => record.version === pin);
  };
  const relations = memoize((text: string) => (text === '' ? [] : parseRelations(text, architecture, text)));
  return {
    seen,
    regular: memoize((name) => eligible(name).find(({ index }) => !index.onRequest)),
    requested: (name) => eligible(name).find(({ index }) => index.onRequest),
    inSuite: (name, suite) => eligible(name).find(({ index }) => index.suite === suite),
    providerNames: memoize((virtual) => [
      ...new Set(indexes.flatMap(({ packages }) => packages.providers(virtual))),
    ]),
    dependencies: ({ record }) => [
      ...relations(record.preDepends).map((group) => ({ field: 'Pre-Depends' as const, group })),
      ...relations(record.depends).map((group) => ({ field: 'Depends' as const, group })),
    ],
    conflicts: ({ record }) => [
      ...relations(record.conflicts).flatMap(([relation]) =>
        relation ? [{ field: 'Conflicts' as const, relation }] : [],
      ),
      ...relations(record.breaks).flatMap(([relation]) =>
        relation ? [{ field: 'Breaks' as const, relation }] : [],
      ),
    ],
    provides: ({ record }) => relations(record.provides).flat(),
    firstMention: memoize((name) => {
      const first = indexes.findIndex(({ packages }) => packages.lookup(name).length > 0);
      return first * MAX_RANK + (indexes[first]?.packages.lookup(name)[0]?.rank ?? 0);
    }),
    names: function* () {
      for (const { packages } of indexes) yield* packages.names();
    },
  };
}

function memoize<T>(compute: (key: string) => T): (key: string) => T {
  const known = new Map<string, T>();
  return (key) => {
    let value = known.get(key);
    if (value === undefined) {
      value = compute(key);
      known.set(key, value);
    }
    return value;
  };
}

/** Whether a candidate satisfies a relation by its own name (Policy 7.1). `:any` needs `Multi-Arch: allowed`. */
export function matchesByName({ record }: Candidate, { name, qualifier, version }: Relation): boolean {
  if (record.name !== name || !matchesArchitecture(record, qualifier)) return false;
  return version === undefined || satisfies(record.version, version.operator, version.bound);
}

function matchesArchitecture(record: PackageRecord, qualifier: string | undefined): boolean {
  if (qualifier === undefined || qualifier === 'native' || qualifier === architecture) return true;
  return qualifier === 'any' && record.anyAllowed;
}

/** Whether a candidate's Provides satisfy a relation. A versioned relation needs a versioned Provides (Policy 7.5). */
export function matchesByProvision(
  provided: readonly Relation[],
  candidate: Candidate,
  relation: Relation,
): boolean {
  if (!matchesArchitecture(candidate.record, relation.qualifier)) return false;
  return provided.some(({ name, version }) => {
    if (name !== relation.name) return false;
    if (relation.version === undefined) return true;
    return (
      version !== undefined && satisfies(version.bound, relation.version.operator, relation.version.bound)
    );
  });
}

/**
 * APT's order of packages that provide a virtual name: essential, protected, by priority, then the last mentioned
 * first.
 */
export function providerOrder(universe: Universe): (a: Candidate, b: Candidate) => number {
  return ({ record: a }, { record: b }) => {
    if (a.essential !== b.essential) return a.essential ? -1 : 1;
    if (a.protected !== b.protected) return a.protected ? -1 : 1;
    return a.priority - b.priority || universe.firstMention(b.name) - universe.firstMention(a.name);
  };
}
