import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RegisteredTest } from '../harness/run/register.ts';
import { crashStageName } from './crash-stage.ts';
import { STATIC } from './static.ts';
import { PARTS, stagesOf, UNIT, type Wanted } from './test-stages.ts';
import { stageName } from './vm-stage.ts';

const tests: RegisteredTest[] = [
  { definition: { name: 'a.b', what: 'It works.' }, file: '', body: async () => {} },
  { definition: { name: 'a.own', what: 'It works.', image: 'n100' }, file: '', body: async () => {} },
];
const ALL: Wanted = {
  ...{ patterns: [], parts: PARTS, image: 'n100', all: true, fresh: false },
  ...{ shard: undefined, reportDir: 'report' },
};
const stages = (more: Partial<Wanted>) => stagesOf({ ...ALL, ...more }, tests, false);
const namesOf = async (more: Partial<Wanted>) => (await stages(more)).map(({ name }) => name);
const unitFiles = async (more: Partial<Wanted>) =>
  (await stages(more)).find(({ name }) => name === UNIT)?.files ?? [];

test('test --all --shard: the shards together are the whole run, and no test is in two shards', async () => {
  const machines = [
    stageName({ image: 'n100' }),
    stageName({ image: 'n100', sabotages: [] }),
    crashStageName('n100'),
    stageName({ image: 'generic' }),
  ];
  assert.deepEqual(await namesOf({}), [STATIC, UNIT, ...machines]);
  const shards = [1, 2, 3].map((index) => ({ shard: { index, count: 3 } }));
  assert.deepEqual(await Promise.all(shards.map(namesOf)), [
    [STATIC, UNIT, ...machines],
    [UNIT, ...machines],
    [UNIT, ...machines],
  ]);
  const parts = await Promise.all(shards.map(unitFiles));
  assert.deepEqual(parts.flat().sort(), [...(await unitFiles({}))].sort());
  assert.equal(new Set(parts.flat()).size, parts.flat().length);
  for (const part of parts) assert.ok(part.length > 10, `${part.length}`);
});

test('the stages of the gate, of a part of it, of patterns and of another image', async () => {
  assert.deepEqual(await namesOf({ all: false }), [STATIC, UNIT, 'machines of n100']);
  assert.deepEqual(await namesOf({ all: false, parts: ['unit'] }), [UNIT]);
  assert.deepEqual(await namesOf({ patterns: ['a.b'] }), ['machines of n100']);
  assert.deepEqual(await namesOf({ patterns: ['nothing-is-called-so'] }), []);
  assert.deepEqual(await namesOf({ patterns: ['a.own'], image: 'generic' }), [], 'a test of another image');
  assert.deepEqual(await namesOf({ parts: ['static'], shard: { index: 2, count: 2 } }), []);
  const generic = await namesOf({ image: 'generic', parts: ['vm'] });
  assert.deepEqual(generic, ['machines of generic', 'sabotages of generic']);
});
