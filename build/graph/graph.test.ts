import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import { allNeeds, makeGraph } from './graph.ts';
import { type Input, type Inputs, recipe, type Target, type Value } from './target.ts';

const any = recipe<Inputs>({ from: import.meta.url, kind: 'file', run: async () => {} });
const other = recipe<Inputs>({ from: import.meta.url, kind: 'file', run: async () => {} });

test('each target comes once, after its inputs', () => {
  const a = any('a', {});
  const b = any('b', { a });
  const top = any('top', { all: [b, a], b, n: 1 });
  const graph = makeGraph([top, b]);
  assert.deepEqual(
    graph.nodes.map(({ name }) => name),
    ['a', 'b', 'top'],
  ); // prettier-ignore
  const node = graph.byName.get('top');
  assert.ok(node);
  assert.deepEqual(
    node.needs.map(({ name }) => name),
    ['b', 'a'],
  ); // prettier-ignore
  assert.deepEqual([...allNeeds(node)].map(({ name }) => name).sort(), ['a', 'b']); // prettier-ignore
});

test('a cycle is named whole', () => {
  const inputs: Record<string, Input> = {};
  const a = any('a', inputs);
  inputs.c = any('c', { b: any('b', { a }) });
  const top = any('top', { a });
  assert.throws(() => makeGraph([top]), { message: 'a needs itself: a → c → b → a', exitCode: 2 });
});

test('a target that needs itself directly', () => {
  const inputs: Record<string, Input> = {};
  const a = any('a', inputs);
  inputs.self = a;
  assert.throws(() => makeGraph([a]), /a needs itself: a → a/);
});

test('a chain far deeper than any real one', () => {
  let target = any('t0', {});
  for (let n = 1; n < 500; n++) target = any(`t${n}`, { below: target });
  assert.equal(makeGraph([target]).nodes.length, 500);
});

test('two equal targets of one name are one; different ones are an error', () => {
  const make = (n: Value): Target => any('x', { n, deep: any('y', { list: [1, { b: 2, a: 1 }] }) });
  assert.equal(makeGraph([any('top', { all: [make(1), make(1)] })]).nodes.length, 3);
  assert.throws(
    () => makeGraph([any('top', { all: [make(1), make(2)] })]),
    /two targets are named x, made with a different input "n"/,
  );
  assert.throws(
    () => makeGraph([any('x', {}), other('x', {})]),
    /two targets are named x, made by different recipes/,
  );
  assert.throws(() => makeGraph([any('x', { n: 1 }), any('x', { m: 1 })]), /different input "n"/);
});

test('only plain data is data', () => {
  const wrong = (input: unknown) => makeGraph([any('t', { input: input as Input })]);
  const cases: [unknown, RegExp][] = [
    [undefined, /t: input "input" must be a target, a source or plain data, but is of type undefined/],
    [() => 1, /of type function/],
    [new Date(0), /of type Date/],
    [new Map(), /of type Map/],
    [10n, /of type bigint/],
    [Number.NaN, /is NaN, which JSON cannot hold/],
    [{ a: [1, Number.POSITIVE_INFINITY] }, /is Infinity/],
    [[any('a', {}), 'b'], /holds a target inside plain data/],
    [{ deep: any('a', {}) }, /holds a target inside plain data/],
  ];
  for (const [input, message] of cases) assert.throws(() => wrong(input), message);
  assert.throws(
    () => wrong({ a: [{ b: new Set() }] }),
    (error) => error instanceof Failure && error.where === '.a[0].b',
  );
});

test('plain data with a key `source` is data, not a source', () => {
  const [node] = makeGraph([
    any('t', { pkg: { name: 'bash', source: 'bash' }, file: { source: 'README.md' } }),
  ]).nodes;
  assert.equal(node?.inputs.get('pkg')?.type, 'value');
  assert.equal(node?.inputs.get('file')?.type, 'source');
});
