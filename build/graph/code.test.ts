import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { sha256 } from '../../sdk/lib/files.ts';
import { codeOf, codeReader } from './code.ts';
import { fileDigest, loadFacts, saveFacts } from './facts.ts';
import { npmDigest, packageName } from './npm.ts';
import { runBuild } from './run.ts';
import { stampOf } from './stamp.ts';
import { recipe, type Target } from './target.ts';
import { buildText, namesRun, neverAborted, reopen, temporaryFolder, temporaryStore } from './testing.ts';

test('a recipe runs again if its code or that of its imports has changed', async (t) => {
  const store = await temporaryStore(t);
  const root = await temporaryFolder(t);
  const target = pathToFileURL(join(import.meta.dirname, 'target.ts')).href;
  const write = (main: string, helper: string, types: string) => {
    writeFileSync(join(root, 'types.mts'), types);
    writeFileSync(
      join(root, 'helper.mts'),
      `import type { T } from './types.mts';\nexport const word: T = '${helper}';\n`,
    );
    writeFileSync(
      join(root, 'main.mts'),
      `import { recipe } from '${target}';\nimport { writeFile } from 'node:fs/promises';\nimport { word } from './helper.mts';\n` +
        `export const make = recipe({ from: import.meta.url, kind: 'file', run: ({ out }) => writeFile(out, '${main} ' + word) });\n`,
    );
  };
  let version = 0;
  const load = async (): Promise<Target> => {
    const module = await import(`${pathToFileURL(join(root, 'main.mts')).href}?v=${version++}`);
    return module.make('top', {});
  };
  write('one', 'word', 'export type T = string;');
  assert.deepEqual(await namesRun(await load(), store), ['top']);
  assert.deepEqual(await namesRun(await load(), store), []);
  write('one', 'word', 'export type T = string; // only a type');
  assert.deepEqual(await namesRun(await load(), store), []);
  write('two', 'word', 'export type T = string;');
  assert.equal(await buildText(await load(), store), 'two word');
  write('two', 'other', 'export type T = string;');
  assert.deepEqual(await namesRun(await load(), store), ['top']);
});

test('the parts of a code are named from the checkout; the log and the definition of targets are left out', async (t) => {
  const facts = loadFacts(await temporaryStore(t));
  const { parts } = codeOf(codeReader(facts), new URL('./store.ts', import.meta.url).href);
  const names = Object.keys(parts);
  assert.ok(names.includes('build/graph/store.ts') && names.includes('sdk/lib/errors.ts'), names.join());
  assert.ok(!names.includes('sdk/lib/log.ts') && !names.some((name) => name.startsWith('npm:cli-progress')));
});

async function codeOfText(
  t: TestContext,
  files: Record<string, string>,
): Promise<Readonly<Record<string, string>>> {
  const store = await temporaryStore(t);
  const root = await temporaryFolder(t);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, name), text);
  const reader = codeReader(loadFacts(store));
  return codeOf(reader, pathToFileURL(join(root, 'main.ts')).href).parts;
}

test('npm packages count by version and integrity, data files and workers by content', async (t) => {
  const parts = await codeOfText(t, {
    'main.ts':
      "import tar from 'tar-stream'; import x from 'yaml/sub'; import d from './d.json' with { type: 'json' }; new Worker(new URL('./w.ts', import.meta.url));",
    'd.json': '{}',
    'w.ts': "import './main.ts';",
  });
  const names = Object.keys(parts).map((name) => name.replace(/@\d.*/, '@N'));
  assert.deepEqual(names, ['d.json', 'main.ts', 'npm:tar-stream@N', 'npm:yaml@N', 'w.ts']);
});

test('an import that cannot be followed is an error with its place', async (t) => {
  await assert.rejects(codeOfText(t, { 'main.ts': '\n\nawait import(name);' }), {
    where: 'main.ts:3',
    exitCode: 2,
  });
  await assert.rejects(codeOfText(t, { 'main.ts': "\nimport './gone.ts';" }), {
    message: 'main.ts imports ./gone.ts, which does not exist',
    where: 'main.ts:2',
  });
  await assert.rejects(
    codeOfText(t, { 'main.ts': "import '@no/such/package';" }),
    /npm package @no\/such, which package-lock.json does not have/,
  );
});

test('npm dependencies are resolved as Node does, nearest first', () => {
  const lock = (inner: string, optional = 'sha512-o') =>
    new Map(
      Object.entries({
        'node_modules/a': { version: '1.0.0', integrity: 'sha512-a', dependencies: { b: '*', gone: '*' } },
        'node_modules/a/node_modules/b': {
          version: '2.0.0',
          integrity: inner,
          optionalDependencies: { c: '*' },
        },
        'node_modules/b': { version: '1.0.0', integrity: 'sha512-outer' },
        'node_modules/c': { version: '1.0.0', integrity: optional, dependencies: { a: '*' } },
      }),
    );
  const digest = npmDigest(lock('sha512-x'), 'a');
  assert.equal(digest?.version, '1.0.0');
  assert.deepEqual(npmDigest(lock('sha512-x'), 'a'), digest);
  assert.notDeepEqual(npmDigest(lock('sha512-y'), 'a'), digest);
  assert.notDeepEqual(npmDigest(lock('sha512-x', 'other'), 'a'), digest);
  assert.equal(npmDigest(lock('x'), 'nothing'), undefined);
  assert.equal(packageName('@scope/name/deep/file.js'), '@scope/name');
  assert.equal(packageName('name/deep'), 'name');
});

test('remembered facts are used only while stat agrees, and a damaged table is ignored', async (t) => {
  const store = await temporaryStore(t);
  const file = join(await temporaryFolder(t), 'file');
  const table = join(store.root, 'facts.json');
  writeFileSync(file, 'content');
  const remembered = sha256('what was remembered');
  const digestWith = (stamp: string) => {
    writeFileSync(table, JSON.stringify({ [file]: { stamp, digest: remembered } }));
    return fileDigest(loadFacts(reopen(store)), file);
  };
  assert.equal(digestWith(stampOf(file) ?? ''), remembered);
  assert.equal(digestWith('7 1 1 1 1'), sha256('content'));
  for (const damage of [
    '{"cut of',
    'null',
    '3',
    JSON.stringify({ [file]: null }),
    JSON.stringify({ [file]: {} }),
  ]) {
    writeFileSync(table, damage);
    assert.equal(fileDigest(loadFacts(reopen(store)), file), sha256('content'));
  }
});

test('a file that changed just now is not remembered: its stamp may not tell the next change', async (t) => {
  const store = await temporaryStore(t);
  const file = join(await temporaryFolder(t), 'file');
  writeFileSync(file, 'content');
  const facts = loadFacts(store);
  fileDigest(facts, file);
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  for (const passed of [0, 20 * 60_000]) {
    t.mock.timers.tick(passed);
    facts.changed = true;
    await saveFacts(facts);
    assert.equal(loadFacts(store).known.size, 0, 'nor after a build of 20 minutes');
  }
  fileDigest(loadFacts(store), file);
  const later = loadFacts(store);
  fileDigest(later, file);
  await saveFacts(later);
  assert.equal(loadFacts(store).known.size, 1, 'it is remembered when it is read again');
});

test('code that cannot be read is one failure, however many targets it has', async (t) => {
  const store = await temporaryStore(t);
  const root = await temporaryFolder(t);
  writeFileSync(join(root, 'main.ts'), 'await import(name);');
  const bad = recipe<{ n: number }>({
    from: pathToFileURL(join(root, 'main.ts')).href,
    kind: 'file',
    run: async () => {},
  });
  const targets = [1, 2, 3].map((n) => bad(`bad${n}`, { n }));
  const { failures, skipped } = await runBuild(targets, { store, signal: neverAborted(), keepGoing: true });
  assert.equal(failures.length, 1);
  assert.equal(skipped.length, 2);
});
