import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printResolve } from './lock.ts';
import { keptSets } from './package-verbs.ts';

const sets = ['image', 'kernel-source', 'sdk-a'].map((name) => ({ name, include: [] }));
const tools = ['kernel-source', 'sdk-a'];

test('images and the tools of builds are updated apart', () => {
  assert.equal(keptSets({ update: true }, sets, tools), undefined);
  assert.deepEqual(keptSets({ update: true, images: true }, sets, tools), tools);
  assert.deepEqual(keptSets({ diff: true, tools: true }, sets, tools), ['image']);
  for (const wrong of [
    { images: true },
    { update: true, images: true, tools: true },
    { update: ['bash'], images: true },
    { update: true, securityOnly: true, tools: true },
  ] as const)
    assert.throws(() => keptSets(wrong as never, sets, tools), {
      exitCode: 2,
      hint: /\.\/draisine lock --update --(images|tools)/,
    });
});

test('resolve: a wrong mirror is refused, even if the indexes in the cache make it unnecessary', async () => {
  for (const mirror of ['ftp://mirror.example/debian', 'file:/srv/packages', 'debian'])
    await assert.rejects(printResolve([], { mirrors: [mirror], json: true }), {
      exitCode: 2,
      where: /^--mirror/,
    });
});
