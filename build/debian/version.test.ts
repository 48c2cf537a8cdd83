import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareVersions, isVersion, satisfies } from './version.ts';

/** Each line is strictly older than the next. */
const ascending = [
  '0~~',
  '0~~a',
  '0~',
  '0',
  '0a',
  '0+',
  '0.1',
  '0.1-1~bpo12+1',
  '0.1-1',
  '0.1-1+b1',
  '0.1-1+deb13u1',
  '0.1-1.1',
  '0.1-2',
  '0.1-10',
  '0.1.0',
  '0.9',
  '0.10',
  '1.0~rc1-1',
  '1.0-1',
  '1.0a-1',
  '1.0+dfsg-1',
  '1:0~',
  '1:0.1',
  '2:0',
];

test('orders versions as Policy 5.6.12 says', () => {
  for (const [i, a] of ascending.entries()) {
    for (const [j, b] of ascending.entries()) {
      assert.equal(Math.sign(compareVersions(a, b)), Math.sign(i - j), `${a} against ${b}`);
    }
  }
});

test('versions with different spellings may be equal', () => {
  assert.equal(compareVersions('1.0', '0:1.0-0'), 0);
  assert.equal(compareVersions('1.01', '1.1'), 0);
  assert.equal(compareVersions('1.00000000000000000000000000000000001', '1.1'), 0);
});

test('the last dash separates the revision, and numbers may have any length', () => {
  assert.ok(compareVersions('1-2-3', '1-10-1') < 0);
  assert.ok(
    compareVersions('20250101000000000000000000000000000001', '20250101000000000000000000000000000002') < 0,
  );
});

const versions = fc
  .tuple(
    fc.option(fc.nat(3), { nil: undefined }),
    fc.stringMatching(/^[0-9][0-9a-cA-C.+~]{0,6}$/),
    fc.option(fc.stringMatching(/^[0-9a-c.+~]{1,4}$/), { nil: undefined }),
  )
  .map(([epoch, upstream, revision]) => {
    const tail = revision === undefined ? upstream : `${upstream}-${revision}`;
    return epoch === undefined ? tail : `${epoch}:${tail}`;
  });

test('is a total order', () => {
  fc.assert(
    fc.property(versions, versions, versions, (a, b, c) => {
      assert.equal(compareVersions(a, a), 0);
      assert.equal(Math.sign(compareVersions(a, b)), -Math.sign(compareVersions(b, a)));
      const [x, y, z] = [a, b, c].sort(compareVersions) as [string, string, string];
      assert.ok(compareVersions(x, y) <= 0 && compareVersions(y, z) <= 0 && compareVersions(x, z) <= 0);
    }),
  );
});

test('a suffix with a tilde makes a version older, any other suffix newer', () => {
  fc.assert(
    fc.property(versions, (version) => {
      assert.ok(compareVersions(`${version}~`, version) < 0);
      assert.ok(compareVersions(`${version}+b1`, version) > 0);
    }),
  );
});

test('relations agree with the order', () => {
  fc.assert(
    fc.property(versions, versions, (a, b) => {
      const order = Math.sign(compareVersions(a, b));
      assert.equal(satisfies(a, '<<', b), order < 0);
      assert.equal(satisfies(a, '<=', b), order <= 0);
      assert.equal(satisfies(a, '=', b), order === 0);
      assert.equal(satisfies(a, '>=', b), order >= 0);
      assert.equal(satisfies(a, '>>', b), order > 0);
    }),
  );
});

test('recognizes texts that cannot be versions', () => {
  for (const good of ['1', '1:2.3-4', '20250101', '1.0~rc1+ds-1.1']) assert.ok(isVersion(good), good);
  for (const bad of ['', '~', 'a b', '1.0)', '1,0', '1/2']) assert.ok(!isVersion(bad), bad);
});
