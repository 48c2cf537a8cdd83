import { Failure } from '../../sdk/lib/errors.ts';
import { byteOrder } from '../../sdk/lib/files.ts';
import { formatAlternatives } from './control.ts';
import { explain, type Reason } from './explain.ts';
import { prepare, type Request, type RootOrder } from './request.ts';
import type { PackageSet } from './set.ts';
import { type Literal, type Steering, solve } from './solver.ts';
import type { Candidate, Universe } from './universe.ts';

/** A package of a resolved set. */
export interface Resolved extends Candidate {
  /** True if `include` names it. */
  readonly root: boolean;
  /** The packages of the set that satisfy its dependencies: name → text of the dependency. */
  readonly needs: ReadonlyMap<string, string>;
  /** Dependencies that the set's drops leave unsatisfied: dropped name → text of the dependency. */
  readonly dropped: ReadonlyMap<string, string>;
}

/** The closure of a set, and the stale entries of its definition. */
export interface Resolution {
  /** Sorted by name. */
  readonly packages: readonly Resolved[];
  /** Drops and replacements that no dependency met. They are out of date. */
  readonly stale: readonly string[];
}

/**
 * The closure of a set under Pre-Depends and Depends, without packages that conflict. Recommends do not count.
 *
 * The preferences are those of apt-get(8), so that the result is the choice of `apt-get install
 * --no-install-recommends`. Dependencies are visited depth first, in the order of the control file. A group that is
 * already satisfied adds no package. Otherwise the first alternative that can be installed is taken, and a real package
 * before its providers. The result does not depend on the order of `include`, unless `rootOrder` is `given`.
 *
 * Throws badInput for an unknown root, and a Failure with the chain of constraints if they contradict each other.
 */
export function resolve(universe: Universe, set: PackageSet, rootOrder: RootOrder = 'name'): Resolution {
  const request = prepare(universe, set, rootOrder);
  const reached = set.closure === 'roots' ? request.roots : search(universe, set, request);
  const packages = [...reached].sort((a, b) => byteOrder(a.record.name, b.record.name));
  return describe(universe, request, packages, set.closure !== 'roots');
}

/** Chooses packages depth first; the solver propagates each choice. Returns the packages that the walk reached. */
function search(universe: Universe, set: PackageSet, request: Request): Set<Candidate> {
  const variables = new Map<Candidate, number>();
  const candidates: Candidate[] = [];
  const variable = (candidate: Candidate): number => {
    const known = variables.get(candidate);
    if (known !== undefined) return known;
    candidates.push(candidate);
    variables.set(candidate, candidates.length);
    return candidates.length;
  };

  function* expand(of: number): Generator<{ literals: Literal[]; reason: Reason }> {
    const candidate = candidates[of - 1]!;
    for (const { field, group } of universe.dependencies(candidate)) {
      const options = request.options(group);
      if (options === undefined) continue;
      yield {
        literals: [-of, ...options.map(variable)],
        reason: { kind: 'depends', candidate, field, group, options },
      };
    }
    for (const { field, relation } of universe.conflicts(candidate)) {
      for (const other of request.excluded(relation)) {
        if (other.record.name === candidate.record.name) continue; // a package never conflicts with itself
        yield {
          literals: [-of, -variable(other)],
          reason: { kind: 'conflict', candidate, field, relation, other },
        };
      }
    }
    for (const other of request.candidatesOf(candidate.record.name)) {
      if (other === candidate) continue;
      yield { literals: [-of, -variable(other)], reason: { kind: 'versions', candidate, other } };
    }
  }

  // A root without a suite may come from a suite on request if another root needs it from there.
  const rootChoices = [...request.roots].map((root) => {
    const others = request.candidatesOf(root.record.name);
    return others.includes(root) ? others : [root];
  });

  let reached = new Set<Candidate>();
  const walk = ({ value, decide }: Steering): boolean => {
    reached = new Set();
    const visit = (candidate: Candidate): boolean => {
      reached.add(candidate);
      for (const { group } of universe.dependencies(candidate)) {
        const options = request.options(group);
        if (options === undefined || options.some((option) => reached.has(option))) continue;
        const choice = options.find((option) => value(variable(option)) !== false)!;
        if (value(variable(choice)) === undefined && !decide(variable(choice))) return false;
        if (!visit(choice)) return false;
      }
      return true;
    };
    for (const options of rootChoices) {
      const choice = options.find((candidate) => value(variable(candidate)) !== false)!;
      if (value(variable(choice)) === undefined && !decide(variable(choice))) return false;
      reached.add(choice);
    }
    for (const root of [...reached]) if (!visit(root)) return false;
    return true;
  };
  const given = rootChoices.map((options) => ({
    literals: options.map(variable),
    reason: { kind: 'root', options } satisfies Reason as Reason,
  }));
  const answer = solve<Reason>(given, expand, walk);
  if (answer.satisfiable) return reached;
  const { what, chain } = explain(universe, answer.core);
  throw new Failure(`package set ${set.name} cannot be satisfied: ${what}`, {
    where: chain.join('\n        '),
    hint: 'change the set (include, drop, replace), or wait for the archive to be consistent again',
  });
}

/**
 * Finds for each package the packages that satisfy its dependencies, and for the set its stale drops and replacements.
 */
function describe(
  universe: Universe,
  request: Request,
  packages: readonly Candidate[],
  closed: boolean,
): Resolution {
  const chosen = new Set(packages);
  const met = new Set<string>();
  const roots = new Set([...request.roots].map(({ record }) => record.name));
  const described = packages.map((candidate): Resolved => {
    const needs = new Map<string, string>();
    const dropped = new Map<string, string>();
    for (const { group } of universe.dependencies(candidate)) {
      const text = formatAlternatives(group);
      for (const { name } of group) {
        met.add(name);
        for (const provider of universe.providerNames(name)) met.add(provider);
      }
      const options = closed ? request.options(group) : [];
      if (options === undefined) {
        const names = group.flatMap(({ name }) => [name, ...universe.providerNames(name)]);
        append(dropped, names.find((name) => request.dropped.has(name)) ?? group[0]!.name, text);
      }
      const choice = options?.find((option) => chosen.has(option));
      if (choice !== undefined) append(needs, choice.record.name, text);
    }
    return { ...candidate, root: roots.has(candidate.record.name), needs, dropped };
  });
  return { packages: described, stale: staleEntries(request, met) };
}

function append(map: Map<string, string>, key: string, text: string): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, text);
  else if (!known.split(', ').includes(text)) map.set(key, `${known}, ${text}`);
}

/** Names of the set's drops and replacements that no dependency met. */
function staleEntries({ dropped, replacements }: Request, met: ReadonlySet<string>): string[] {
  return [...new Set([...dropped, ...replacements.keys()])].filter((name) => !met.has(name)).sort(byteOrder);
}
