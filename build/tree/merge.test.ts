import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Failure } from '../../sdk/lib/errors.ts';
import type { Entry } from './entry.ts';
import { type Layer, mergeLayers } from './merge.ts';
import { dir, file, hardlink, listing, symlink } from './testing.ts';

function pack(name: string, ...entries: Entry[]) {
  return { name, entries: entries.map((entry) => ({ ...entry, origin: `deb:${name}` })) };
}

function refused(layers: readonly Layer[], what: RegExp, where?: RegExp): void {
  assert.throws(
    () => mergeLayers(layers),
    (error) => {
      assert.ok(error instanceof Failure, String(error));
      assert.equal(error.exitCode, 2);
      assert.match(error.message, what);
      if (where) assert.match(error.where ?? '', where);
      return true;
    },
  );
}

describe('packages', () => {
  test('are merged, with missing parents, in code-unit order', () => {
    const tree = mergeLayers([
      {
        packages: [
          pack('b', dir('usr'), file('usr/z/b')),
          pack('a', dir('usr'), file('usr/Z'), file('usr/z.conf')),
        ],
      },
    ]);
    assert.deepEqual(listing(tree), [
      'dir usr',
      'file usr/Z',
      'dir usr/z',
      'file usr/z.conf',
      'file usr/z/b',
    ]);
    assert.deepEqual(tree.entries.find(({ path }) => path === 'usr/z')?.mode, 0o755);
  });

  test('are merged into /usr: files of bin, sbin, lib and lib64 move below usr', () => {
    const tree = mergeLayers([
      {
        packages: [
          pack('base-files', symlink('bin', 'usr/bin'), symlink('lib', 'usr/lib'), dir('usr/lib')),
          pack(
            'old',
            dir('lib'),
            dir('lib/udev'),
            file('lib/udev/x'),
            hardlink('lib/udev/y', 'lib/udev/x'),
            file('sbin/s'),
          ),
        ],
      },
    ]);
    assert.deepEqual(listing(tree), [
      'symlink bin -> usr/bin',
      'symlink lib -> usr/lib',
      'dir usr',
      'dir usr/lib',
      'dir usr/lib/udev',
      'file usr/lib/udev/x',
      'hardlink usr/lib/udev/y -> usr/lib/udev/x',
      'dir usr/sbin',
      'file usr/sbin/s',
    ]);
  });

  test('that own the same path are an error that names both, also through merged /usr', () => {
    refused(
      [{ packages: [pack('one', file('bin/x')), pack('two', file('usr/bin/x'))] }],
      /\/usr\/bin\/x: deb:one .*deb:two/,
    );
    refused(
      [{ packages: [pack('one', dir('x')), pack('two', symlink('x', 'y'))] }],
      /\/x: deb:one \(dir 0755 0:0\), deb:two/,
    );
  });

  test('that disagree about a folder are an error unless the first may decide', () => {
    const packages = [pack('one', dir('var/x', { mode: 0o2775, gid: 8 })), pack('two', dir('var/x'))];
    refused([{ packages }], /\/var\/x: deb:one \(dir 2775 0:8\), deb:two \(dir 0755 0:0\)/);
    const tree = mergeLayers([{ packages, folders: 'first' }]);
    assert.equal(tree.entries.find(({ path }) => path === 'var/x')?.gid, 8);
  });

  test('report all conflicts at once', () => {
    const many = Array.from({ length: 30 }, (_, index) => file(`f${index}`));
    refused([{ packages: [pack('one', ...many), pack('two', ...many)] }], /^30 paths[\s\S]*… and 10 more/);
  });

  for (const winner of ['one', 'two'])
    test(`may be settled in writing, for ${winner}; the other's hard links keep its content`, () => {
      const tree = mergeLayers([
        {
          packages: [
            pack('one', file('x', 'one'), hardlink('y', 'x')),
            pack('two', file('x', 'two'), hardlink('z', 'x')),
          ],
          settled: [{ path: 'x', package: winner, reason: 'test' }],
        },
      ]);
      const content = (path: string) => {
        const entry = tree.entries.find((each) => each.path === path);
        return entry?.type === 'file' && 'inline' in entry.content ? entry.content.inline : entry?.type;
      };
      assert.equal(content('x'), winner);
      assert.equal(content('y'), winner === 'one' ? 'hardlink' : 'one');
      assert.equal(content('z'), winner === 'two' ? 'hardlink' : 'two');
    });

  test('with a settled path that needs no decision are an error', () => {
    const settled = [{ path: 'x', package: 'one', reason: 'test' }];
    refused([{ packages: [pack('one', file('x'))], settled }], /settled for one, but it belongs to one$/);
    refused(
      [{ packages: [pack('two', file('x')), pack('three', file('x'))], settled }],
      /belongs to two, three/,
    );
    refused([{ packages: [pack('one')], settled }], /belongs to no package/);
  });

  test('with a path that merged /usr makes the same are an error, folders are not', () => {
    refused(
      [{ packages: [pack('one', file('bin/x'), file('usr/bin/x'))] }],
      /\/usr\/bin\/x is there twice/,
      /package one/,
    );
    assert.equal(
      mergeLayers([{ packages: [pack('one', dir('lib'), dir('usr'), dir('usr/lib'))] }]).entries.length,
      2,
    );
  });
});

describe('an overlay', () => {
  const below = {
    packages: [pack('base', dir('etc', { mode: 0o700 }), file('etc/a', 'old'), hardlink('etc/b', 'etc/a'))],
  };

  test('adds entries, and keeps the mode of existing folders', () => {
    const tree = mergeLayers([below, { overlay: 'o', entries: [dir('etc'), file('etc/new', 'x')] }]);
    assert.deepEqual(listing(tree), ['dir etc', 'file etc/a', 'hardlink etc/b -> etc/a', 'file etc/new']);
    assert.equal(tree.entries[0]?.mode, 0o700);
  });

  test('replaces the named paths; other names of a replaced file keep the old content', () => {
    const tree = mergeLayers([below, { overlay: 'o', entries: [file('etc/a', 'new')], replaces: ['etc/a'] }]);
    assert.deepEqual(
      tree.entries.map((entry) =>
        entry.type === 'file' && 'inline' in entry.content ? entry.content.inline : '',
      ),
      ['', 'new', 'old'],
    );
  });

  test('may replace the mode of a folder and keep its contents', () => {
    const tree = mergeLayers([below, { overlay: 'o', entries: [dir('etc')], replaces: ['etc'] }]);
    assert.equal(tree.entries[0]?.mode, 0o755);
    assert.equal(tree.entries.length, 3);
  });

  test('may replace a folder and its contents by a symlink', () => {
    const tree = mergeLayers([
      below,
      { overlay: 'o', entries: [symlink('etc', 'usr/etc')], replaces: ['etc'] },
    ]);
    assert.deepEqual(listing(tree), ['symlink etc -> usr/etc']);
  });

  test('that replaces a path without naming it is an error', () => {
    refused(
      [below, { overlay: 'o', entries: [file('etc/a')] }],
      /replaces paths without naming them:\n {2}\/etc\/a of deb:base/,
      /overlay o/,
    );
    refused([below, { overlay: 'o', entries: [symlink('etc', 'x')] }], /\/etc of deb:base/);
    refused([below, { overlay: 'o', entries: [dir('etc/a')] }], /\/etc\/a of deb:base/);
  });

  test('with a path in `replaces` that replaces nothing is an error', () => {
    refused(
      [below, { overlay: 'o', entries: [file('etc/c')], replaces: ['etc/c'] }],
      /replaces nothing: \/etc\/c/,
    );
    refused([below, { overlay: 'o', entries: [], replaces: ['etc/a'] }], /replaces nothing: \/etc\/a/);
  });

  test('with a bad or doubled path is an error', () => {
    for (const path of ['../x', '/x', 'x//y', 'x/./y', 'x/', '', 'x\0y']) {
      refused([{ overlay: 'o', entries: [file(path)] }], /not a plain path/, /overlay o/);
    }
    refused([{ overlay: 'o', entries: [file('x'), file('x')] }], /\/x is there twice/);
  });
});

describe('the whole', () => {
  test('refuses entries below a path that is not a folder, and names both', () => {
    const packages = [pack('a', symlink('var/run', '/run')), pack('b', file('var/run/x'))];
    refused([{ packages }], /\/var\/run\/x lies below \/var\/run, a symlink to \/run of deb:a/, /deb:b/);
    refused(
      [{ packages: [pack('a', file('x'))] }, { overlay: 'o', entries: [file('x/y')] }],
      /\/x\/y lies below \/x, a file/,
    );
  });

  test('refuses hard links without a file in the tree', () => {
    refused([{ overlay: 'o', entries: [hardlink('x', 'y')] }], /\/x is a hard link to \/y/);
  });

  test('is sorted, unique and closed under parents, whatever the order of packages and entries', () => {
    const path = fc
      .array(fc.constantFrom('a', 'b', 'c', 'lib', 'bin'), { minLength: 1, maxLength: 4 })
      .map((parts) => parts.join('/'));
    fc.assert(
      fc.property(fc.uniqueArray(path, { maxLength: 12 }), fc.integer(), (paths, seed) => {
        const entries = paths.map((each) => dir(each));
        const shuffled = [...entries].sort(
          (a, b) => ((a.path.length * 31 + seed) % 7) - ((b.path.length * 31 + seed) % 7),
        );
        const tree = mergeLayers([{ packages: [{ name: 'p', entries }] }]);
        assert.deepEqual(
          listing(mergeLayers([{ packages: [{ name: 'p', entries: shuffled }] }])),
          listing(tree),
        );
        const all = tree.entries.map((entry) => entry.path);
        assert.deepEqual(all, [...new Set(all)].sort());
        for (const each of all)
          if (each.includes('/')) assert.ok(all.includes(each.slice(0, each.lastIndexOf('/'))));
      }),
    );
  });
});
