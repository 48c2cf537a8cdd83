import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import { type Stanzas, testUniverse } from './fixtures.ts';
import { resolve } from './resolve.ts';
import type { PackageSet } from './set.ts';

function names(stanzas: Stanzas, include: string[], more: Partial<PackageSet> = {}): string[] {
  return resolve(testUniverse({ trixie: stanzas }), { name: 'test', include, ...more }).packages.map(
    ({ record }) => record.name,
  );
}

function versions(bySuite: Record<string, Stanzas>, include: string[], pins?: Map<string, string>): string[] {
  return resolve(testUniverse(bySuite, pins), { name: 'test', include }).packages.map(
    ({ record }) => `${record.name} ${record.version}`,
  );
}

function failure(action: () => unknown): Failure {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof Failure, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: 'it should have failed' });
}

const drop = (name: string) => ({ package: name, reason: 'for the test' });

test('follows Pre-Depends and Depends, never Recommends or Suggests', () => {
  const stanzas = {
    a: { Depends: 'b', 'Pre-Depends': 'c', Recommends: 'd', Suggests: 'e' },
    ...{ b: {}, c: {}, d: {}, e: {} },
  };
  assert.deepEqual(names(stanzas, ['a']), ['a', 'b', 'c']);
});

test('takes the first alternative, unless another is in already', () => {
  const stanzas = { a: { Depends: 'x | y' }, b: { Depends: 'y' }, c: { Depends: 'y | x' }, x: {}, y: {} };
  assert.deepEqual(names(stanzas, ['a']), ['a', 'x']);
  assert.deepEqual(names(stanzas, ['a', 'y']), ['a', 'y']);
  assert.deepEqual(names(stanzas, ['a', 'c']), ['a', 'c', 'x'], 'what a chose is there when c is looked at');
});

test('a real package comes before its providers; a versioned dependency needs a versioned Provides', () => {
  const stanzas = {
    a: { Depends: 'v' },
    b: { Depends: 'v (>= 2)' },
    real: { Provides: 'v' },
    'other 3': { Provides: 'v (= 2.5)' },
  };
  assert.deepEqual(names(stanzas, ['b']), ['b', 'other']);
  assert.deepEqual(names({ ...stanzas, v: {} }, ['a']), ['a', 'v']);
});

test('of several providers: essential, then priority, then the later in the index', () => {
  const providers = (fields: Record<string, string>) => ({
    a: { Depends: 'v' },
    p1: { Provides: 'v' },
    p2: { Provides: 'v', ...fields },
    p3: { Provides: 'v' },
  });
  assert.deepEqual(names(providers({}), ['a']), ['a', 'p3']);
  assert.deepEqual(names(providers({ Priority: 'required' }), ['a']), ['a', 'p2']);
  assert.deepEqual(names(providers({ Essential: 'yes' }), ['a']), ['a', 'p2']);
});

test('gives up an alternative that conflicts, even if the conflict is found late', () => {
  const stanzas = {
    a: { Depends: 'x | y, z' },
    x: { Depends: 'deep' },
    deep: {},
    y: {},
    z: { Conflicts: 'deep' },
  };
  assert.deepEqual(names(stanzas, ['a']), ['a', 'y', 'z']);
});

test('Breaks with a version leaves other versions alone; a package may conflict with what it provides', () => {
  const stanzas = {
    a: { Depends: 'b', Breaks: 'b (<< 1)' },
    b: { Conflicts: 'v', Provides: 'v', Replaces: 'v' },
  };
  assert.deepEqual(names(stanzas, ['a']), ['a', 'b']);
  assert.throws(() => names({ ...stanzas, c: { Provides: 'v' } }, ['a', 'c']), /excludes/);
});

test(':any needs Multi-Arch: allowed', () => {
  const stanzas = { a: { Depends: 'p:any' }, p: {} };
  assert.throws(() => names(stanzas, ['a']), Failure);
  assert.deepEqual(names({ ...stanzas, p: { 'Multi-Arch': 'allowed' } }, ['a']), ['a', 'p']);
});

test('the order of include does not matter, nor do repetitions', () => {
  const stanzas = {
    a: { Depends: 'x | y' },
    b: { Depends: 'y | x' },
    c: { Depends: 'v' },
    ...{ x: { Provides: 'v' }, y: { Provides: 'v' } },
  };
  const expected = names(stanzas, ['a', 'b', 'c']);
  assert.deepEqual(names(stanzas, ['c', 'b', 'a', 'c']), expected);
  assert.deepEqual(names(stanzas, ['b', 'c', 'a']), expected);
});

test('roots in the given order: packages of the first satisfy the second', () => {
  const universe = testUniverse({
    trixie: { a: { Depends: 'x' }, b: { Depends: 'y' }, x: {}, y: { Provides: 'x' } },
  });
  const inOrder = (include: string[]) =>
    resolve(universe, { name: 'test', include }, 'given').packages.map(({ record }) => record.name);
  assert.deepEqual(inOrder(['a', 'b']), ['a', 'b', 'x', 'y']);
  assert.deepEqual(inOrder(['b', 'a']), ['a', 'b', 'y']);
});

test('the rank of a provider is that of the first suite that knows it, not of the newest version', () => {
  const trixie = { a: { Depends: 'v' }, p: { Provides: 'v' }, q: { Provides: 'v' } };
  const security = { 'q 1.1': { Provides: 'v' }, 'p 1.1': { Provides: 'v' } };
  assert.deepEqual(versions({ trixie, 'trixie-security': security }, ['a']), ['a 1', 'q 1.1']);
});

test('dependencies may go in circles', () => {
  assert.deepEqual(names({ a: { Depends: 'b' }, b: { Depends: 'a, a (>= 1)' } }, ['a']), ['a', 'b']);
});

test('takes the newest version of all suites but those on request', () => {
  const bySuite = {
    trixie: { 'a 1': { Depends: 'b' }, 'b 1': {} },
    'trixie-security': { 'b 1.1': {} },
    'trixie-backports': { 'a 2': { Depends: 'b (>= 2), c' }, 'b 2': {}, 'c 2': {}, 'd 2': {} },
  };
  assert.deepEqual(versions(bySuite, ['a']), ['a 1', 'b 1.1']);
  assert.deepEqual(versions(bySuite, ['a/trixie-backports']), ['a 2', 'b 2', 'c 2']);
  assert.deepEqual(versions(bySuite, ['a/trixie-backports', 'b']), ['a 2', 'b 2', 'c 2']);
});

test('a suite on request satisfies no dependency that other suites satisfy', () => {
  const bySuite = {
    trixie: { 'b 1': {}, 'e 1': { Depends: 'd' } },
    'trixie-backports': { 'a 2': { Depends: 'b (>= 1)' }, 'b 2': {}, 'd 2': {} },
  };
  assert.deepEqual(versions(bySuite, ['a/trixie-backports']), ['a 2', 'b 1']);
  assert.match(failure(() => versions(bySuite, ['a/trixie-backports', 'e'])).message, /e 1 Depends: d/);
});

test('a pin holds a version, and a contradiction to it is an error', () => {
  const bySuite = { trixie: { 'a 1': {} }, 'trixie-security': { 'a 1.1': {}, b: { Depends: 'a (= 1.1)' } } };
  assert.deepEqual(versions(bySuite, ['a'], new Map([['a', '1']])), ['a 1']);
  assert.throws(() => versions(bySuite, ['b'], new Map([['a', '1']])), Failure);
  const backports = { 'trixie-backports': { 'a 2': {} }, trixie: { 'a 1': {} } };
  assert.deepEqual(versions(backports, ['a/trixie-backports'], new Map([['a', '2']])), ['a 2']);
  assert.throws(() => versions(backports, ['a/trixie-backports'], new Map([['a', '1']])), Failure);
});

test('a dropped package leaves its dependency unsatisfied, or an alternative satisfies it', () => {
  const stanzas = {
    a: { Depends: 'x | v, y (>= 1)' },
    x: {},
    y: { Depends: 'z' },
    z: {},
    p: { Provides: 'v' },
  };
  assert.deepEqual(names(stanzas, ['a'], { drop: [drop('y')] }), ['a', 'x']);
  assert.deepEqual(names(stanzas, ['a'], { drop: [drop('y'), drop('x')] }), ['a', 'p']);
  assert.deepEqual(names(stanzas, ['a'], { drop: [drop('y'), drop('x'), drop('v')] }), ['a']);
  const { packages } = resolve(testUniverse({ trixie: stanzas }), {
    name: 't',
    include: ['a'],
    drop: [drop('y')],
  });
  assert.deepEqual(Object.fromEntries(packages[0]!.dropped), { y: 'y (>= 1)' });
  assert.deepEqual(Object.fromEntries(packages[0]!.needs), { x: 'x | v' });
});

test('a replacement satisfies any version, in alternatives and as a provider', () => {
  const stanzas = {
    a: { Depends: 'gawk (>= 5)' },
    b: { Depends: 'awk' },
    'gawk 5': { Provides: 'awk' },
    mawk: {},
  };
  const replace = [{ package: 'gawk', with: 'mawk', reason: 'smaller' }];
  assert.deepEqual(names(stanzas, ['a'], { replace }), ['a', 'mawk']);
  assert.deepEqual(names(stanzas, ['b'], { replace }), ['b', 'mawk']);
});

test('a replacement must exist', () => {
  const replace = [{ package: 'gawk', with: 'mwak', reason: 'smaller' }];
  const error = failure(() => names({ a: { Depends: 'gawk' }, gawk: {}, mawk: {} }, ['a'], { replace }));
  assert.equal(error.exitCode, 2);
  assert.match(error.hint ?? '', /mawk/);
});

test('`name/suite` decides over `name`, in any order; two suites are bad input', () => {
  const bySuite = {
    trixie: { 'a 1': {} },
    'trixie-security': { 'a 1.1': {} },
    'trixie-backports': { 'a 2': {} },
  };
  assert.deepEqual(versions(bySuite, ['a', 'a/trixie-backports']), ['a 2']);
  const given = resolve(testUniverse(bySuite), { name: 't', include: ['a/trixie-backports', 'a'] }, 'given');
  assert.deepEqual(
    given.packages.map(({ record }) => record.version),
    ['2'],
  );
  assert.equal(failure(() => versions(bySuite, ['a/trixie', 'a/trixie-backports'])).exitCode, 2);
});

test('reports stale drops and replacements', () => {
  const universe = testUniverse({ trixie: { a: { Depends: 'b' }, b: { Depends: 'c' }, c: {}, d: {} } });
  const set = {
    name: 'test',
    include: ['a'],
    drop: [drop('b'), drop('c')],
    replace: [{ package: 'd', with: 'a', reason: 'x' }],
  };
  assert.deepEqual(resolve(universe, set).stale, ['c', 'd'], 'nothing asks for c once b is gone');
});

test('closure: `roots` takes only the roots', () => {
  assert.deepEqual(names({ a: { Depends: 'nowhere' }, b: {} }, ['a', 'b'], { closure: 'roots' }), ['a', 'b']);
});

test('an unknown root is bad input, with near names', () => {
  const error = failure(() => names({ podman: {}, 'podman-compose': {}, bash: {} }, ['podmam']));
  assert.equal(error.exitCode, 2);
  assert.match(error.message, /no package podmam/);
  assert.match(error.hint ?? '', /podman\b/);
  assert.doesNotMatch(error.hint ?? '', /bash/);
  for (const bad of ['', 'A', 'a b', 'a/b/c', '../x', 'a=1']) {
    assert.equal(failure(() => names({ a: {} }, [bad])).exitCode, 2, bad);
  }
});

test('a root of another suite, a virtual one, a dropped one', () => {
  const bySuite = {
    trixie: { p: { Provides: 'v, w' }, q: { Provides: 'w' } },
    'trixie-backports': { b: {} },
  };
  assert.match(failure(() => versions(bySuite, ['b'])).hint ?? '', /b\/trixie-backports/);
  assert.equal(failure(() => versions(bySuite, ['p/trixie-backports'])).exitCode, 2);
  assert.deepEqual(versions(bySuite, ['v']), ['p 1']);
  assert.match(failure(() => versions(bySuite, ['w'])).hint ?? '', /p, q/);
  assert.equal(failure(() => names({ a: {} }, ['a'], { drop: [drop('a')] })).exitCode, 2);
});

test('an unsatisfiable set is explained from the root on', () => {
  const stanzas = { a: { Depends: 'b' }, b: { Depends: 'c (>= 2) | d' }, 'c 1.5': {} };
  const error = failure(() => names(stanzas, ['a']));
  assert.equal(error.exitCode, 1);
  assert.match(error.message, /b 1 Depends: c \(>= 2\) \| d/);
  const chain = error.where ?? '';
  assert.match(chain, /a 1 \(root, trixie\)/);
  assert.match(chain, /a 1 Depends: b/);
  assert.match(chain, /of c there is 1\.5 in trixie/);
  assert.match(chain, /d is in no index/);
});

test('a conflict is explained with both sides', () => {
  const stanzas = {
    a: { Depends: 'x' },
    b: { Depends: 'y' },
    x: {},
    y: { Conflicts: 'x (<< 2)' },
    noise: {},
  };
  const error = failure(() => names(stanzas, ['a', 'b', 'noise']));
  assert.match(error.message, /y 1 excludes x 1/);
  const chain = error.where ?? '';
  for (const part of [/a 1 Depends: x/, /b 1 Depends: y/, /y 1 Conflicts: x \(<< 2\)/])
    assert.match(chain, part);
  assert.doesNotMatch(chain, /noise/);
});
