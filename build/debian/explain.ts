import { type Alternatives, formatAlternatives, formatRelation, type Relation } from './control.ts';
import type { Candidate, ConflictField, DependencyField, Universe } from './universe.ts';

/** Why a clause of the resolver holds. */
export type Reason =
  | { readonly kind: 'root'; readonly options: readonly Candidate[] }
  | {
      readonly kind: 'depends';
      readonly candidate: Candidate;
      readonly field: DependencyField;
      readonly group: Alternatives;
      readonly options: readonly Candidate[];
    }
  | {
      readonly kind: 'conflict';
      readonly candidate: Candidate;
      readonly field: ConflictField;
      readonly relation: Relation;
      readonly other: Candidate;
    }
  /** Two versions of one package. */
  | { readonly kind: 'versions'; readonly candidate: Candidate; readonly other: Candidate };

function label({ record }: Candidate): string {
  return `${record.name} ${record.version}`;
}

/** The candidates in the indexes for a group that no package satisfies, in words. */
function seenFor(universe: Universe, group: Alternatives): string {
  const notes = group.map((relation) => {
    const own = universe
      .seen(relation.name)
      .map(({ record, index }) => `${record.version} in ${index.suite}`);
    const providers = universe.providerNames(relation.name);
    if (own.length === 0 && providers.length === 0) return `${relation.name} is in no index`;
    if (own.length === 0)
      return `${relation.name} is provided by ${providers.slice(0, 8).join(', ')}, none of which fits`;
    return `of ${relation.name} there is ${own.join(', ')}`;
  });
  return notes.join('; ');
}

/**
 * Describes a contradiction. `what` names the constraint that no package satisfies, or the packages that exclude each
 * other. `chain` has a line for each constraint of the contradiction, from the roots on.
 */
export function explain(universe: Universe, core: readonly Reason[]): { what: string; chain: string[] } {
  const depends = core.filter((reason) => reason.kind === 'depends');
  const conflicts = core.filter((reason) => reason.kind === 'conflict' || reason.kind === 'versions');
  const roots = core.filter((reason) => reason.kind === 'root').flatMap(({ options }) => options);

  const chain: string[] = [];
  const told = new Set<Candidate>();
  const pending: { candidate: Candidate; depth: number }[] = roots.map((candidate) => ({
    candidate,
    depth: 0,
  }));
  const indent = (depth: number) => '  '.repeat(Math.min(depth, 12));
  // Depth first: every line is below the line of the package that needs it.
  for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
    const { candidate, depth } = next;
    if (told.has(candidate)) continue;
    told.add(candidate);
    if (depth === 0) chain.push(`${label(candidate)} (root, ${candidate.index.suite})`);
    for (const reason of depends.filter((other) => other.candidate === candidate)) {
      const none =
        reason.options.length === 0 ? `: nothing satisfies it; ${seenFor(universe, reason.group)}` : '';
      chain.push(
        `${indent(depth + 1)}${label(candidate)} ${reason.field}: ${formatAlternatives(reason.group)}${none}`,
      );
      pending.unshift(...reason.options.map((option) => ({ candidate: option, depth: depth + 1 })));
    }
  }
  for (const reason of conflicts) {
    if (reason.kind === 'conflict') {
      const { candidate, field, relation, other } = reason;
      chain.push(`${label(candidate)} ${field}: ${formatRelation(relation)}, which is ${label(other)}`);
    } else {
      chain.push(`${label(reason.candidate)} and ${label(reason.other)} cannot both be installed`);
    }
  }

  const missing = depends.find(({ options }) => options.length === 0);
  if (missing !== undefined) {
    return {
      what: `${label(missing.candidate)} ${missing.field}: ${formatAlternatives(missing.group)}`,
      chain,
    };
  }
  const [clash] = conflicts;
  const what =
    clash === undefined
      ? 'its dependencies contradict each other'
      : `${label(clash.candidate)} excludes ${label(clash.other)}`;
  return { what, chain };
}
