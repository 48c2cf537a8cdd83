import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Literal, solve } from './solver.ts';

const VARIABLES = 7;

/** Decides the variables in order, true first. */
function run(clauses: readonly (readonly Literal[])[], lazily: boolean) {
  const initial = lazily ? clauses.filter((literals) => literals.every((literal) => literal > 0)) : clauses;
  const reason = (literals: readonly Literal[]) => ({ literals, reason: literals });
  const model = new Map<number, boolean>();
  const answer = solve<readonly Literal[]>(
    initial.map(reason),
    // Lazily: a clause comes when the first of its variables that must not all be true becomes true.
    (variable) => (lazily ? clauses.filter((literals) => literals.includes(-variable)).map(reason) : []),
    ({ value, decide }) => {
      for (let variable = 1; variable <= VARIABLES; variable++) {
        if (value(variable) === undefined && !decide(variable)) return false;
      }
      for (let variable = 1; variable <= VARIABLES; variable++) model.set(variable, value(variable)!);
      return true;
    },
  );
  return { answer, model };
}

function holds(clauses: readonly (readonly Literal[])[], model: (variable: number) => boolean): boolean {
  return clauses.every((literals) => literals.some((literal) => model(Math.abs(literal)) === literal > 0));
}

function bruteForce(clauses: readonly (readonly Literal[])[]): boolean {
  for (let bits = 0; bits < 1 << VARIABLES; bits++) {
    if (holds(clauses, (variable) => ((bits >> (variable - 1)) & 1) === 1)) return true;
  }
  return false;
}

const literal = fc
  .tuple(fc.integer({ min: 1, max: VARIABLES }), fc.boolean())
  .map(([v, sign]) => (sign ? v : -v));
const problem = fc.array(fc.array(literal, { minLength: 1, maxLength: 3 }), { maxLength: 40 });

for (const lazily of [false, true]) {
  test(`finds an answer when there is one (${lazily ? 'lazy' : 'given'} clauses)`, () => {
    fc.assert(
      fc.property(problem, (clauses) => {
        const { answer, model } = run(clauses, lazily);
        assert.equal(answer.satisfiable, bruteForce(clauses));
        if (answer.satisfiable) assert.ok(holds(clauses, (variable) => model.get(variable)!));
        else assert.ok(!bruteForce(answer.core), 'the core alone must be contradictory');
      }),
      { numRuns: 2000 },
    );
  });
}

test('prefers the choice of the walk', () => {
  const { model } = run(
    [
      [1, 2],
      [-1, 3],
    ],
    false,
  );
  assert.equal(model.get(1), true);
  assert.equal(model.get(3), true);
});
