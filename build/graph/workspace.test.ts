import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import { collectGarbage } from './collect.ts';
import { buildTargets } from './run.ts';
import { recipe } from './target.ts';
import { buildText, neverAborted, reopen, temporaryStore } from './testing.ts';

/** Appends its input to a file of its workspace, and shows the whole: no honest recipe, but one sees what is kept. */
const diary = recipe<{ line: string; name: string; then: 'end' | 'fail' | 'hang' }>({
  from: import.meta.url,
  kind: 'file',
  run: async ({ inputs, out, workspace, signal }) => {
    const file = join(await workspace(inputs.name), 'diary');
    await appendFile(file, `${inputs.line} `);
    if (inputs.then === 'fail') throw new Failure('not today');
    if (inputs.then === 'hang') await new Promise((_, reject) => signal.addEventListener('abort', reject));
    await writeFile(out, await readFile(file));
  },
});
const write = (line: string, name = 'one', then: 'end' | 'fail' | 'hang' = 'end') =>
  diary(line, { line, name, then });

test('a workspace is found again by its name, by other targets too; a rebuild finds it empty', async (t) => {
  const store = await temporaryStore(t);
  assert.equal(await buildText(write('a'), store), 'a ');
  assert.equal(await buildText(write('b'), store), 'a b ');
  assert.equal(await buildText(write('c', 'other'), store), 'c ');
  assert.equal(await buildText(write('b'), store, { rebuild: true }), 'b ');
  assert.equal(await buildText(write('d'), store), 'b d ');
});

test('a failure keeps it, an interruption does not', async (t) => {
  const store = await temporaryStore(t);
  await assert.rejects(buildText(write('a', 'one', 'fail'), store), /not today/);
  assert.equal(await buildText(write('b'), store), 'a b ');
  const stop = new AbortController();
  const build = buildTargets([write('c', 'one', 'hang')], { store: reopen(store), signal: stop.signal });
  setTimeout(() => stop.abort(), 100);
  await assert.rejects(build, { name: 'AbortError' });
  assert.deepEqual(readdirSync(join(store.root, 'locks')), []);
  assert.equal(await buildText(write('d'), store), 'd ');
});

test('two builds that want one workspace have it one after the other', async (t) => {
  const store = await temporaryStore(t);
  const texts = await Promise.all(['a', 'b', 'c'].map((line) => buildText(write(line), store)));
  assert.deepEqual(texts.map(({ length }) => length).sort(), [2, 4, 6]);
  assert.equal(await collectGarbage(reopen(store), 0).then(({ removed }) => removed > 0), true);
  assert.deepEqual(readdirSync(join(store.root, 'workspaces')), []);
  await buildTargets([write('d')], { store: reopen(store), signal: neverAborted() });
});
