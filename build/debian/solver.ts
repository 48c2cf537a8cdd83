/**
 * A small SAT solver with conflict-driven clause learning (Marques-Silva & Sakallah, GRASP, 1999; first unique
 * implication point). The caller decides the order: it walks through its problem and makes decisions. The solver
 * propagates each decision. On a conflict it learns a clause, and the walk starts again. So the answer follows the
 * caller's preferences, and is found if there is one. Clauses are made late: when a variable becomes true, `expand`
 * returns the clauses that follow from it.
 */

/** A positive number is a variable, a negative one its negation. Variables count from 1. */
export type Literal = number;

/** A disjunction of literals. */
export interface Clause<R> {
  readonly literals: readonly Literal[];
  /** The reason of the clause; undefined for a learned one. */
  readonly reason: R | undefined;
  /** What a learned clause was derived from. */
  readonly parents: readonly Clause<R>[];
}

/** The functions of the solver that the walk uses. */
export interface Steering {
  value(variable: number): boolean | undefined;
  /** Makes an undecided literal true. Returns false after a conflict: then the walk must return at once. */
  decide(literal: Literal): boolean;
}

/** The result. `core`: reasons that contradict each other. */
export type Answer<R> =
  | { readonly satisfiable: true }
  | { readonly satisfiable: false; readonly core: readonly R[] };

interface Assignment<R> {
  readonly value: boolean;
  readonly level: number;
  readonly cause: Clause<R> | undefined;
}

interface Given<R> {
  readonly literals: readonly Literal[];
  readonly reason: R;
}

/**
 * Solves the clauses `given`, and those that `expand` returns for each variable that becomes true. `walk` must return
 * true at its end, and false after a `decide` that failed. It runs again after each conflict. If there is no answer,
 * `core` has the reasons of clauses that contradict each other, in the order of their discovery.
 */
export function solve<R>(
  given: readonly Given<R>[],
  expand: (variable: number) => Iterable<Given<R>>,
  walk: (steering: Steering) => boolean,
): Answer<R> {
  const solver = new Solver(expand);
  let conflict: Clause<R> | undefined;
  for (const clause of given) conflict ??= solver.addGiven(clause);
  for (;;) {
    conflict ??= solver.propagate();
    if (conflict !== undefined) return { satisfiable: false, core: solver.coreOf(conflict) };
    let failed: Clause<R> | undefined;
    const content = walk({
      value: (variable) => solver.value(variable),
      decide: (literal) => {
        failed = solver.decide(literal);
        return failed === undefined;
      },
    });
    if (failed === undefined) {
      if (!content) throw new Error('the walk gave up without a conflict');
      return { satisfiable: true };
    }
    const learned = solver.learn(failed);
    solver.restart();
    conflict = solver.add(learned);
  }
}

/** The assignments, in their order and with their reasons. */
class Solver<R> {
  readonly #expand: (variable: number) => Iterable<Given<R>>;
  readonly #assigned = new Map<number, Assignment<R>>();
  /** Variables in the order in which they were assigned. */
  readonly #trail: number[] = [];
  readonly #occurrences = new Map<Literal, Clause<R>[]>();
  readonly #expanded = new Set<number>();
  #level = 0;
  /** The length of the part of the trail that has been propagated. */
  #head = 0;

  constructor(expand: (variable: number) => Iterable<Given<R>>) {
    this.#expand = expand;
  }

  value(variable: number): boolean | undefined {
    return this.#assigned.get(variable)?.value;
  }

  /** Makes an undecided literal true, with all consequences. Returns the clause that became false, if any. */
  decide(literal: Literal): Clause<R> | undefined {
    this.#level++;
    this.#assign(literal, undefined);
    return this.propagate();
  }

  addGiven({ literals, reason }: Given<R>): Clause<R> | undefined {
    return this.add({ literals: [...new Set(literals)], reason, parents: [] });
  }

  /** Returns the clause when all its literals are false. */
  add(clause: Clause<R>): Clause<R> | undefined {
    for (const literal of clause.literals) {
      const known = this.#occurrences.get(literal);
      if (known === undefined) this.#occurrences.set(literal, [clause]);
      else known.push(clause);
    }
    return this.#examine(clause);
  }

  /** Unit propagation; returns the clause that became false, if any. */
  propagate(): Clause<R> | undefined {
    while (this.#head < this.#trail.length) {
      const variable = this.#trail[this.#head++]!;
      const { value } = this.#assignmentOf(variable);
      for (const clause of this.#occurrences.get(value ? -variable : variable) ?? []) {
        const conflict = this.#examine(clause);
        if (conflict !== undefined) return conflict;
      }
      if (!value || this.#expanded.has(variable)) continue;
      this.#expanded.add(variable);
      // All clauses are added even after a conflict, because a variable is expanded only once.
      let conflict: Clause<R> | undefined;
      for (const clause of this.#expand(variable)) {
        const found = this.addGiven(clause);
        conflict ??= found;
      }
      if (conflict !== undefined) return conflict;
    }
    return undefined;
  }

  /** Learns a clause from a conflict: resolves back to the first unique implication point of this level. */
  learn(conflict: Clause<R>): Clause<R> {
    const parents: Clause<R>[] = [conflict];
    const pending = new Set(conflict.literals);
    const ofThisLevel = () =>
      [...pending].filter((literal) => this.#assignmentOf(literal).level === this.#level);
    for (let at = this.#trail.length - 1; ofThisLevel().length > 1; at--) {
      const variable = this.#trail[at]!;
      const { value, cause } = this.#assignmentOf(variable);
      const literal = value ? -variable : variable;
      if (!pending.has(literal)) continue;
      if (cause === undefined) continue; // the decision itself, which is the oldest assignment of its level
      pending.delete(literal);
      parents.push(cause);
      for (const other of cause.literals) if (other !== -literal) pending.add(other);
    }
    return { literals: [...pending], reason: undefined, parents };
  }

  /** Undoes all decisions and their consequences. */
  restart(): void {
    while (this.#trail.length > 0 && this.#assignmentOf(this.#trail.at(-1)!).level > 0)
      this.#assigned.delete(this.#trail.pop()!);
    this.#level = 0;
    this.#head = 0; // Literals of level 0 are propagated again: new clauses may contain them.
  }

  /** The given clauses from which a conflict at level 0 follows. */
  coreOf(conflict: Clause<R>): R[] {
    const seen = new Set<Clause<R>>();
    const core: R[] = [];
    const pending = [conflict];
    for (let clause = pending.pop(); clause !== undefined; clause = pending.pop()) {
      if (seen.has(clause)) continue;
      seen.add(clause);
      if (clause.reason !== undefined) core.push(clause.reason);
      pending.push(...clause.parents);
      for (const literal of clause.literals) {
        const { cause, level } = this.#assigned.get(Math.abs(literal)) ?? {};
        if (cause !== undefined && level === 0) pending.push(cause);
      }
    }
    return core.reverse();
  }

  #assignmentOf(literal: Literal): Assignment<R> {
    return this.#assigned.get(Math.abs(literal))!;
  }

  #assign(literal: Literal, cause: Clause<R> | undefined): void {
    this.#assigned.set(Math.abs(literal), { value: literal > 0, level: this.#level, cause });
    this.#trail.push(Math.abs(literal));
  }

  /** Checks one clause. Assigns its last undecided literal; returns the clause if all its literals are false. */
  #examine(clause: Clause<R>): Clause<R> | undefined {
    let open: Literal | undefined;
    for (const literal of clause.literals) {
      const value = this.#assigned.get(Math.abs(literal))?.value;
      if (value === literal > 0) return undefined;
      if (value !== undefined) continue;
      if (open !== undefined) return undefined;
      open = literal;
    }
    if (open === undefined) return clause;
    this.#assign(open, clause);
    return undefined;
  }
}
