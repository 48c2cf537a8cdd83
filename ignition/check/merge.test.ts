import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeConfigs } from './merge.ts';

const files = (...list: object[]): never => ({ storage: { files: list } }) as never;

test('items with the same key are merged in place, others are appended', () => {
  assert.deepEqual(
    mergeConfigs(
      files({ path: '/a', mode: 1 }, { path: '/b' }),
      files({ path: '/c' }, { path: '/a', mode: 2 }),
    ),
    {
      storage: { files: [{ path: '/a', mode: 2 }, { path: '/b' }, { path: '/c' }] },
    },
  );
});

test('a link replaces a file with the same path', () => {
  const link = { storage: { links: [{ path: '/a', target: '/b' }] } };
  assert.deepEqual(mergeConfigs(files({ path: '/a' }), link), {
    storage: { files: [], links: [{ path: '/a', target: '/b' }] },
  });
});

test('lists that may have equal items are joined; lists with keys are sets', () => {
  const fs = (options: string[]): never =>
    ({ storage: { filesystems: [{ device: '/d', options }] } }) as never;
  assert.deepEqual(mergeConfigs(fs(['a', 'b']), fs(['a'])), {
    storage: { filesystems: [{ device: '/d', options: ['a', 'b', 'a'] }] },
  });
  const user = (groups: string[]): never => ({ passwd: { users: [{ name: 'u', groups }] } }) as never;
  assert.deepEqual(mergeConfigs(user(['a', 'b']), user(['b', 'c'])), {
    passwd: { users: [{ name: 'u', groups: ['a', 'b', 'c'] }] },
  });
});

test('a header without a value removes the header of the parent', () => {
  const config = (header: object): never =>
    ({ ignition: { config: { replace: { source: 'http://a', httpHeaders: [header] } } } }) as never;
  assert.deepEqual(mergeConfigs(config({ name: 'X', value: 'y' }), config({ name: 'X' })), {
    ignition: { config: { replace: { source: 'http://a', httpHeaders: [] } } },
  });
});

test('neither input is changed', () => {
  const parent = { storage: { files: [{ path: '/a', contents: { source: 'x' } }] } };
  const copy = structuredClone(parent);
  mergeConfigs(parent, { storage: { files: [{ path: '/a', contents: { source: 'y' } }] } });
  assert.deepEqual(parent, copy);
});
