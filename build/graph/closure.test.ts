import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openSources, type Sources } from './closure.ts';
import { stampOf } from './stamp.ts';
import { temporaryFolder } from './testing.ts';

const LOCK = {
  packages: {
    'node_modules/yaml': { version: '2.0.0', integrity: 'x' },
    'node_modules/left': { version: '3.0.0', integrity: 'z' },
    'node_modules/@a/b': { version: '1.0.0', integrity: 'y' },
  },
};

async function checkout(
  t: TestContext,
  files: Readonly<Record<string, string>>,
): Promise<{ root: string; open: () => Sources }> {
  const root = await temporaryFolder(t);
  const cache = process.env.DRAISINE_CACHE;
  process.env.DRAISINE_CACHE = join(root, 'out/cache');
  t.after(() => {
    if (cache === undefined) delete process.env.DRAISINE_CACHE;
    else process.env.DRAISINE_CACHE = cache;
  });
  for (const [name, text] of Object.entries({ 'package-lock.json': JSON.stringify(LOCK), ...files })) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return { root, open: () => openSources(root) };
}

test('the closure of a module: its imports, its URLs and its npm packages, without types and folders', async (t) => {
  const { open } = await checkout(t, {
    'a/main.ts':
      "import './more.ts'; import type { T } from './types.ts'; import 'yaml'; import { x } from '@a/b/deep';\n" +
      "new URL('data.json', import.meta.url); new URL('..', import.meta.url); await import('node:fs');" +
      "import '../node_modules/left/dist/index.mjs';",
    'node_modules/left/dist/index.mjs': 'await import(name);',
    'a/more.ts': "export * from '../b/last.js'; import 'quickjs-os';",
    'a/types.ts': 'export type T = 1;',
    'a/data.json': '{}',
    'b/last.ts': "import '../a/main.ts';",
  });
  const found = open().closure(['a/main.ts']);
  assert.deepEqual([...found.files.keys()].sort(), ['a/data.json', 'a/main.ts', 'a/more.ts', 'b/last.ts']);
  assert.deepEqual([...found.npm.keys()].sort(), [
    '@a/b@1.0.0',
    'left@3.0.0',
    'quickjs-os@none',
    'yaml@2.0.0',
  ]);
  assert.deepEqual([...found.builtins], ['node:fs']);
  assert.deepEqual(found.unknown, []);
});

test('an import with a computed name: the modules that it may load are listed, or unknown', async (t) => {
  const { open } = await checkout(t, {
    'main.ts': `\nawait import(name); await import(\`./modules/\${name}.ts\`);`,
    'modules/one.ts': "import '../deep.ts';",
    'deep.ts': '',
    'left.ts': '',
  });
  const sources = open();
  assert.deepEqual(sources.closure(['main.ts']).unknown, ['main.ts:2', 'main.ts:0']);
  const loads = (name: string) =>
    name === 'main.ts' ? [...sources.filesBelow('modules'), 'left.ts'] : undefined;
  const { files, unknown } = sources.closure(['main.ts'], { loads, leftOut: new Set(['left.ts']) });
  assert.deepEqual([...files.keys()].sort(), ['deep.ts', 'main.ts', 'modules/one.ts']);
  assert.deepEqual(unknown, []);
  const cut = (from: string, to: string) => from === 'modules/one.ts' && to === 'deep.ts';
  assert.ok(!sources.closure(['main.ts'], { loads, cut }).files.has('deep.ts'));
  assert.ok(sources.closure(['deep.ts'], { loads, cut }).files.has('deep.ts'));
});

test('the same digests in another checkout and in another process; another after an edit, whose stamp differs', async (t) => {
  const text = { 'main.ts': "import './x.ts';", 'x.ts': '1' };
  const one = await checkout(t, text);
  const first = one.open();
  const before = first.closure(['main.ts']).files.get('x.ts');
  await first.save();
  assert.deepEqual(one.open().closure(['main.ts']).files.get('x.ts'), before);
  const other = await checkout(t, text);
  assert.equal(other.open().closure(['main.ts']).files.get('x.ts')?.digest, before?.digest);
  writeFileSync(join(one.root, 'x.ts'), '22');
  assert.notEqual(stampOf(join(one.root, 'x.ts')), before?.stamp);
  assert.notEqual(one.open().closure(['main.ts']).files.get('x.ts')?.digest, before?.digest);
});

test('files below a folder: none of npm, git or builds; a link is one, and its target counts; a folder that is missing has none', async (t) => {
  const { root, open } = await checkout(t, {
    'a/b/c.json': '',
    'a/d.ts': '',
    'a/node_modules/x.js': '',
    'a/out/y': '',
  });
  symlinkSync('d.ts', join(root, 'a/link'));
  const sources = open();
  assert.deepEqual(sources.filesBelow('a'), ['a/b/c.json', 'a/d.ts', 'a/link']);
  assert.notEqual(sources.file('a/link').digest, sources.file('a/d.ts').digest);
  assert.deepEqual(sources.filesBelow('none'), []);
});

test('a module with a missing import is named', async (t) => {
  const { open } = await checkout(t, { 'main.ts': "import './gone.ts';" });
  assert.throws(() => open().closure(['main.ts']), { message: /imports .*gone\.ts, which does not exist/ });
});
