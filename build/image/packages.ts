import { badInput } from '../../sdk/lib/errors.ts';
import { deb } from '../debian/fetch.ts';
import { type Lock, type LockedPackage, lockedSet } from '../debian/lock.ts';
import { LOCK } from '../debian/lock-path.ts';
import { toolTree } from '../debian/tool-tree.ts';
import { unpack } from '../debian/unpack.ts';
import type { Target } from '../graph/target.ts';

/** The lock as targets. Each package is fetched and unpacked once, however many images and tool trees use it. */
export interface LockedPackages {
  /** The fetched .deb. */
  deb(pinned: LockedPackage): Target;
  /** The unpacked `Package` of one package of a set. */
  package(set: string, name: string): Target;
  /** The unpacked `Package`s of a whole set, in the lock's order. */
  packages(set: string): readonly Target[];
  /** A folder with the tools of some sets. */
  tools(...sets: readonly string[]): Target;
  /** The one package of a set whose name matches. */
  nameOf(set: string, pattern: RegExp): string;
  /** The version of a package in a set. */
  version(set: string, name: string): string;
}

const XZ_SET = 'sdk-xz';

/** The packages of a lock as targets. */
export function lockedPackages(lock: Lock): LockedPackages {
  const made = new Map<string, Target>();
  const once = (name: string, make: () => Target): Target => {
    const known = made.get(name);
    if (known) return known;
    const target = make();
    made.set(name, target);
    return target;
  };
  const label = ({ name, version }: LockedPackage) => `${name} ${version}`;
  const key = ({ name, version, architecture }: LockedPackage) => `${name}_${version}_${architecture}`;
  const find = (set: string, name: string): LockedPackage => {
    const pinned = lockedSet(lock, set).find((each) => each.name === name);
    if (pinned) return pinned;
    throw badInput(`the set ${set} has no package ${name}`, {
      where: LOCK,
      hint: 'include it in the set, then ./draisine lock --update',
    });
  };
  const fetched = (pinned: LockedPackage): Target =>
    once(`deb:${key(pinned)}`, () =>
      deb(`deb:${key(pinned)}`, {
        archive: pinned.archive,
        path: pinned.path,
        size: pinned.size,
        sha256: pinned.sha256,
      }),
    );
  const xz = (): Target => once('sdk:xz', () => toolTree('sdk:xz', { debs: debs([XZ_SET]), sdkXz: null }));
  const debs = (sets: readonly string[]) => {
    const unique = new Map(
      sets.flatMap((set) => lockedSet(lock, set)).map((pinned) => [key(pinned), pinned]),
    );
    return [...unique.values()].map((pinned) => ({ target: fetched(pinned), label: label(pinned) }));
  };
  const unpacked = (pinned: LockedPackage): Target =>
    once(`package:${key(pinned)}`, () =>
      unpack(`package:${key(pinned)}`, { deb: fetched(pinned), label: label(pinned), sdkXz: xz() }),
    );

  return {
    deb: fetched,
    package: (set, name) => unpacked(find(set, name)),
    packages: (set) => lockedSet(lock, set).map(unpacked),
    tools: (...sets) => {
      if (sets.length === 1 && sets[0] === XZ_SET) return xz();
      const name = `sdk:${sets.map((set) => set.replace(/^sdk-/, '')).join('+')}`;
      return once(name, () => toolTree(name, { debs: debs(sets), sdkXz: xz() }));
    },
    version: (set, name) => find(set, name).version,
    nameOf: (set, pattern) => {
      const names = lockedSet(lock, set).flatMap(({ name }) => (pattern.test(name) ? [name] : []));
      if (names.length === 1 && names[0]) return names[0];
      throw badInput(`${names.length} packages of the set ${set} match ${pattern}: ${names.join(', ')}`, {
        where: LOCK,
        hint: 'exactly one must match',
      });
    },
  };
}
