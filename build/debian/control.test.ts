import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Failure } from '../../sdk/lib/errors.ts';
import { formatAlternatives, parseRelations, parseStanzas } from './control.ts';

const relations = (text: string) => parseRelations(text, 'amd64', 'test').map(formatAlternatives);

test('stanzas: names become lower case, continuation lines are joined, comments are skipped, and blank lines separate', () => {
  const stanzas = parseStanzas('# note\nPackage: a\nDESCRIPTION: one\n two\n .\n\n\nPackage: b\n', 'file');
  assert.deepEqual(
    stanzas.map((stanza) => Object.fromEntries(stanza)),
    [{ package: 'a', description: 'one\ntwo\n.' }, { package: 'b' }],
  );
});

test('stanzas: faults are reported with their line', () => {
  const fault = (text: string) => {
    try {
      parseStanzas(text, 'file');
    } catch (error) {
      assert.ok(error instanceof Failure);
      return error.where;
    }
    return undefined;
  };
  assert.equal(fault(' continued: what\n'), 'file:1');
  assert.equal(fault('A: b\nno colon here\n'), 'file:2');
  assert.equal(fault('A: b\nB: c\na: d\n'), 'file:3');
  assert.equal(fault('A: b\n\n : d\n'), 'file:3');
});

test('relations: versions, qualifiers, alternatives, any spacing', () => {
  assert.deepEqual(relations('a(>=1), b:any (<< 2:3~x) |c [amd64] , d (= 1-1)|e,'), [
    'a (>= 1)',
    'b:any (<< 2:3~x) | c',
    'd (= 1-1) | e',
  ]);
  assert.deepEqual(relations('a (< 1), b (> 1)'), ['a (<= 1)', 'b (>= 1)']);
});

test('relations: those of other architectures are left out', () => {
  assert.deepEqual(relations('a [arm64], b [!amd64] | c, d [linux-any], e [any-amd64 s390x], f [!s390x]'), [
    'c',
    'd',
    'e',
    'f',
  ]);
});

test('relations: malformed texts are refused', () => {
  for (const text of [
    'a b',
    'a (>= )',
    'a (1)',
    'a (=> 1)',
    '-a',
    'a (>= 1',
    'a | | b',
    'a (>= 1;rm)',
    '$(x)',
  ]) {
    assert.throws(() => relations(text), Failure, text);
  }
});

test('relations: printing and parsing are inverse', () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9+.-]{1,5}$/);
  const relation = fc
    .tuple(name, fc.constantFrom('', ':any'), fc.constantFrom('', ' (>= 1.2~a)', ' (= 1:0-1)'))
    .map((parts) => parts.join(''));
  const group = fc
    .array(relation, { minLength: 1, maxLength: 3 })
    .map((alternatives) => alternatives.join(' | '));
  fc.assert(
    fc.property(fc.array(group), (groups) => {
      assert.deepEqual(relations(groups.join(', ')), groups);
    }),
  );
});
