import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { openSources } from '../../build/for-kola.ts';
import { loadTests, type RegisteredTest, type TestDefinition } from '../harness/run/register.ts';
import { loadSabotages } from '../harness/run/sabotage-suite.ts';
import { testModules } from '../harness/run/suite-options.ts';
import { type Host, hostFacts } from './host.ts';
import type { Inputs } from './inputs.ts';
import { createKeeper } from './keeper.ts';
import { type Checkout, npmLock, temporaryCheckout } from './testing.ts';
import { type Ground, machinesOf, vmInputs } from './vm.ts';

const HOST: Host = { node: '20', platform: 'linux x64', root: false, environment: {} };
const GROUND: Ground = {
  image: 'n100',
  artifacts: { disk: 'd', iso: 'i', kernel: 'k' },
  toolTree: '/store/dirs/0123',
  accel: { kind: 'tcg', identity: 'tcg max' },
  unchanged: () => true,
};
const NPM = { esbuild: '0.28.0', tsx: '4.0.0', yaml: '2.0.0', left: '1.0.0' };
const TEST = 'kola-tests/tests/one.ts';

const FILES: Readonly<Record<string, string>> = {
  [TEST]: "import '../harness/guest/verb.ts'; import './shared.ts'; import 'yaml';",
  'kola-tests/tests/shared.ts': '1',
  'kola-tests/tests/other.ts': '1',
  'kola-tests/harness/guest/verb.ts': '1',
  'kola-tests/harness/guest/draisine.ts': "new URL('../../../draisine', import.meta.url);",
  'kola-tests/harness/guest/agent.sh': '1',
  'kola-tests/harness/machine/machine.ts': "import '../../../sdk/lib/errors.ts'; import '../qemu/tree.ts';",
  'kola-tests/harness/qemu/tree.ts': "import('../../../build/for-kola.ts');",
  'build/for-kola.ts': "import './used.ts';",
  'kola-tests/harness/run/register.ts': 'await import(file);',
  'kola-tests/harness/run/suite.ts':
    "import './register.ts'; import '../machine/machine.ts'; import '../report/report.ts'; new URL('../../denylist.json', import.meta.url);",
  'kola-tests/harness/report/report.ts': '1',
  'kola-tests/cli/test.ts': '1',
  'kola-tests/verbs.ts': "import './cli/test.ts';",
  'kola-tests/denylist.json': '{}',
  'kola-tests/fixtures/machines/nas.ts': '1',
  'kola-tests/fixtures/tls/ca.pem': '1',
  'kola-tests/sabotage/boot.ts': '1',
  'kola-tests/sabotage/checks.ts': '1',
  'sdk/lib/errors.ts': '1',
  'build/used.ts': '1',
  'build/keys/a.asc': '1',
  'images/n100/image.ts': '1',
  'ignition/verbs.ts': "import './load.ts'; import '../build/used.ts';",
  'ignition/load.ts': 'await import(path);',
  'packages/lock.json': '1',
  'packages/overlays/a': '1',
  'docs/a.md': '1',
  'draisine.ts': "import('./ignition/verbs.ts'); import('./kola-tests/verbs.ts');",
  draisine: '#!/bin/sh',
  'start.mjs': '1',
  'package.json': '{}',
  'package-lock.json': npmLock(NPM),
  'tsconfig.json': '{}',
};

interface Changed {
  readonly definition?: Partial<TestDefinition>;
  readonly ground?: Partial<Ground>;
  readonly host?: Partial<Host>;
  readonly sabotage?: string;
}

function inputs(
  checkout: Checkout,
  { definition, ground, host, sabotage }: Changed = {},
): Inputs | undefined {
  const url = (name: string): string => pathToFileURL(join(checkout.root, name)).href;
  const registered: RegisteredTest = {
    definition: { name: 'zfs.one', what: 'It works.', ...definition },
    file: url(TEST),
    body: async () => {},
  };
  const broken = sabotage === undefined ? undefined : { name: 'boot.gone', file: url(sabotage) };
  return vmInputs(checkout.open(), registered, { ...GROUND, ...ground }, { ...HOST, ...host }, broken);
}

/** True if a test with these inputs would run after a pass with the inputs `kept`. */
async function runs(found: Inputs | undefined): Promise<boolean> {
  return (await createKeeper({ fresh: false }).look({ kind: 'vm', name: 'zfs.one' }, found)) === undefined;
}

async function pass(found: Inputs | undefined): Promise<void> {
  const keeper = createKeeper({ fresh: false });
  await keeper.look({ kind: 'vm', name: 'zfs.one' }, found);
  keeper.ended({ kind: 'vm', name: 'zfs.one' }, Promise.resolve({ ms: 1, tests: 1 }));
  await keeper.settle();
}

async function edits(
  t: TestContext,
  base: Readonly<Record<string, string>>,
  files: readonly string[],
  again: boolean,
  changed: Changed = {},
): Promise<void> {
  const checkout = await temporaryCheckout(t, base);
  await pass(inputs(checkout, changed));
  assert.equal(await runs(inputs(checkout, changed)), false);
  for (const name of files) {
    checkout.write(name, name === 'package-lock.json' ? npmLock({ ...NPM, yaml: '3' }) : `${base[name]} //2`);
    assert.equal(await runs(inputs(checkout, changed)), again, name);
    checkout.write(name, base[name] ?? '');
    assert.equal(await runs(inputs(checkout, changed)), false, `${name} as it was`);
  }
}

test('an edit of any file that a VM test depends on makes the test run again', async (t) => {
  await edits(
    t,
    FILES,
    [
      TEST,
      'kola-tests/tests/shared.ts',
      'kola-tests/harness/guest/verb.ts',
      'kola-tests/harness/guest/agent.sh',
      'kola-tests/harness/machine/machine.ts',
      'kola-tests/harness/run/suite.ts',
      'kola-tests/fixtures/machines/nas.ts',
      'kola-tests/fixtures/tls/ca.pem',
      'sdk/lib/errors.ts',
      'packages/lock.json',
      'package-lock.json',
      'tsconfig.json',
    ],
    true,
  );
});

test('a VM test does not depend on other tests, on reports, or on a command line that it does not use', async (t) => {
  await edits(
    t,
    FILES,
    [
      'kola-tests/tests/other.ts',
      'kola-tests/harness/report/report.ts',
      'kola-tests/cli/test.ts',
      'kola-tests/denylist.json',
      'kola-tests/sabotage/boot.ts',
      'build/used.ts',
      'ignition/verbs.ts',
      'images/n100/image.ts',
      'docs/a.md',
    ],
    false,
  );
});

test('a VM test that runs the command line depends on all modules that the command line may load', async (t) => {
  const base = { ...FILES, [TEST]: "import '../harness/guest/draisine.ts';" };
  const behind = ['draisine', 'draisine.ts', 'ignition/verbs.ts', 'build/used.ts', 'images/n100/image.ts'];
  await edits(t, base, [...behind, 'build/keys/a.asc', 'packages/overlays/a'], true);
  await edits(t, base, ['kola-tests/cli/test.ts', 'kola-tests/tests/other.ts'], false);
});

test('modules of build/ that a test imports count, with the data of that room; those that the harness imports do not', async (t) => {
  const base = { ...FILES, [TEST]: "import '../../build/for-kola.ts';" };
  await edits(t, base, ['build/for-kola.ts', 'build/used.ts', 'build/keys/a.asc'], true);
  await edits(t, FILES, ['build/for-kola.ts', 'build/used.ts', 'build/keys/a.asc'], false);
});

test('a sabotage also depends on its own module, and has another verdict than its test', async (t) => {
  const sabotage = 'kola-tests/sabotage/boot.ts';
  await edits(t, FILES, [sabotage, TEST], true, { sabotage });
  await edits(t, FILES, ['kola-tests/sabotage/checks.ts'], false, { sabotage });
  const checkout = await temporaryCheckout(t, FILES);
  await pass(inputs(checkout));
  assert.equal(await runs(inputs(checkout, { sabotage })), true);
});

test('artifacts, QEMU, the accelerator, machines and the host are inputs', async (t) => {
  const checkout = await temporaryCheckout(t, FILES);
  await pass(inputs(checkout));
  const config = { ignition: { version: '3.3.0' }, storage: { files: [{ path: '/a' }] } };
  const prepare = { name: 'p', artifacts: ['disk'], run: async () => {} };
  const changes: readonly Changed[] = [
    { ground: { image: 'generic' } },
    { ground: { artifacts: { ...GROUND.artifacts, disk: 'D' } } },
    { ground: { artifacts: { ...GROUND.artifacts, more: 'm' } } },
    { ground: { toolTree: '/store/dirs/4567' } },
    { ground: { accel: { kind: 'kvm', identity: 'tcg max' } } },
    { ground: { accel: { kind: 'tcg', identity: 'tcg other' } } },
    { definition: { machines: { box: { memory: 768 } } } },
    { definition: { machines: { box: { disks: [{ name: 'd', size: 64 }] } } } },
    { definition: { machines: { box: {}, peer: {} } } },
    { definition: { machines: { box: { prepare } } } },
    { definition: { config } },
    { host: { node: '22' } },
    { host: { environment: { DRAISINE_POWER_CUTS: '9' } } },
  ];
  for (const changed of changes)
    assert.equal(await runs(inputs(checkout, changed)), true, JSON.stringify(changed));
  assert.equal(await runs(inputs(checkout, { ground: { toolTree: '/elsewhere/dirs/0123' } })), false);
  assert.equal(await runs(inputs(checkout)), false);
});

test('a checkout in another folder has the same key', async (t) => {
  const [here, there] = [
    inputs(await temporaryCheckout(t, FILES)),
    inputs(await temporaryCheckout(t, FILES)),
  ];
  assert.ok(here && there);
  assert.deepEqual(here.parts, there.parts);
});

test('a test names the values that differ from run to run, and they do not count', () => {
  const definition = (port: number, file: string): TestDefinition => ({
    name: 'a.b',
    what: 'It works.',
    machines: { box: { kernelArguments: `url=http://h:${port}/`, disks: [{ name: 'iso', file }] } },
    varies: [String(port), file],
  });
  assert.equal(machinesOf(definition(30_001, '/tmp/a"1')), machinesOf(definition(30_777, '/tmp/b')));
  const { varies: _, ...named } = definition(30_001, '/tmp/a');
  assert.notEqual(machinesOf(named), machinesOf({ ...definition(30_777, '/tmp/a'), varies: [] }));
});

test('a pass is not kept if the image was built again while the test ran', async (t) => {
  const checkout = await temporaryCheckout(t, FILES);
  await pass(inputs(checkout, { ground: { unchanged: () => false } }));
  assert.equal(await runs(inputs(checkout)), true);
  await pass(inputs(checkout));
  assert.equal(await runs(inputs(checkout)), false);
});

const PRINT = `
  const { loadTests } = await import('./kola-tests/harness/run/register.ts');
  const { testModules } = await import('./kola-tests/harness/run/suite-options.ts');
  const { machinesOf } = await import('./kola-tests/verdict/vm.ts');
  const { tests } = await loadTests(await testModules());
  console.log(JSON.stringify(tests.map(({ definition }) => [definition.name, machinesOf(definition)])));
`;

test('the inputs of every VM test and sabotage are known; their machines are the same in another process', async (t) => {
  const checkout = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
  const sources = openSources(checkout);
  const { tests } = await loadTests(await testModules());
  const [sabotage] = await loadSabotages();
  assert.ok(tests.length > 100 && sabotage);
  for (const each of tests) {
    const { name } = each.definition;
    const parts = Object.keys(vmInputs(sources, each, GROUND, hostFacts())?.parts ?? {});
    assert.ok(parts.length > 50, `${name}: unknown`);
    // With such an import, a module of kola-tests/ could read any file of the checkout, and no rule would know which.
    const more = parts.includes('draisine.ts') || parts.includes('build/for-kola.ts');
    assert.ok(more || !parts.includes('sdk/lib/checkout.ts'), name);
    assert.ok(vmInputs(sources, each, GROUND, hostFacts(), sabotage), name);
  }
  const args = ['--import', import.meta.resolve('tsx'), '--input-type=module', '--eval', PRINT];
  const env = { ...process.env, TMPDIR: await mkdtemp(join(tmpdir(), 'verdict-test-')) };
  t.after(() => rm(env.TMPDIR, { recursive: true, force: true }));
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd: checkout,
    env,
    maxBuffer: 1 << 24,
  });
  assert.deepEqual(
    JSON.parse(stdout),
    tests.map(({ definition }) => [definition.name, machinesOf(definition)]),
  );
});
