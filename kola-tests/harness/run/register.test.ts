import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { loadTests } from './register.ts';
import { testModules } from './suite-options.ts';

test('a module with a syntax error, a name taken and a bad name are each reported; the rest is loaded', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'register-test-'));
  const module = async (name: string, code: string): Promise<string> => {
    await writeFile(join(dir, name), code);
    return pathToFileURL(join(dir, name)).href;
  };
  const register = `import { register } from ${JSON.stringify(new URL('register.ts', import.meta.url).href)};`;
  try {
    const files = [
      await module(
        'a.mjs',
        `${register} register({ name: 'a.one', what: 'All of it is well.' }, async () => {});`,
      ),
      await module('b.mjs', 'const = 1;'),
      await module(
        'c.mjs',
        `${register} register({ name: 'a.one', what: 'All of it is well.' }, async () => {});`,
      ),
      await module('d.mjs', `${register} register({ name: 'Bad Name' }, async () => {});`),
      await module(
        'e.mjs',
        `${register} register({ name: 'e.two', what: 'Some of it is well.' }, async () => {});`,
      ),
      await module(
        'f.mjs',
        `${register} register({ name: 'f.three', what: 'no sentence' }, async () => {});`,
      ),
    ];
    const { tests, broken } = await loadTests(files);
    assert.deepEqual(
      tests.map(({ definition }) => definition.name),
      ['a.one', 'e.two'],
    );
    assert.deepEqual(
      broken.map(({ file }) => files.indexOf(file)),
      [1, 2, 3, 5],
    );
    assert.match(String(broken[1]?.error), /two tests are named a\.one/);
    assert.match(String(broken[2]?.error), /area\.subject/);
    assert.match(String(broken[3]?.error), /must be one sentence/);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

test('the suite itself loads', async () => {
  const { tests, broken } = await loadTests(await testModules());
  assert.deepEqual(broken, []);
  const sentences = tests.map(({ definition }) => definition.what);
  assert.equal(new Set(sentences).size, sentences.length, 'two tests have the same sentence');
  const names = tests.map(({ definition }) => definition.name);
  for (const name of [
    'boot.multi-user',
    'boot.second',
    'container.run',
    'container.published-port',
    'container.quadlet',
    'zfs.mirror',
    'zfs.arc-cap',
    'net.dhcp-dns',
    'net.listeners',
  ]) {
    assert.ok(names.includes(name), `${name} is gone`);
  }
});
