import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Failure } from '../../sdk/lib/errors.ts';
import { type Imports, scanImports } from './scan.ts';
import { temporaryFolder } from './testing.ts';

const folder = await temporaryFolder({ after });

/** What a module of this text loads. */
function scan(text: string): Imports {
  const path = join(folder, 'module.ts');
  writeFileSync(path, text);
  const imports = scanImports(new Map([[path, text]])).get(path);
  assert.ok(imports);
  return imports;
}
const modules = (text: string): readonly string[] => [...scan(text).modules].sort();

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
    './all.ts',
    './data.json',
    './lazy.json',
    './lazy.ts',
    './named.ts',
    './ns.ts',
    './odd.ts',
    './one.ts',
    './side-effect.ts',
    './star.ts',
    './two.ts',
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
    './both.ts',
    './value.ts',
  ]);
});

test('the line of an import with a computed name is reported', () => {
  assert.deepEqual(scan('a;\n\nawait import(path);\nimport("./x" + y); import(`./t`)').unknown, [3, 4]);
});

test('files named by new URL', () => {
  const { urls } = scan(
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a module
    "new Worker(new URL('./w.ts', import.meta.url)); new URL('https://x'); new URL('../d.json', import.meta.url).href; new URL(`${a}`, import.meta.url)",
  );
  assert.deepEqual(urls, ['./w.ts', '../d.json']);
});

test('the line of a syntax error is reported', () => {
  assert.throws(
    () => scan("import './a.ts';\nimport {"),
    (error) => {
      assert.ok(error instanceof Failure);
      assert.match(error.message, /Expected/);
      assert.match(error.where ?? '', /module\.ts:2$/);
      return true;
    },
  );
});

test('agrees with a plain search over the modules of this folder', () => {
  const folder = fileURLToPath(new URL('.', import.meta.url));
  for (const name of readdirSync(folder).filter(
    (each) => each.endsWith('.ts') && !each.endsWith('.test.ts'),
  )) {
    const text = readFileSync(folder + name, 'utf8');
    const statements = text.match(/^(?:import|export)(?! type)[^;'"`]*?\bfrom '([^']+)';/gm) ?? [];
    const lazy = text.match(/\bawait import\('[^']+'\)/g) ?? [];
    const expected = [...statements, ...lazy].map((statement) => /'([^']+)'/.exec(statement)?.[1]);
    assert.deepEqual([...modules(text)].sort(), [...new Set(expected)].sort(), name);
  }
});
