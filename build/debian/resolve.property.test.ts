import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Failure } from '../../sdk/lib/errors.ts';
import { type Stanzas, testUniverse } from './fixtures.ts';
import { resolve } from './resolve.ts';

/** A small archive in numbers, with its own reading of Policy 7 to check the resolver against. */
interface Wish {
  readonly name: string;
  readonly atLeast: number | undefined;
}
interface Model {
  readonly name: string;
  readonly version: number;
  readonly depends: readonly (readonly Wish[])[];
  readonly conflicts: readonly Wish[];
  readonly provides: readonly { readonly name: string; readonly version: number | undefined }[];
}

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((letter) => `p${letter}`);
const VIRTUAL = ['va', 'vb'];

const wish = fc.record({
  name: fc.constantFrom(...NAMES, ...VIRTUAL),
  atLeast: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined, freq: 2 }),
});
const model = (name: string): fc.Arbitrary<Model> =>
  fc.record({
    name: fc.constant(name),
    version: fc.integer({ min: 1, max: 3 }),
    depends: fc.array(fc.array(wish, { minLength: 1, maxLength: 3 }), { maxLength: 3 }),
    conflicts: fc.array(wish, { maxLength: 1 }),
    provides: fc.array(
      fc.record({
        name: fc.constantFrom(...VIRTUAL),
        version: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
      }),
      { maxLength: 1 },
    ),
  });
const archive = fc.tuple(...NAMES.map(model));

const print = ({ name, atLeast }: Wish) => (atLeast === undefined ? name : `${name} (>= ${atLeast})`);

function stanzas(models: readonly Model[]): Stanzas {
  return Object.fromEntries(
    models.map((one) => [
      `${one.name} ${one.version}`,
      {
        Depends: one.depends.map((group) => group.map(print).join(' | ')).join(', '),
        Conflicts: one.conflicts.map(print).join(', '),
        Provides: one.provides
          .map(({ name, version }) => (version ? `${name} (= ${version})` : name))
          .join(', '),
      },
    ]),
  );
}

function grants(one: Model, { name, atLeast }: Wish): boolean {
  if (one.name === name) return atLeast === undefined || one.version >= atLeast;
  return one.provides.some(
    (provided) =>
      provided.name === name &&
      (atLeast === undefined || (provided.version !== undefined && provided.version >= atLeast)),
  );
}

function isInstallable(chosen: readonly Model[]): boolean {
  return chosen.every(
    (one) =>
      one.depends.every((group) => group.some((wanted) => chosen.some((other) => grants(other, wanted)))) &&
      !one.conflicts.some((wanted) => chosen.some((other) => other !== one && grants(other, wanted))),
  );
}

function someAnswer(models: readonly Model[], roots: readonly string[]): boolean {
  for (let bits = 0; bits < 1 << models.length; bits++) {
    const chosen = models.filter((_, index) => (bits >> index) & 1);
    if (roots.every((root) => chosen.some(({ name }) => name === root)) && isInstallable(chosen)) return true;
  }
  return false;
}

test('finds an installable set exactly when brute force does, and nothing superfluous in it', () => {
  let satisfiable = 0;
  let contradictory = 0;
  fc.assert(
    fc.property(
      archive,
      fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 3 }),
      (models, roots) => {
        const universe = testUniverse({ trixie: stanzas(models) });
        const set = { name: 'test', include: roots };
        if (!someAnswer(models, roots)) {
          contradictory++;
          assert.throws(() => resolve(universe, set), Failure);
          return;
        }
        satisfiable++;
        const { packages } = resolve(universe, set);
        const chosen = models.filter(({ name }) => packages.some(({ record }) => record.name === name));
        assert.equal(chosen.length, packages.length);
        assert.ok(isInstallable(chosen), 'the answer is not installable');
        for (const { record, root } of packages) {
          const wanted = root || packages.some(({ needs }) => needs.has(record.name));
          assert.ok(wanted, `${record.name} is in though nothing needs it`);
        }
        const turned = resolve(universe, { name: 'test', include: [...roots].reverse() });
        assert.deepEqual(
          turned.packages.map(({ record }) => record.name),
          packages.map(({ record }) => record.name),
        );
      },
    ),
    { numRuns: 1500, seed: 20260 },
  );
  assert.ok(satisfiable > 100 && contradictory > 100, `lopsided: ${satisfiable} and ${contradictory}`);
});
