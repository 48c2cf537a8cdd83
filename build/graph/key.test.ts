import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { planBuild } from './plan.ts';
import type { Target } from './target.ts';
import { namesRun, reopen, temporaryFolder, temporaryStore } from './testing.ts';

test('a recipe with an invocation is not run again when its module changes, but when the invocation does', async (t) => {
  const store = await temporaryStore(t);
  const root = await temporaryFolder(t);
  const graph = pathToFileURL(join(import.meta.dirname, 'target.ts')).href;
  let version = 0;
  const load = async (comment: string, environment: string): Promise<Target> => {
    writeFileSync(
      join(root, 'main.mts'),
      `import { recipe } from '${graph}';\nimport { writeFile } from 'node:fs/promises';\n// ${comment}\n` +
        `export const make = recipe({ from: import.meta.url, kind: 'file', invocation: () => ({ env: '${environment}' }),\n` +
        `  run: ({ out }) => writeFile(out, '${comment}') });\n`,
    );
    const module = await import(`${pathToFileURL(join(root, 'main.mts')).href}?v=${version++}`);
    return module.make('top', {});
  };
  assert.deepEqual(await namesRun(await load('one', 'LC_ALL=C'), store), ['top']);
  assert.deepEqual(await namesRun(await load('two', 'LC_ALL=C'), store), []);
  const plan = await planBuild([await load('two', 'LC_ALL=de')], { store: reopen(store) });
  assert.deepEqual(plan[0]?.reasons, ['code changed: what runs in the sandbox']);
  assert.deepEqual(await namesRun(await load('two', 'LC_ALL=de'), store), ['top']);
});
