import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeGraph } from './graph.ts';
import { graphSvg } from './svg.ts';
import { type Inputs, recipe } from './target.ts';
import { graphDocument, groupGraph, textTree } from './view.ts';

const any = recipe<Inputs>({ from: import.meta.url, kind: 'file', run: async () => {} });
const get = recipe<Inputs>({ from: import.meta.url, kind: 'file', fetch: true, run: async () => {} });

const debs = Array.from({ length: 178 }, (_, n) => get(`deb:p${n}`, { n }));
const tree = any('n100:tree', { debs, overlay: { source: 'images' } });
const usr = any('n100:usr', { tree, sdk: get('sdk', {}) });
const roots = [any('n100:disk', { usr, tree }), any('n100:<&">', { usr })];

test('many similar targets are one node; levels rise along every edge', () => {
  const groups = groupGraph(makeGraph(roots));
  assert.deepEqual(
    groups.map(({ label, count, level }) => [label, count, level]),
    [
      ['deb:* (178)', 178, 0],
      ['n100:tree', 1, 1],
      ['sdk', 1, 0],
      ['n100:usr', 1, 2],
      ['n100:disk', 1, 3],
      ['n100:<&">', 1, 3],
    ],
  ); // prettier-ignore
  for (const group of groups) for (const need of group.needs) assert.ok(need.level < group.level);
});

test('similar targets that need each other indirectly make no cycle', () => {
  const first = Array.from({ length: 5 }, (_, n) => any(`x:a${n}`, { n }));
  const between = any('between', { first });
  const second = Array.from({ length: 5 }, (_, n) => any(`x:b${n}`, { n, between }));
  const groups = groupGraph(makeGraph(second));
  assert.deepEqual(
    groups.map(({ label, level }) => [label, level]),
    [
      ['x:* (5)', 0],
      ['between', 1],
      ['x:* (5)', 2],
    ],
  ); // prettier-ignore
});

test('the text tree shows each target once with its inputs', () => {
  assert.equal(
    textTree(roots),
    [
      'n100:disk',
      '├─ n100:usr',
      '│  ├─ n100:tree',
      '│  │  └─ deb:* (178)',
      '│  └─ sdk',
      '└─ n100:tree …',
      'n100:<&">',
      '└─ n100:usr …',
      '',
    ].join('\n'),
  );
});

test('the document has every target, with its inputs by name', () => {
  const { targets } = graphDocument(roots);
  assert.equal(targets.length, 183);
  const found = targets.find(({ name }) => name === 'n100:tree');
  assert.equal(found?.recipe, 'build/graph/view.test.ts');
  assert.equal(found?.needs.debs?.length, 178);
  assert.deepEqual(found?.sources, { overlay: 'images' });
  assert.equal(targets[0]?.fetch, true);
});

test('the SVG has every box and edge once, is the same each time, and escapes names', async () => {
  const svg = await graphSvg(roots);
  assert.equal(svg, await graphSvg(roots));
  assert.ok(svg.includes('n100:&lt;&amp;&quot;&gt;') && !svg.includes('<&'));
  assert.equal(svg.match(/class="edge"/g)?.length, 6);
  assert.equal(svg.match(/class="node[ "]/g)?.length, 6);
  assert.ok(svg.includes('class="node fetch many"'));
  assert.match(await graphSvg([]), /^<svg/);
});
