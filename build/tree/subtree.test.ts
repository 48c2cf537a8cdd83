import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { indexTree, lookUp } from './lookup.ts';
import { findEntry, relocate, under } from './subtree.ts';
import { dir, file, hardlink, listing, symlink, treeOf } from './testing.ts';

const tree = treeOf(
  symlink('bin', 'usr/bin'),
  dir('usr'),
  dir('usr/bin'),
  symlink('usr/bin/editor', '/etc/alternatives/editor'),
  symlink('usr/bin/loop', 'loop'),
  symlink('usr/bin/sh', 'dash'),
  file('usr/bin/dash', 'x', { mode: 0o755 }),
  hardlink('usr/bin/dish', 'usr/bin/dash'),
  hardlink('usr/bin/dush', 'usr/bin/dash'),
  file('usr/bin.conf'),
  symlink('usr/up', '../../../usr/bin'),
);

test('findEntry and under', () => {
  for (const entry of tree.entries) assert.equal(findEntry(tree, entry.path), entry);
  assert.equal(findEntry(tree, 'usr/b'), undefined);
  assert.equal(findEntry(tree, 'zzz'), undefined);
  assert.deepEqual(
    under(tree, 'usr/bin')
      .map(({ path }) => path)
      .slice(0, 2),
    ['usr/bin', 'usr/bin/dash'],
  );
  assert.ok(under(tree, 'usr/bin').every(({ path }) => path !== 'usr/bin.conf'));
  assert.equal(under(tree, '').length, tree.entries.length);
  assert.deepEqual(under(tree, 'nowhere'), []);
});

describe('relocate', () => {
  test('moves entries and hard links, not symlink targets', () => {
    const moved = relocate(under(tree, 'usr/bin'), 'usr/bin', 'opt/tools');
    assert.equal(moved[0]?.path, 'opt/tools');
    assert.ok(listing({ entries: moved }).includes('hardlink opt/tools/dish -> opt/tools/dash'));
    assert.ok(listing({ entries: moved }).includes('symlink opt/tools/sh -> dash'));
  });
  test('moves entries from the root and to the root', () => {
    assert.equal(relocate([file('a')], '', 'x/y')[0]?.path, 'x/y/a');
    assert.deepEqual(
      relocate([dir('etc'), file('etc/a')], 'etc', '').map(({ path }) => path),
      ['a'],
    );
  });
  test('refuses paths outside the folder', () => {
    assert.throws(() => relocate([file('etcetera/a')], 'etc', 'x'), /\/etcetera\/a is not below \/etc/);
    assert.throws(() => relocate([hardlink('etc/a', 'usr/a')], 'etc', 'x'), /\/usr\/a is not below/);
    assert.throws(() => relocate([file('etc/a')], 'etc', '../x'), /not a plain path/);
  });
});

describe('lookUp', () => {
  const index = indexTree(tree);
  const found = (path: string) => {
    const result = lookUp(index, path);
    return result && [result.entry.path, ...result.links.map((link) => link.path)];
  };
  test('follows symlinks in every component and stops at the root', () => {
    assert.deepEqual(found('/bin/sh'), ['usr/bin/dash', 'bin', 'usr/bin/sh']);
    assert.deepEqual(found('usr/up/dash'), ['usr/bin/dash', 'usr/up']);
    assert.deepEqual(found('usr/./bin/../bin/dash'), ['usr/bin/dash']);
  });
  test('gives undefined for a missing path and for a circle of symlinks', () => {
    assert.equal(found('usr/bin/editor'), undefined);
    assert.equal(found('usr/bin/loop'), undefined);
    assert.equal(found('usr/bin/dash/x'), undefined);
  });
});
