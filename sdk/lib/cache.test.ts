import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { cacheDir } from './cache.ts';

function withEnvironment(t: TestContext, variables: Readonly<Record<string, string>>): void {
  for (const name of ['DRAISINE_CACHE', 'XDG_CACHE_HOME', 'HOME']) {
    const saved = process.env[name];
    delete process.env[name];
    t.after(() => {
      if (saved === undefined) delete process.env[name];
      else process.env[name] = saved;
    });
  }
  Object.assign(process.env, variables);
}

test('the cache: DRAISINE_CACHE, else XDG_CACHE_HOME where it is absolute, else below HOME', (t) => {
  withEnvironment(t, { HOME: '/home/me', XDG_CACHE_HOME: 'relative' });
  assert.equal(cacheDir(), '/home/me/.cache/draisine');
  process.env.XDG_CACHE_HOME = '/xdg';
  assert.equal(cacheDir(), '/xdg/draisine');
  process.env.DRAISINE_CACHE = '/own';
  assert.equal(cacheDir(), '/own');
});

test('without a home there is no cache, rather than one in the working directory', (t) => {
  withEnvironment(t, { HOME: '' });
  assert.throws(cacheDir, { name: 'Failure', exitCode: 2, message: /HOME is not an absolute path/ });
});

test('a path that the dynamic linker would split is no place for tools', (t) => {
  withEnvironment(t, { HOME: '/home/me' });
  for (const path of ['/data/a:b', '/data/a;b', '/data/$ORIGIN', '/data/a\nb']) {
    process.env.DRAISINE_CACHE = path;
    assert.throws(cacheDir, { name: 'Failure', exitCode: 2, where: path });
  }
  process.env.DRAISINE_CACHE = '/data/ü %#,=\'"';
  assert.equal(cacheDir(), '/data/ü %#,=\'"');
});
