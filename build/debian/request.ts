import { badInput } from '../../sdk/lib/errors.ts';
import { byteOrder } from '../../sdk/lib/files.ts';
import { didYouMean } from '../../sdk/lib/near.ts';
import type { Alternatives, Relation } from './control.ts';
import type { PackageSet } from './set.ts';
import {
  type Candidate,
  matchesByName,
  matchesByProvision,
  providerOrder,
  type Universe,
} from './universe.ts';

/** The order in which roots are visited: by name, or as given (apt-get(8) keeps the order of its command line). */
export type RootOrder = 'name' | 'given';

/** A package set, prepared for the search. */
export interface Request {
  readonly roots: ReadonlySet<Candidate>;
  readonly candidatesOf: (name: string) => readonly Candidate[];
  /** The candidates that a Conflicts or Breaks relation excludes. */
  readonly excluded: (relation: Relation) => readonly Candidate[];
  /** The candidates that satisfy a group, in order of preference; undefined if the set drops all alternatives. */
  readonly options: (group: Alternatives) => readonly Candidate[] | undefined;
  /** Names that the set drops or replaces. */
  readonly dropped: ReadonlySet<string>;
  readonly replacements: ReadonlyMap<string, string>;
}

function plainName(name: string): string {
  return name.replace(/:[a-z0-9]+$/, '');
}

/** Finds the roots and applies drops, replacements and suites. Throws badInput for faults of the set. */
export function prepare(universe: Universe, set: PackageSet, rootOrder: RootOrder): Request {
  const dropped = new Set((set.drop ?? []).map((entry) => plainName(entry.package)));
  const replacements = new Map((set.replace ?? []).map((entry) => [plainName(entry.package), entry.with]));
  const fixed = new Map<string, Candidate>();
  const onRequest = new Set<string>();

  const candidatesOf = (name: string): readonly Candidate[] => {
    if (dropped.has(name)) return [];
    const root = fixed.get(name);
    if (root !== undefined) return [root];
    const regular = universe.regular(name);
    const requested = onRequest.has(name) ? universe.requested(name) : undefined;
    return [regular, requested].filter((candidate) => candidate !== undefined);
  };
  const provide = (name: string, relation: Relation) =>
    candidatesOf(name).filter((candidate) =>
      matchesByProvision(universe.provides(candidate), candidate, relation),
    );
  const byName = (relation: Relation) =>
    candidatesOf(relation.name).filter((candidate) => matchesByName(candidate, relation));
  const satisfying = (relation: Relation): readonly Candidate[] => {
    if (dropped.has(relation.name)) return []; // The providers of a dropped virtual name are dropped too.
    const providers = universe.providerNames(relation.name).flatMap((name) => {
      const other = replacements.get(name);
      return other === undefined ? provide(name, relation) : candidatesOf(other);
    });
    return [...byName(relation), ...providers.sort(providerOrder(universe))];
  };
  const excluded = (relation: Relation): readonly Candidate[] => {
    const providers = universe.providerNames(relation.name).flatMap((name) => provide(name, relation));
    return [...new Set([...byName(relation), ...providers])];
  };
  const options = (group: Alternatives): readonly Candidate[] | undefined => {
    const found = new Set<Candidate>();
    let mandatory = true;
    for (const relation of group) {
      const other = replacements.get(relation.name);
      const names = [relation.name, ...universe.providerNames(relation.name)];
      if (names.some((name) => dropped.has(name))) mandatory = false;
      const wanted = other === undefined ? relation : anyVersion(other);
      for (const candidate of satisfying(wanted)) found.add(candidate);
    }
    return found.size === 0 && !mandatory ? undefined : [...found];
  };

  const where = `package set ${set.name}`;
  for (const [name, other] of replacements) {
    if (universe.regular(other) !== undefined && !dropped.has(other)) continue;
    throw badInput(`${name} is replaced with ${other}, which cannot be installed`, {
      where,
      hint: dropped.has(other) ? `do not drop ${other}` : didYouMean(other, universe.names()),
    });
  }
  const roots = new Set<Candidate>();
  const include = [...new Set(set.include)];
  for (const entry of rootOrder === 'given' ? include : include.sort(byteOrder)) {
    const root = findRoot(universe, set, entry);
    const { name } = root.record;
    if (dropped.has(name)) throw badInput(`${name} is both included and dropped`, { where });
    if (entry.includes('/') && (fixed.get(name) ?? root) !== root) {
      throw badInput(`${name} is included in two versions`, { where, hint: 'keep one of them' });
    }
    if (entry.includes('/')) fixed.set(name, root);
    roots.add(root);
  }
  for (const root of roots) {
    const chosen = fixed.get(root.record.name);
    if (chosen !== undefined && chosen !== root) roots.delete(root); // If both `name` and `name/suite` are roots, the one with the suite counts.
  }
  admitOnRequest(universe, fixed.values(), options, onRequest);
  return { roots, candidatesOf, excluded, options, dropped, replacements };
}

function anyVersion(name: string): Relation {
  return { name, qualifier: undefined, version: undefined };
}

/**
 * Admits packages of suites on request if a root from such a suite needs them and no other suite satisfies the
 * dependency; the same for their own dependencies.
 */
function admitOnRequest(
  universe: Universe,
  roots: Iterable<Candidate>,
  options: Request['options'],
  onRequest: Set<string>,
): void {
  const pending = [...roots].filter(({ index }) => index.onRequest);
  const done = new Set<Candidate>();
  for (let candidate = pending.pop(); candidate !== undefined; candidate = pending.pop()) {
    if (done.has(candidate)) continue;
    done.add(candidate);
    for (const { group } of universe.dependencies(candidate)) {
      if (options(group)?.length !== 0) continue;
      for (const relation of group) {
        for (const name of [relation.name, ...universe.providerNames(relation.name)]) {
          const other = universe.requested(name);
          if (other === undefined) continue;
          const fits =
            matchesByName(other, relation) || matchesByProvision(universe.provides(other), other, relation);
          if (!fits) continue;
          onRequest.add(name);
          pending.push(other);
        }
      }
    }
  }
}

/** The candidate for `name` or `name/suite`. A virtual name stands for its only provider, as with apt-get(8). */
function findRoot(universe: Universe, set: PackageSet, entry: string): Candidate {
  const where = `package set ${set.name}`;
  const [, name, suite] = /^([a-z0-9][a-z0-9+.-]*)(?:\/([a-z0-9-]+))?$/.exec(entry) ?? [];
  if (name === undefined) {
    throw badInput(`"${entry}" is not a package name`, {
      where,
      hint: 'write NAME or NAME/SUITE (Policy 5.6.1)',
    });
  }
  const found = suite === undefined ? universe.regular(name) : universe.inSuite(name, suite);
  if (found !== undefined) return found;
  const elsewhere = universe.seen(name).map(({ record, index }) => `${record.version} in ${index.suite}`);
  if (elsewhere.length > 0) {
    const [first] = universe.seen(name);
    throw badInput(
      `package ${name} is not ${suite === undefined ? 'in a suite that is used without being named' : `in ${suite}`}`,
      {
        where: `${where}; seen: ${elsewhere.join(', ')}`,
        hint: `ask for ${name}/${first!.index.suite}`,
      },
    );
  }
  const providers = universe
    .providerNames(name)
    .map((provider) => universe.regular(provider))
    .filter((candidate) => candidate !== undefined)
    .filter((candidate) => matchesByProvision(universe.provides(candidate), candidate, anyVersion(name)));
  if (providers.length === 1) return providers[0]!;
  if (providers.length > 1) {
    const names = providers.map(({ record }) => record.name).sort(byteOrder);
    throw badInput(`${name} is a virtual package with several providers`, {
      where,
      hint: `name one of ${names.join(', ')}`,
    });
  }
  throw badInput(`there is no package ${name}`, { where, hint: didYouMean(name, universe.names()) });
}
