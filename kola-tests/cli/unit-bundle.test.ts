import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
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
  'syntax.test.ts': 'test(',
  'missing.test.ts': "import './none.ts';",
  'bad.test.ts': `import { test } from 'node:test';\ntest('bad', () => {\n  throw new Error('why');\n});`,
};

/** Runs tests of TESTS as a stage. Returns the results of the tests, and the folder of their programs. */
async function results(t: TestContext, names: readonly string[]) {
  await mkdir(BUNDLES, { recursive: true });
  const folder = await mkdtemp(join(BUNDLES, 'unit-bundle-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(TESTS)) await writeFile(join(folder, name), text);
  const files = names.map((name) => join(folder, `${name}.test.ts`));
  let translated: Translated | undefined;
  const translate = async (asked: readonly string[]): Promise<Translated> => {
    translated = await translateTests(asked);
    return translated;
  };
  const ended: TestEvent[] = [];
  const see = (event: TestEvent): void => {
    if (['test:pass', 'test:fail'].includes(event.type)) ended.push(event);
  };
  for await (const _ of runStages([{ name: 'unit', files, concurrency: 1, translate }], see));
  const told = ended.map(({ type, data }) => [type, data.name?.replace(`${folder}/`, ''), data.file]);
  return { files, ended, told, program: translated?.programs.get(files[0] ?? '') ?? '/' };
}

test('translated tests pass and fail as their sources do, under the paths of their sources', async (t) => {
  const options = [...process.execArgv];
  const { files, ended, told, program } = await results(t, ['good', 'computed', 'bad']);
  assert.deepEqual(told, [
    ['test:pass', 'an address', files[0]],
    ['test:pass', 'no loader', files[0]],
    ['test:pass', 'a module under a computed name', files[1]],
    ['test:fail', 'bad', files[2]],
  ]);
  const { cause } = ended.at(-1)?.data.details?.error as { cause: Error };
  assert.match(cause.stack ?? '', /bad\.test\.ts:3:9/);
  assert.deepEqual(process.execArgv, options);
  assert.equal(existsSync(dirname(program)), false);
});

test('a test that does not parse, or imports a missing module, fails alone', async (t) => {
  for (const name of ['syntax', 'missing']) {
    const { files, told } = await results(t, ['computed', name]);
    assert.deepEqual(told, [
      ['test:pass', 'a module under a computed name', files[0]],
      ['test:fail', `${name}.test.ts`, files[1]],
    ]);
  }
});

test('programs that a killed run has left are removed; those of a run that goes on stay', async (t) => {
  // Larger than any process id (PID_MAX_LIMIT of Linux).
  const [dead, alive] = [999_999_999, process.pid].map((pid) => join(BUNDLES, `tests.tmp-${pid}-test`)) as [
    string,
    string,
  ];
  for (const folder of [dead, alive]) {
    await mkdir(folder, { recursive: true });
    t.after(() => rm(folder, { recursive: true, force: true }));
  }
  const { remove } = await translateTests([]);
  await remove();
  assert.deepEqual([existsSync(dead), existsSync(alive)], [false, true]);
});
