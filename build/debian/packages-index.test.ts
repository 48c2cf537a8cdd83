import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import { packagesText } from './fixtures.ts';
import { readPackages } from './packages-index.ts';
import { unxz } from './xz.ts';

const text = packagesText({
  'one 1:2-3': {
    Priority: 'required',
    Essential: 'yes',
    'Multi-Arch': 'allowed',
    Depends: 'three,\n two (>= 1) | virtual',
    Provides: 'virtual (= 5), other:any',
    Tag: 'a::b,\n c::d',
  },
  two: { Protected: 'yes', Provides: 'virtual', Architecture: 'all' },
  'two 2': {},
  three: { Priority: 'strange' },
});

test('keeps the fields for resolving, unfolded', () => {
  const index = readPackages(text, 'test');
  const [one] = index.lookup('one');
  assert.deepEqual(
    { ...one, sha256: '' },
    {
      ...{ name: 'one', version: '1:2-3', architecture: 'amd64', size: 1000, installedSize: 10, sha256: '' },
      ...{ path: 'pool/main/o/one/one_2-3_amd64.deb', priority: 1, essential: true, protected: false },
      ...{ anyAllowed: true, rank: 0, preDepends: '', depends: 'three, two (>= 1) | virtual' },
      ...{ conflicts: '', breaks: '', provides: 'virtual (= 5), other:any' },
    },
  );
  assert.deepEqual(
    index.lookup('two').map(({ version }) => version),
    ['1', '2'],
  );
  assert.deepEqual(index.lookup('none'), []);
  assert.deepEqual(index.providers('virtual'), ['one', 'two']);
  assert.deepEqual(index.providers('two'), []);
  assert.deepEqual([...index.names()], ['one', 'two', 'three']);
});

test('ranks names by their first mention anywhere', () => {
  const index = readPackages(text, 'test');
  const rank = (name: string) => index.lookup(name)[0]!.rank;
  assert.ok(rank('one') < rank('three') && rank('three') < rank('two'), 'one depends on three before two');
});

test('an empty index is valid', () => {
  const index = readPackages('', 'test');
  assert.deepEqual([...index.names()], []);
  assert.deepEqual(index.providers('x'), []);
});

test('a stanza without a required field is reported by name', () => {
  for (const field of ['Version', 'Size', 'SHA256', 'Filename', 'Architecture']) {
    const broken = packagesText({ one: { [field]: '' } });
    assert.throws(
      () => readPackages(broken, 'main'),
      (error) => {
        assert.ok(error instanceof Failure);
        return error.message.includes(field) && error.where === 'main, package one';
      },
    );
  }
});

test('unxz: damaged data is an error, and does not disturb the next file', { timeout: 10_000 }, async () => {
  // printf hello | xz
  const hello = Buffer.from(
    '/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQAEaGVsbG8AAAAAsTe52+XaHpsAAR0FuC2Arx+2830BAAAAAARZWg==',
    'base64',
  );
  await assert.rejects(unxz(hello.subarray(0, 30)));
  await assert.rejects(unxz(Buffer.from('not xz at all, but long enough for a header')));
  assert.equal((await unxz(hello)).toString(), 'hello');
});
