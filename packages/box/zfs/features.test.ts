import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FakeBox } from '../io/fake.ts';
import { beyondCompatibility, parseList, readableFeatures, unreadableFeatures } from './features.ts';

const LISTS = '/usr/share/zfs/compatibility.d';

/** A box with pools; each with its compatibility and the states of its features. */
function boxWith(pools: Readonly<Record<string, { compatibility?: string; features: object }>>): FakeBox {
  const box = new FakeBox().put({ '/proc/spl/kstat/zfs/x': '' });
  return box.program('zpool', (argv) => {
    if (argv[1] !== 'get') {
      const all = Object.keys(pools).map((name) => [name, { name, state: 'ONLINE', vdevs: {} }]);
      return JSON.stringify({ pools: Object.fromEntries(all) });
    }
    const { compatibility = 'off', features } = pools[argv.at(-1)!]!;
    const lines = Object.entries(features).map(([name, state]) => `feature@${name}\t${state}\n`);
    return `size\t1T\ncompatibility\t${compatibility}\n${lines.join('')}`;
  });
}

test('features: only those in use that a release cannot read', () => {
  assert.deepEqual(unreadableFeatures(new FakeBox(), []), [], 'no module, no pools');
  const features = { lz4_compress: 'active', zstd_compress: 'enabled', draid: 'active' };
  const box = boxWith({ tank: { features }, fine: { features: { lz4_compress: 'active' } } });
  assert.deepEqual(unreadableFeatures(box, ['lz4_compress']), ['tank: draid']);
  assert.deepEqual(unreadableFeatures(box, ['lz4_compress', 'draid']), []);
});

describe('lists of features', () => {
  test('one or several on a line, with comments', () => {
    assert.deepEqual(parseList('# of 2.2\nasync_destroy\nblake3, draid  edonr # and more\n\n'), [
      ...['async_destroy', 'blake3', 'draid', 'edonr'],
    ]);
  });

  test('a release can read the features of the newest list; lists are ordered by number', () => {
    const box = new FakeBox();
    assert.equal(readableFeatures(box), undefined);
    box.put({ [`${LISTS}/grub2`]: 'lz4_compress\n' });
    assert.equal(readableFeatures(box), undefined);
    box.put({ [`${LISTS}/openzfs-2.9-linux`]: 'a\n', [`${LISTS}/openzfs-2.10-linux`]: 'b\na\n' });
    box.put({ [`${LISTS}/openzfs-2.11-freebsd`]: 'c\n' });
    assert.deepEqual(readableFeatures(box), ['a', 'b']);
    // From 2.2 on the lists of Linux are links to those of all systems.
    box.put({ [`${LISTS}/openzfs-2.12`]: 'd\n' });
    assert.deepEqual(readableFeatures(box), ['d']);
  });

  test('a pool beyond its list: enabled features count, several lists allow their common features, an unknown list limits nothing', () => {
    const box = new FakeBox().put({ [`${LISTS}/one`]: 'a b\n', '/etc/zfs/compatibility.d/two': 'b c\n' });
    const beyond = (compatibility: string) =>
      beyondCompatibility(box, { name: 'tank', compatibility, active: ['a', 'b'], enabled: ['c'] });
    assert.deepEqual(beyond('off'), []);
    assert.deepEqual(beyond('one'), ['c']);
    assert.deepEqual(beyond('one,two'), ['a', 'c']);
    assert.deepEqual(beyond('legacy'), ['a', 'b', 'c']);
    assert.deepEqual(beyond('nobody-knows'), []);
  });
});
