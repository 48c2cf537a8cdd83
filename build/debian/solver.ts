/**
 * A small SAT solver with conflict-driven clause learning that is steered from outside. The caller walks its
 * problem in the order it prefers and takes decisions on the way; the solver propagates, and on a conflict learns a
 * clause and lets the walk start again. So the first answer is the one the caller's preferences lead to, and an
 * answer is found whenever there is one. Clauses come lazily: when a variable becomes true, `expand` gives those
 * that its truth implies. (Marques-Silva & Sakallah, GRASP, 1999; first unique implication point.)
 */

/** A positive number is a variable, a negative one its negation. Variables count from 1. */
export type Literal = number;

export interface Clause<R> {
  readonly literals: readonly Literal[];
  /** Why it holds; undefined for a learned clause. */
  readonly reason: R | undefined;
  /** What a learned clause was derived from. */
  readonly parents: readonly Clause<R>[];
}

/** What the walk sees of the solver. */
export interface Steering {
  value(variable: number): boolean | undefined;
  /** Makes an undecided literal true. False: this led to a conflict, the walk must return at once. */
  decide(literal: Literal): boolean;
}

export type Answer<R> =
  | { readonly satisfiable: true }
  | { readonly satisfiable: false; readonly core: readonly R[] };

interface Assignment<R> {
  readonly value: boolean;
  readonly level: number;
  readonly cause: Clause<R> | undefined;
}

/**
 * Solves `given` plus the clauses `expand` gives for each variable that becomes true. `walk` must return true when it
 * is content and false after a `decide` that failed; it runs anew after each conflict. When there is no answer, `core`
 * holds the reasons of clauses that together are contradictory, in the order of their discovery.
 */
export function solve<R>(
  given: readonly { readonly literals: readonly Literal[]; readonly reason: R }[],
  expand: (variable: number) => Iterable<{ readonly literals: readonly Literal[]; readonly reason: R }>,
  walk: (steering: Steering) => boolean,
): Answer<R> {
  const assigned = new Map<number, Assignment<R>>();
  const trail: number[] = [];
  const occurrences = new Map<Literal, Clause<R>[]>();
  const expanded = new Set<number>();
  let level = 0;
  let head = 0;

  const isTrue = (literal: Literal) => assigned.get(Math.abs(literal))?.value === literal > 0;
  const isFalse = (literal: Literal) => assigned.get(Math.abs(literal))?.value === literal < 0;

  const assign = (literal: Literal, cause: Clause<R> | undefined) => {
    assigned.set(Math.abs(literal), { value: literal > 0, level, cause });
    trail.push(Math.abs(literal));
  };

  /** Looks at one clause: assigns its last open literal; returns it when all its literals are false. */
  const examine = (clause: Clause<R>): Clause<R> | undefined => {
    let open: Literal | undefined;
    for (const literal of clause.literals) {
      if (isTrue(literal)) return undefined;
      if (isFalse(literal)) continue;
      if (open !== undefined) return undefined;
      open = literal;
    }
    if (open === undefined) return clause;
    assign(open, clause);
    return undefined;
  };

  const add = (clause: Clause<R>): Clause<R> | undefined => {
    for (const literal of clause.literals) {
      const known = occurrences.get(literal);
      if (known === undefined) occurrences.set(literal, [clause]);
      else known.push(clause);
    }
    return examine(clause);
  };

  /** Unit propagation; returns the clause that became false, if any. */
  const propagate = (): Clause<R> | undefined => {
    while (head < trail.length) {
      const variable = trail[head++]!;
      const value = assigned.get(variable)!.value;
      for (const clause of occurrences.get(value ? -variable : variable) ?? []) {
        const conflict = examine(clause);
        if (conflict !== undefined) return conflict;
      }
      if (!value || expanded.has(variable)) continue;
      expanded.add(variable);
      // All clauses enter even after a conflict: a variable is expanded only once.
      let conflict: Clause<R> | undefined;
      for (const { literals, reason } of expand(variable)) {
        const found = add({ literals: [...new Set(literals)], reason, parents: [] });
        conflict ??= found;
      }
      if (conflict !== undefined) return conflict;
    }
    return undefined;
  };

  /** The clause that a conflict teaches: resolved back to the first unique implication point of this level. */
  const learn = (conflict: Clause<R>): Clause<R> => {
    const parents: Clause<R>[] = [conflict];
    const pending = new Set(conflict.literals);
    const ofThisLevel = () =>
      [...pending].filter((literal) => assigned.get(Math.abs(literal))!.level === level);
    for (let at = trail.length - 1; ofThisLevel().length > 1; at--) {
      const variable = trail[at]!;
      const literal = assigned.get(variable)!.value ? -variable : variable;
      if (!pending.has(literal)) continue;
      const { cause } = assigned.get(variable)!;
      if (cause === undefined) continue; // the decision itself: the oldest of its level
      pending.delete(literal);
      parents.push(cause);
      for (const other of cause.literals) if (other !== -literal) pending.add(other);
    }
    return { literals: [...pending], reason: undefined, parents };
  };

  const restart = () => {
    while (trail.length > 0 && assigned.get(trail.at(-1)!)!.level > 0) assigned.delete(trail.pop()!);
    level = 0;
    head = 0; // level-0 literals again: clauses came while they were already true
  };

  /** The given clauses from which a conflict at level 0 follows. */
  const coreOf = (conflict: Clause<R>): R[] => {
    const seen = new Set<Clause<R>>();
    const core: R[] = [];
    const pending = [conflict];
    for (let clause = pending.pop(); clause !== undefined; clause = pending.pop()) {
      if (seen.has(clause)) continue;
      seen.add(clause);
      if (clause.reason !== undefined) core.push(clause.reason);
      pending.push(...clause.parents);
      for (const literal of clause.literals) {
        const cause = assigned.get(Math.abs(literal))?.cause;
        if (cause !== undefined && assigned.get(Math.abs(literal))!.level === 0) pending.push(cause);
      }
    }
    return core.reverse();
  };

  let conflict: Clause<R> | undefined;
  for (const { literals, reason } of given)
    conflict ??= add({ literals: [...new Set(literals)], reason, parents: [] });
  for (;;) {
    conflict ??= propagate();
    if (conflict !== undefined) return { satisfiable: false, core: coreOf(conflict) };
    let failed: Clause<R> | undefined;
    const content = walk({
      value: (variable) => assigned.get(variable)?.value,
      decide: (literal) => {
        level++;
        assign(literal, undefined);
        failed = propagate();
        return failed === undefined;
      },
    });
    if (failed === undefined) {
      if (!content) throw new Error('the walk gave up without a conflict');
      return { satisfiable: true };
    }
    const learned = learn(failed);
    restart();
    conflict = add(learned);
  }
}
