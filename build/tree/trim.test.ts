import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import { compileGlobs } from './glob.ts';
import { dir, file, hardlink, listing, symlink, treeOf } from './testing.ts';
import { trimTree } from './trim.ts';

describe('globs', () => {
  const cases: [glob: string, matches: string[], not: string[]][] = [
    ['usr/bin/sh', ['usr/bin/sh', 'usr/bin/sh/below'], ['usr/bin/sh2', 'x/usr/bin/sh', 'usr/bin']],
    ['usr/*/x', ['usr/a/x', 'usr/.a/x'], ['usr/x', 'usr/a/b/x']],
    ['usr/lib*', ['usr/lib', 'usr/lib64'], ['usr/li']],
    ['**/*.h', ['a.h', 'usr/include/a.h', 'usr/a.h/deep'], ['a.hh', 'usr/h']],
    ['usr/**/x', ['usr/x', 'usr/a/x', 'usr/a/b/x'], ['usrx', 'usr/ax']],
    ['usr/**', ['usr/a', 'usr/a/b', 'usr/.hidden'], ['usr']],
    ['**', ['a', 'a/b'], []],
    ['a?c', ['abc', 'a.c'], ['ac', 'a/c', 'abbc']],
    ['{a,b/c}/x', ['a/x', 'b/c/x'], ['b/x', 'c/x']],
    ['x{,.gz,{.xz,.zst}}', ['x', 'x.gz', 'x.xz', 'x.zst'], ['x.bz2']],
    ['usr/bin/[', ['usr/bin/['], ['usr/bin/a']],
    ['a.b+c^d$e(f)|g', ['a.b+c^d$e(f)|g'], ['aXb+c^d$e(f)|g']],
    ['a,b', ['a,b'], ['a', 'b']],
    ['a\\*b', ['a*b'], ['axb']],
    ['line\nbreak*', ['line\nbreak', 'line\nbreak\n2'], ['line']],
    ['Ő*', ['Őrség'], ['O']],
  ];
  for (const [glob, matches, not] of cases) {
    test(glob, () => {
      const expression = compileGlobs([glob], 'test');
      for (const path of matches) assert.ok(expression.test(path), `${glob} should match ${path}`);
      for (const path of not) assert.ok(!expression.test(path), `${glob} should not match ${path}`);
    });
  }

  test('several globs are one expression; no glob matches no path', () => {
    const expression = compileGlobs(['a', 'b/*'], 'test');
    assert.deepEqual(
      ['a', 'b', 'b/c', 'ab'].filter((path) => expression.test(path)),
      ['a', 'b/c'],
    );
    assert.ok(!compileGlobs([], 'test').test(''));
  });

  for (const glob of ['', '/usr', 'usr/', 'usr//bin', '../x', './x', 'a**', 'usr/**x', '{a', 'x\\']) {
    test(`refuses ${JSON.stringify(glob)}`, () => {
      assert.throws(
        () => compileGlobs([glob], 'trim "t"'),
        (error) => error instanceof Failure && error.where === 'trim "t"',
      );
    });
  }

  test('stays fast on a hostile path', () => {
    const expression = compileGlobs(['**/a*a*a*a*a*b/**/c', '**/{x,y}/**/*x*/**/z'], 'test');
    const began = performance.now();
    assert.ok(!expression.test(`${'a/'.repeat(60)}${'a'.repeat(60)}`));
    assert.ok(performance.now() - began < 1000);
  });
});

describe('trimTree', () => {
  const tree = treeOf(
    dir('usr'),
    dir('usr/doc'),
    dir('usr/doc/a'),
    file('usr/doc/a/changelog', '12345'),
    file('usr/doc/a/copyright', '123'),
    dir('usr/doc/b'),
    file('usr/doc/b/changelog', '1'),
    symlink('usr/doc/c', 'b'),
    file('usr/tool', '1234567'),
  );

  test('removes paths with their contents, keeps exceptions with their folders, and counts', () => {
    const {
      tree: left,
      counts,
      warnings,
    } = trimTree(tree, [{ reason: 'docs', paths: ['usr/doc'], except: ['usr/doc/*/copyright'] }]);
    assert.deepEqual(listing(left), [
      'dir usr',
      'dir usr/doc',
      'dir usr/doc/a',
      'file usr/doc/a/copyright',
      'file usr/tool',
    ]);
    assert.deepEqual(counts, [{ reason: 'docs', count: 4, bytes: 6 }]);
    assert.deepEqual(warnings, []);
  });

  test('an exception that is a folder keeps its contents', () => {
    const { tree: left } = trimTree(tree, [{ reason: 'all', paths: ['usr'], except: ['usr/doc/b'] }]);
    assert.deepEqual(listing(left), ['dir usr', 'dir usr/doc', 'dir usr/doc/b', 'file usr/doc/b/changelog']);
  });

  test('reports trims that matched nothing, also if an earlier trim took the path', () => {
    const { warnings, counts } = trimTree(tree, [
      { reason: 'docs', paths: ['usr/doc'] },
      { reason: 'late', paths: ['usr/doc/a'] },
    ]);
    assert.deepEqual(warnings, ['trim "late" matched nothing']);
    assert.deepEqual(counts[1], { reason: 'late', count: 0, bytes: 0 });
  });

  test('promotes a hard link whose file is removed, and counts its bytes when the link is removed too', () => {
    const linked = treeOf(file('a', '12345', { mode: 0o755 }), hardlink('b', 'a'), hardlink('c', 'a'));
    const first = trimTree(linked, [{ reason: 'a', paths: ['a'] }]);
    assert.deepEqual(listing(first.tree), ['file b', 'hardlink c -> b']);
    assert.equal(first.tree.entries[0]?.mode, 0o755);
    assert.deepEqual(first.counts, [{ reason: 'a', count: 1, bytes: 0 }]);
    const rest = trimTree(linked, [
      { reason: 'a', paths: ['a'] },
      { reason: 'rest', paths: ['{b,c}'] },
    ]);
    assert.deepEqual(rest.counts[1], { reason: 'rest', count: 2, bytes: 5 });
  });

  test('is quick: 20 000 entries, 60 trims', () => {
    const entries = Array.from({ length: 20_000 }, (_, index) =>
      file(`usr/share/package${index % 300}/sub/file${index}.txt`),
    );
    const trims = Array.from({ length: 60 }, (_, index) => ({
      reason: `${index}`,
      paths: [`usr/**/x${index}*.{a,b}`, `usr/share/*/y${index}`],
    }));
    const began = performance.now();
    trimTree({ entries }, trims);
    assert.ok(performance.now() - began < 5000);
  });
});
