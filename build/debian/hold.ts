import { badInput, Failure } from '../../sdk/lib/errors.ts';
import { byteOrder } from '../../sdk/lib/files.ts';
import { didYouMean } from '../../sdk/lib/near.ts';
import type { Lock, LockedSet } from './lock.ts';
import { type Resolution, resolve } from './resolve.ts';
import type { PackageSet } from './set.ts';
import type { Pins, Universe } from './universe.ts';
import { compareVersions } from './version.ts';

/** `lock --update PACKAGE…`: only these packages change their version. All others in the lock are held. */

/** Refuses names that neither the lock nor the indexes have. */
export function checkOnly(only: readonly string[], old: Lock | undefined, names: Iterable<string>): void {
  if (old === undefined) {
    throw badInput('single packages can only be updated in an existing lock', {
      hint: './draisine lock --update',
    });
  }
  const known = new Set([...lockedNames(old.sets), ...names, ...old.sources.map(({ name }) => name)]);
  for (const name of only) {
    if (known.has(name)) continue;
    const hint = didYouMean(name.toLowerCase(), known, 'correct the name');
    throw badInput(name === '' ? 'the name of a package is empty' : `there is no package ${name}`, { hint });
  }
}

function lockedNames(sets: ReadonlyMap<string, LockedSet>): string[] {
  return [...sets.values()].flatMap(({ packages }) => packages.map(({ name }) => name));
}

/** Refuses a name that neither the old nor the new lock has, because the update has no effect on it. */
export function checkLocked(
  only: readonly string[],
  locked: ReadonlyMap<string, LockedSet>,
  old: Lock | undefined,
): void {
  const known = new Set([...lockedNames(locked), ...lockedNames(old?.sets ?? new Map())]);
  for (const { name } of old?.sources ?? []) known.add(name);
  for (const name of only) {
    if (known.has(name)) continue;
    throw badInput(`${name} is in no package set, and no package of a set depends on it`, {
      hint: 'include it in a package set first (packages/sets/)',
    });
  }
}

/** The error for versions that the archive no longer has. `gone`: `NAME VERSION` of each. */
export function cannotHold(gone: readonly string[], where: string, only: readonly string[]): Failure {
  const names = gone.map((entry) => entry.split(' ')[0]);
  return new Failure(
    `cannot hold ${gone.join(', ')}: the archive no longer has ${gone.length === 1 ? 'it' : 'them'}`,
    {
      where,
      hint: `update them as well: ./draisine lock --update ${[...only, ...names].join(' ')}`,
    },
  );
}

/** The held versions of a set. `gone`: `NAME VERSION` of each locked version that the indexes no longer have. */
function pinsOf(
  set: PackageSet,
  old: Lock | undefined,
  only: readonly string[],
  universe: Universe,
): { readonly pins: Pins; readonly gone: readonly string[] } {
  const pins = new Map<string, string>();
  const gone: string[] = [];
  for (const { name, version } of old?.sets.get(set.name)?.packages ?? []) {
    if (only.includes(name)) continue;
    if (universe.seen(name).some(({ record }) => record.version === version)) pins.set(name, version);
    else gone.push(`${name} ${version}`);
  }
  // Another set has locked a package that is new to this set. It gets the same version, so that the lock has only one.
  const own = new Set(pins.keys());
  for (const { name, version } of [...(old?.sets.values() ?? [])].flatMap(({ packages }) => packages)) {
    if (own.has(name) || only.includes(name)) continue;
    const before = pins.get(name);
    if (before !== undefined && compareVersions(before, version) >= 0) continue;
    const usual = universe.seen(name).filter(({ index }) => !index.onRequest);
    if (usual.some(({ record }) => record.version === version)) pins.set(name, version);
  }
  return { pins, gone };
}

/**
 * The held versions of each set, by its name. The error names all packages that cannot be held, so that one more try is
 * enough.
 */
export function holdSets(
  sets: readonly PackageSet[],
  old: Lock | undefined,
  only: readonly string[],
  universe: Universe,
): ReadonlyMap<string, Pins> {
  const held = sets.map((set) => ({ name: set.name, ...pinsOf(set, old, only, universe) }));
  const short = held.filter(({ gone }) => gone.length > 0);
  if (short.length > 0) {
    const names = short.map(({ name }) => name);
    const gone = new Set(short.flatMap((each) => each.gone));
    throw cannotHold([...gone].sort(byteOrder), `package set ${names.join(', ')}`, only);
  }
  return new Map(held.map(({ name, pins }) => [name, pins]));
}

/** Resolves a set with held versions. If that is impossible, the error names the packages to release. */
export function resolveHeld(
  set: PackageSet,
  pins: Pins,
  only: readonly string[],
  universeWith: (pins: Pins) => Universe,
): Resolution {
  try {
    return resolve(universeWith(pins), set);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const blocking = blockingPins(set, pins, universeWith);
    if (blocking.length === 0) throw error;
    throw new Failure(`${error.message}, while ${blocking.join(', ')} must keep their versions`, {
      ...(error.where === undefined ? {} : { where: error.where }),
      hint: `update them as well: ./draisine lock --update ${[...only, ...blocking].join(' ')}`,
      exitCode: error.exitCode,
      cause: error,
    });
  }
}

/**
 * A smallest list of held packages to release so that the set can be resolved. Empty if it cannot be resolved without
 * any held package either.
 */
function blockingPins(set: PackageSet, pins: Pins, universeWith: (pins: Pins) => Universe): string[] {
  const tried = (held: Pins): Resolution | undefined => {
    try {
      return resolve(universeWith(held), set);
    } catch (error) {
      if (error instanceof Failure) return undefined;
      throw error;
    }
  };
  const free = tried(new Map());
  if (free === undefined) return [];
  const moved = free.packages.flatMap(({ record: { name, version } }) =>
    pins.has(name) && pins.get(name) !== version ? [name] : [],
  );
  const held = new Map([...pins].filter(([name]) => !moved.includes(name)));
  return moved.filter((name) => {
    const more = new Map([...held, [name, pins.get(name)!]]);
    if (tried(more) === undefined) return true;
    held.set(name, pins.get(name)!);
    return false;
  });
}
