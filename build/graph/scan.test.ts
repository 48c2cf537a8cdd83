import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { scanImports } from './scan.ts';

const modules = (text: string): readonly string[] => scanImports(text).modules;

test('every form of import and re-export', () => {
  const text = `
    import './side-effect.ts';
    import one from './one.ts';
    import * as all from "./all.ts";
    import two, { three as drei, type Four } from
      './two.ts';
    import json from './data.json' with { type: 'json' };
    export * from './star.ts';
    export * as ns from './ns.ts';
    export { a, b as c } from './named.ts';
    export { 'odd name' as odd } from './odd.ts';
    const lazy = await import('./lazy.ts');
    const withAttributes = await import('./lazy.json', { with: { type: 'json' } });
    import fs from 'node:fs'; import {x} from 'pkg/sub';
  `;
  assert.deepEqual(modules(text), [
    './side-effect.ts',
    './one.ts',
    './all.ts',
    './two.ts',
    './data.json',
    './star.ts',
    './ns.ts',
    './named.ts',
    './odd.ts',
    './lazy.ts',
    './lazy.json',
    'node:fs',
    'pkg/sub',
  ]); // prettier-ignore
});

test('types only do not count, but a value named `type` does', () => {
  assert.deepEqual(
    modules("import type { A } from './a.ts'; import type B from './b.ts'; export type { C } from './c.ts';"),
    [],
  );
  assert.deepEqual(
    modules("export type * from './d.ts'; import type * as E from './e.ts'; import type from2 from './f.ts'"),
    [],
  );
  assert.deepEqual(modules("import { type A } from './a.ts';"), ['./a.ts']); // verbatimModuleSyntax keeps it
  assert.deepEqual(modules("import type from './value.ts'; import type, { x } from './both.ts';"), [
    './value.ts',
    './both.ts',
  ]);
});

test('comments, strings, templates and regular expressions are no code', () => {
  const text = `
    // import './a.ts';
    /* import './b.ts';
       import('./c.ts') */
    const s = "import './d.ts'"; const t = 'it\\'s import("./e.ts")';
    const u = \`import './f.ts' \${nested(\`import('./g.ts')\`, { k: '}' })} import './h.ts'\`;
    const r = /import\\('\\.\\/i\\.ts'\\)/g; const q = /['"\`/*]/; const d = a / b / c;
    const v = \`\${await import('./real.ts')}\`;
    import './last.ts';
  `;
  assert.deepEqual(modules(text), ['./real.ts', './last.ts']);
});

test('what only looks like an import', () => {
  assert.deepEqual(modules("export const from = 'x'; export default 'y'; const a = { from: './b' };"), []);
  assert.deepEqual(
    modules("thing.import('./x.ts'); import.meta.url; export { local }; const z = 'after';"),
    [],
  );
  assert.deepEqual(
    modules("export function from() { return './x.ts'; } export async function* g() {} export class C {}"),
    [],
  );
  assert.deepEqual(scanImports('foo.import(x)').unknown, []);
});

test('an import whose name is computed is told by its line', () => {
  assert.deepEqual(
    scanImports('a;\n\nawait import(path);\nimport("./x" + y); import(`./t`)').unknown,
    [3, 4, 4],
  );
});

test('files named by new URL', () => {
  const { urls } = scanImports(
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a module
    "new Worker(new URL('./w.ts', import.meta.url)); new URL('https://x'); new URL('../d.json', import.meta.url).href; new URL(`${a}`, import.meta.url)",
  );
  assert.deepEqual(urls, ['./w.ts', '../d.json']);
});

test('cut-off and hostile text ends without a hang or a throw', () => {
  for (const text of [
    '`',
    '`${',
    "'",
    '/*',
    '/',
    'import',
    'import {',
    'export * from',
    '\0\uffff`${`${',
    '/['.repeat(5000),
    '${'.repeat(5000),
  ]) {
    scanImports(text);
  }
});

test('agrees with a plain search over the modules of this folder', () => {
  const folder = fileURLToPath(new URL('.', import.meta.url));
  for (const name of readdirSync(folder).filter(
    (each) => each.endsWith('.ts') && !each.endsWith('.test.ts'),
  )) {
    const text = readFileSync(folder + name, 'utf8');
    const statements = text.match(/^(?:import|export)(?! type)[^;'"`]*?\bfrom '([^']+)';/gm) ?? [];
    const expected = statements.map((statement) => /'([^']+)'/.exec(statement)?.[1]);
    assert.deepEqual([...modules(text)].sort(), [...new Set(expected)].sort(), name);
  }
});
