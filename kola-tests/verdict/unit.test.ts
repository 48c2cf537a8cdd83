import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { join, relative } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openSources } from '../../build/for-kola.ts';
import { type Host, hostFacts } from './host.ts';
import { createKeeper } from './keeper.ts';
import { type Checkout, npmLock, temporaryCheckout } from './testing.ts';
import { unitInputs, wholeInputs } from './unit.ts';
import { unitTestFiles } from './unit-files.ts';

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const FILE = 'ignition/deep/one.test.ts';
const subject = { kind: 'unit', name: FILE } as const;
const HOST: Host = { node: '20', platform: 'linux x64', root: false, environment: {} };
const NPM = { esbuild: '0.28.0', tsx: '4.0.0', yaml: '2.0.0', left: '1.0.0' };

const FILES: Readonly<Record<string, string>> = {
  [FILE]:
    "import './own.ts'; import '../../build/used.ts'; import 'yaml'; import { load } from '../load.ts';",
  'ignition/deep/own.ts': '1',
  'ignition/deep/beside.ts': '1',
  'ignition/deep/other.test.ts': '1',
  'ignition/load.ts': 'export const load = (name) => import(name);',
  'ignition/unused.ts': '1',
  'ignition/data/config.bu': '1',
  'build/used.ts': "import '../sdk/lib/errors.ts';",
  'build/unused.ts': '1',
  'build/keys/a.asc': '1',
  'sdk/lib/checkout.ts': '1',
  'sdk/lib/errors.ts': '1',
  'images/n100/image.ts': '1',
  'packages/lock.json': '1',
  'packages/overlays/a': '1',
  'kola-tests/tests/a.ts': '1',
  'kola-tests/cli/unit-bundle.ts': "import '../../sdk/bundle-modules.ts';",
  'sdk/bundle-modules.ts': '1',
  'docs/a.md': '1',
  draisine: '#!/bin/sh',
  'draisine.ts': '1',
  'start.mjs': '1',
  'package.json': '{}',
  'package-lock.json': npmLock(NPM),
  'tsconfig.json': '{}',
};

/** True if the file would run again. */
async function runs(
  { open }: Checkout,
  { host = HOST, values = {} }: { host?: Host; values?: Record<string, string> } = {},
): Promise<boolean> {
  const inputs = unitInputs(open(), FILE, host, values);
  return (await createKeeper({ fresh: false }).look(subject, inputs)) === undefined;
}

/** Records a pass of the present state. */
async function pass({ open }: Checkout): Promise<void> {
  const keeper = createKeeper({ fresh: false });
  await keeper.look(subject, unitInputs(open(), FILE, HOST, {}));
  keeper.ended(subject, Promise.resolve({ ms: 1, tests: 1 }));
  await keeper.settle();
}

/** Edits each file in turn: the test must run again. Then restores the file: the test must not run. */
async function edits(t: TestContext, files: Readonly<Record<string, string>>, again: boolean): Promise<void> {
  const checkout = await temporaryCheckout(t, FILES);
  await pass(checkout);
  assert.equal(await runs(checkout), false);
  for (const [name, text] of Object.entries(files)) {
    checkout.write(name, text);
    assert.equal(await runs(checkout), again, name);
    checkout.write(name, FILES[name] ?? '');
    if (name in FILES) assert.equal(await runs(checkout), false, `${name} as it was`);
  }
}

test('an edit of any kind of input makes a file of unit tests run again', async (t) => {
  await edits(
    t,
    {
      [FILE]: `${FILES[FILE]} // edited`,
      'ignition/deep/own.ts': '2',
      'ignition/deep/beside.ts': '2', // it may read it as a text
      'build/used.ts': "import '../sdk/lib/errors.ts'; 2",
      'sdk/lib/errors.ts': '2', // by another module
      'images/n100/image.ts': '2', // what load.ts may load
      'ignition/data/config.bu': '2',
      'build/keys/a.asc': '2', // data of a room below
      'packages/lock.json': '2',
      'package.json': '{ }',
      'tsconfig.json': '{ }',
      draisine: '#!/bin/bash',
      'start.mjs': '2',
      'kola-tests/cli/unit-bundle.ts': "import '../../sdk/bundle-modules.ts'; 2",
      'sdk/bundle-modules.ts': '2', // both translate the test
      'package-lock.json': npmLock({ ...NPM, yaml: '2.0.1' }),
    },
    true,
  );
  const checkout = await temporaryCheckout(t, FILES);
  await pass(checkout);
  checkout.write('ignition/data/new.bu', '');
  assert.equal(await runs(checkout), true, 'a new file');
});

test('other tests, modules that are not imported, and documentation are no inputs', async (t) => {
  const others = { 'ignition/deep/other.test.ts': '2', 'ignition/unused.ts': '2', 'build/unused.ts': '2' };
  await edits(t, { ...others, 'docs/a.md': '2' }, false);
});

test('a test that can start programs, or looks outside its folder, depends on all files of its rooms', async (t) => {
  for (const text of [
    "import 'node:child_process';",
    "import '../../sdk/lib/checkout.ts';",
    "import { Worker } from 'worker_threads';",
    "new URL('../data/', import.meta.url);",
    'process.cwd();',
    "import { CHECKOUT } from '../../build/used.ts';",
  ]) {
    const checkout = await temporaryCheckout(t, { ...FILES, [FILE]: `${FILES[FILE]} ${text}` });
    await pass(checkout);
    assert.equal(await runs(checkout), false, text);
    checkout.write('build/unused.ts', '2');
    assert.equal(await runs(checkout), true, text);
  }
});

test('a file that a module names by its path is an input, whatever room it is in', async (t) => {
  const named: [text: string, files: readonly string[]][] = [
    ["const PAGE = join(CHECKOUT, 'docs/a.md');", ['docs/a.md']],
    ["join(CHECKOUT, 'docs', name);", ['docs/a.md', 'docs/new.md']],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a module
    ['new URL(`../../docs/${name}.md`, import.meta.url);', ['docs/a.md']],
    ["execFile(join(CHECKOUT, 'draisine'));", ['draisine.ts']],
    ["execFileSync('git', ['ls-files']);", ['docs/a.md', 'kola-tests/tests/a.ts', 'README.md']],
  ];
  for (const [text, files] of named)
    for (const module of [FILE, 'build/used.ts']) {
      const here = module === FILE ? text : text.replace('../../', '../');
      const checkout = await temporaryCheckout(t, { ...FILES, [module]: `${FILES[module]} ${here}` });
      await pass(checkout);
      assert.equal(await runs(checkout), false, text);
      for (const name of files) {
        checkout.write(name, '2');
        assert.equal(await runs(checkout), true, `${name} for ${text}`);
        await pass(checkout);
      }
    }
});

test('the right to execute a file is an input', async (t) => {
  const checkout = await temporaryCheckout(t, FILES);
  chmodSync(join(checkout.root, 'draisine'), 0o755);
  await pass(checkout);
  assert.equal(await runs(checkout), false);
  chmodSync(join(checkout.root, 'draisine'), 0o644);
  assert.equal(await runs(checkout), true);
});

test('the host, the environment and the variables of the stage are inputs; paths of folders and of the cache are not', async (t) => {
  const checkout = await temporaryCheckout(t, FILES);
  await pass(checkout);
  for (const host of [
    { ...HOST, node: '22' },
    { ...HOST, platform: 'linux arm64' },
    { ...HOST, root: true },
    { ...HOST, environment: { DRAISINE_FUZZ_RUNS: '10' } },
  ])
    assert.equal(await runs(checkout, { host }), true, JSON.stringify(host));
  assert.equal(await runs(checkout, { values: { DRAISINE_IGNITION_TOOLS: 'abc' } }), true);
  const { environment } = hostFacts({
    DRAISINE_CACHE: '/x',
    DRAISINE_KOLA: '{}',
    HOME: '/x',
    TZ: 'UTC',
    DRAISINE_A: 'a',
  });
  assert.deepEqual(environment, { TZ: 'UTC', DRAISINE_A: 'a' });

  const elsewhere = await temporaryCheckout(t, FILES);
  const [here, there] = [checkout, elsewhere].map(({ open }) => unitInputs(open(), FILE, HOST));
  assert.ok(here && there);
  assert.deepEqual(here.parts, there.parts);
});

test('checks of all sources depend on every file, and on their tools', async (t) => {
  const checkout = await temporaryCheckout(t, FILES);
  const key = (tools = 'key'): string => wholeInputs(checkout.open(), 'static.ts', HOST, tools).key;
  const before = key();
  assert.notEqual(key('other'), before);
  for (const name of Object.keys(FILES)) {
    checkout.write(name, name === 'package-lock.json' ? npmLock({ ...NPM, left: '2' }) : `${FILES[name]} `);
    assert.notEqual(key(), before, name);
    checkout.write(name, FILES[name] ?? '');
  }
  assert.equal(key(), before);
});

test('a test with unknown inputs always runs: an import with an unknown target, a missing module', async (t) => {
  for (const text of ['await import(name);', "import './gone.ts';"]) {
    const checkout = await temporaryCheckout(t, { ...FILES, [FILE]: text });
    assert.equal(unitInputs(checkout.open(), FILE, HOST), undefined);
    await pass(checkout);
    assert.equal(await runs(checkout), true);
  }
});

test('an edit during the run keeps no verdict, a failure removes a pass, and --fresh finds none', async (t) => {
  const checkout = await temporaryCheckout(t, FILES);
  const keeper = createKeeper({ fresh: false });
  await keeper.look(subject, unitInputs(checkout.open(), FILE, HOST));
  checkout.write('ignition/deep/own.ts', '22');
  keeper.ended(subject, Promise.resolve({ ms: 1, tests: 1 }));
  await keeper.settle();
  assert.equal(await runs(checkout), true, 'which of both passed?');
  checkout.write('ignition/deep/own.ts', '1');
  assert.equal(await runs(checkout), true, 'which of both passed?');

  await pass(checkout);
  const fresh = createKeeper({ fresh: true });
  const inputs = unitInputs(checkout.open(), FILE, HOST);
  assert.equal(await fresh.look(subject, inputs), undefined);
  fresh.ended(subject, Promise.resolve(undefined));
  await fresh.settle();
  assert.equal(await runs(checkout), true, 'it failed with these very inputs');
});

test('the inputs of nearly every file of unit tests are known', async () => {
  const sources = openSources(CHECKOUT);
  const names = (await unitTestFiles(CHECKOUT, { long: true })).map((file) => relative(CHECKOUT, file));
  const unknown = names.filter((name) => unitInputs(sources, name, hostFacts()) === undefined);
  assert.ok(
    unknown.length <= 5,
    `these files run every time, unless rules.ts names what they load: ${unknown}`,
  );
});
