import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { sha256 } from '../../sdk/lib/files.ts';
import { blobPath } from './blobs.ts';
import type { Code } from './code.ts';
import { reasonsFor, writeLast } from './explain.ts';
import { makeGraph } from './graph.ts';
import type { Action } from './key.ts';
import { planBuild } from './plan.ts';
import { runBuild } from './run.ts';
import type { Store } from './store.ts';
import { type Input, type Inputs, recipe, type Source, type Target } from './target.ts';
import { neverAborted, reopen, temporaryFolder, temporaryStore } from './testing.ts';

const write = recipe<{ text: string }>({
  from: import.meta.url,
  kind: 'file',
  run: ({ inputs, out }) => writeFile(out, inputs.text),
});
const join2 = recipe<{ tree: Target; debs: readonly Target[]; level: number; overlay: Source }>({
  from: import.meta.url,
  kind: 'file',
  run: async ({ inputs, out }) => {
    const debs = await Promise.all(inputs.debs.map(({ path }) => readFile(path, 'utf8')));
    await writeFile(
      out,
      [await readFile(inputs.tree.path, 'utf8'), ...debs, inputs.level, inputs.overlay.digest].join(' '),
    );
  },
});
const copy = recipe<{ of: Target }>({
  from: import.meta.url,
  kind: 'file',
  run: async ({ inputs, out }) => writeFile(out, await readFile(inputs.of.path)),
});
const constant = recipe<{ of: Target }>({
  from: import.meta.url,
  kind: 'file',
  run: ({ out }) => writeFile(out, 'constant'),
});

async function reasonsOf(target: Target, store: Store): Promise<Record<string, readonly string[]>> {
  const { ran, failures } = await runBuild([target], { store: reopen(store), signal: neverAborted() });
  for (const { error } of failures) throw error;
  return Object.fromEntries(ran.map(({ name, reasons }) => [name, reasons]));
}

async function planOf(target: Target, store: Store, rebuild = false): Promise<[string, boolean, string][]> {
  const plan = await planBuild([target], { store: reopen(store), rebuild });
  return plan.map(({ name, certain, reasons }) => [name, certain, reasons.join('; ')]);
}

test('each run is explained by the inputs that changed', async (t) => {
  const store = await temporaryStore(t);
  const overlay = await temporaryFolder(t);
  writeFileSync(join(overlay, 'other'), 'old');
  const usr = (tree: string, debs: readonly string[], level: number) =>
    join2('n100:usr', {
      tree: write('n100:tree', { text: tree }),
      debs: debs.map((deb) => write(`deb:${deb.split(' ')[0]}`, { text: deb })),
      level,
      overlay: { source: overlay },
    });
  const of = async (...args: Parameters<typeof usr>) => (await reasonsOf(usr(...args), store))['n100:usr'];
  assert.deepEqual(await of('one', ['bash', 'dash'], 3), ['never built here']);
  assert.deepEqual(await of('two', ['bash', 'dash'], 3), ['input "tree" changed (n100:tree)']);
  assert.deepEqual(await of('two', ['bash 2', 'dash'], 3), ['input "debs" changed (deb:bash)']);
  assert.deepEqual(await of('two', ['dash', 'zsh'], 3), ['input "debs" changed (+deb:zsh, -deb:bash)']);
  assert.deepEqual(await of('two', ['zsh', 'dash'], 3), ['input "debs" changed (their order)']);
  assert.deepEqual(await of('two', ['zsh', 'dash'], 9), ['input "level" changed: 3 → 9']);
  writeFileSync(join(overlay, 'file'), 'new');
  assert.deepEqual(await of('two', ['zsh', 'dash'], 9), [`input "overlay" changed (${overlay})`]);
  assert.deepEqual(await of('six', ['zsh', 'dash', 'a', 'b', 'c', 'd', 'e'], 1), [
    'input "debs" changed (+deb:a, +deb:b, +deb:c, +deb:d and 1 more)',
    'input "level" changed: 9 → 1',
    'input "tree" changed (n100:tree)',
  ]);
  rmSync(blobPath(store, sha256('six')));
  const used = await reasonsOf(copy('user', { of: write('n100:tree', { text: 'six' }) }), store);
  assert.deepEqual(used, { 'n100:tree': ['output missing from the store'], user: ['never built here'] });
});

test('changed code is explained by the modules, new and gone inputs by their names', async (t) => {
  const store = await temporaryStore(t);
  const any = recipe<Inputs>({ from: import.meta.url, kind: 'file', run: async () => {} });
  const node = (inputs: Record<string, Input>) => makeGraph([any('t', inputs)]).nodes[0]!;
  const code = (parts: Record<string, string>) => ({ digest: sha256(JSON.stringify(parts)), parts });
  const action = (key: string, code: Code, names: string[]): Action => ({
    key: sha256(key),
    code,
    inputs: Object.fromEntries(names.map((name) => [name, { type: 'value' as const, digest: sha256('1') }])),
  });
  const before = code({ 'build/fs/erofs.ts': 'a', 'sdk/tool.ts': 'b', 'npm:yaml@1.0.0': 'c' });
  await writeLast(store, node({ x: 1 }), action('1', before, ['x']));
  const path = join(store.root, 'last', sha256('t'));
  const good = readFileSync(path, 'utf8');
  for (const damage of [
    '{}',
    'null',
    '{"inputs":{"x":null}}',
    '{"inputs":{"x":{"digest":"","items":[3]}}}',
  ]) {
    writeFileSync(path, damage);
    assert.deepEqual(reasonsFor(store, node({ x: 1 }), action('2', before, ['x']), ''), ['never built here']);
  }
  writeFileSync(path, good);
  const after = code({ 'build/fs/erofs.ts': 'A', 'sdk/tool.ts': 'b', 'npm:yaml@2.0.0': 'd' });
  const reasons = reasonsFor(store, node({ y: 1 }), action('2', after, ['y']), '');
  assert.deepEqual(reasons, [
    'code changed: build/fs/erofs.ts, npm:yaml@1.0.0, npm:yaml@2.0.0',
    'input "x" is gone',
    'input "y" is new',
  ]);
  assert.deepEqual(reasonsFor(store, node({ x: 1 }), action('3', before, ['x']), ''), [
    'the format of keys changed',
  ]);
  assert.deepEqual(reasonsFor(store, node({ x: 1 }), action('1', before, ['x']), 'other'), ['other']);
});

test('-n names the targets that would run and those that may run, and changes nothing', async (t) => {
  const store = await temporaryStore(t);
  const graph = (text: string) => copy('top', { of: constant('middle', { of: write('a', { text }) }) });
  assert.deepEqual(await planOf(graph('one'), store), [
    ['a', true, 'never built here'],
    ['middle', true, 'never built here'],
    ['top', true, 'never built here'],
  ]);
  await reasonsOf(graph('one'), store);
  assert.deepEqual(await planOf(graph('one'), store), []);
  const changed: [string, boolean, string][] = [
    ['a', true, 'input "text" changed: "one" → "two"'],
    ['middle', false, 'needs what runs: a'],
    ['top', false, 'needs what runs: middle'],
  ];
  assert.deepEqual(await planOf(graph('two'), store), changed);
  assert.deepEqual(await planOf(graph('two'), store), changed, 'the plan itself ran nothing');
  assert.deepEqual(
    (await planOf(graph('one'), store, true)).map(([name, certain]) => [name, certain]),
    [
      ['a', true],
      ['middle', true],
      ['top', true],
    ],
  ); // prettier-ignore
});

test('-n follows missing outputs down to the targets that make them again', async (t) => {
  const store = await temporaryStore(t);
  const a = write('a', { text: 'deep' });
  const b = copy('b', { of: a });
  const c = constant('c', { of: b });
  await reasonsOf(c, store);
  rmSync(blobPath(store, sha256('deep')));
  assert.deepEqual(await planOf(c, store), []);
  rmSync(blobPath(store, sha256('constant')));
  const plan = await planOf(c, store);
  assert.deepEqual(
    plan.map(([name]) => name),
    ['a', 'b', 'c'],
  ); // prettier-ignore
  assert.deepEqual(plan.at(-1), ['c', true, 'output missing from the store']);
  assert.deepEqual(Object.keys(await reasonsOf(c, store)).sort(), ['a', 'c'], 'b had the bytes of a');
});
