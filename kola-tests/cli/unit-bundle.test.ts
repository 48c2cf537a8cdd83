import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { BUNDLES } from '../../sdk/bundle-modules.ts';
import { runStages, type TestEvent } from './stages.ts';
import { type Translated, translateTests } from './unit-bundle.ts';

/** Inside a test process, node:test's run() assumes that it is nested, and does nothing. */
delete process.env.NODE_TEST_CONTEXT;

const TESTS = {
  'good.test.ts': `import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { own } from './own.ts';
test('an address', () => { readFileSync(new URL('data.txt', import.meta.url)); if (own !== import.meta.dirname) throw own; });
test('no loader', () => { if (process.execArgv.some((each: string) => each.includes('tsx'))) throw process.execArgv; });`,
  'own.ts': 'export const own: string = import.meta.dirname;',
  'data.txt': '',
  'computed.test.ts': `import { test } from 'node:test';
import { load } from './load.ts';
test('a module under a computed name', async () => { if ((await load('own')).own !== import.meta.dirname) throw 0; });`,
  'load.ts': 'export const load = (name: string) => import(new URL(name + ".ts", import.meta.url).href);',
  'bad.test.ts': `import { test } from 'node:test';\ntest('bad', () => {\n  throw new Error('why');\n});`,
};

test('translated tests pass and fail as their sources do, under the paths of their sources', async (t) => {
  await mkdir(BUNDLES, { recursive: true });
  const folder = await mkdtemp(join(BUNDLES, 'unit-bundle-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(TESTS)) await writeFile(join(folder, name), text);
  const files = ['good', 'computed', 'bad'].map((name) => join(folder, `${name}.test.ts`));
  let translated: Translated | undefined;
  const translate = async (asked: readonly string[]): Promise<Translated> => {
    translated = await translateTests(asked);
    return translated;
  };
  const options = [...process.execArgv];
  const ended: TestEvent[] = [];
  const see = (event: TestEvent): void => {
    if (['test:pass', 'test:fail'].includes(event.type)) ended.push(event);
  };
  for await (const _ of runStages([{ name: 'unit', files, concurrency: 1, translate }], see));

  assert.deepEqual(
    ended.map(({ type, data }) => [type, data.name, data.file]),
    [
      ['test:pass', 'an address', files[0]],
      ['test:pass', 'no loader', files[0]],
      ['test:pass', 'a module under a computed name', files[1]],
      ['test:fail', 'bad', files[2]],
    ],
  );
  const { cause } = ended.at(-1)?.data.details?.error as { cause: Error };
  assert.match(cause.stack ?? '', /bad\.test\.ts:3:9/);
  assert.deepEqual(process.execArgv, options);
  assert.equal(existsSync(dirname(translated?.programs.get(files[0] ?? '') ?? '/')), false);
});
