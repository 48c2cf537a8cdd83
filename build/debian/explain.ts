import { byteOrder } from '../../sdk/lib/files.ts';
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

/** What the indexes have for a group that nothing satisfies. */
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
 * Puts a contradiction into words: `what` names the constraint nothing satisfies, or the packages that exclude each
 * other; `chain` has a line for each constraint that takes part, from the roots on.
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
  // Depth first, so that every line stands below the one that asks for it.
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

/** How to mend a name that does not exist. */
export function didYouMean(name: string, names: Iterable<string>, otherwise = 'correct the name'): string {
  const near = nearNames(name, names);
  return near.length > 0 ? `did you mean ${near.join(', ')}?` : otherwise;
}

/** At most five names within two edits of `name` (one where it is short), or that begin or end like it; nearest first. */
function nearNames(name: string, names: Iterable<string>): string[] {
  const scored = new Map<string, number>();
  const most = name.length > 4 ? 2 : 1;
  for (const other of names) {
    if (scored.has(other)) continue;
    if (Math.abs(other.length - name.length) <= most) {
      const distance = editDistance(name, other);
      if (distance <= most) scored.set(other, distance);
    }
    if (!scored.has(other) && name.length >= 4 && (other.startsWith(name) || other.endsWith(`-${name}`))) {
      scored.set(other, 2 + (other.length - name.length) / 100);
    }
  }
  return [...scored]
    .sort(([a, x], [b, y]) => x - y || byteOrder(a, b))
    .slice(0, 5)
    .map(([other]) => other);
}

/** Levenshtein distance; gives up (returns 3) beyond two. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const substitution = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(substitution, previous[column]! + 1, current[column - 1]! + 1));
    }
    if (Math.min(...current) > 2) return 3;
    previous = current;
  }
  return previous[b.length]!;
}
