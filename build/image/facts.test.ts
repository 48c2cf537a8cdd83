import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newestList } from './facts.ts';

test('the list of pool features is that of the newest OpenZFS, which from 2.2 on has no system in its name', () => {
  const at = (name: string) => `usr/share/zfs/compatibility.d/${name}`;
  assert.equal(newestList([at('compat-2021'), 'usr/share/zfs/openzfs-9.9']), undefined);
  assert.equal(newestList([at('openzfs-2.0-linux'), at('openzfs-2.1-linux')]), at('openzfs-2.1-linux'));
  // Links are no files, and openzfs-2.3-linux is one.
  const files = ['openzfs-2.1-freebsd', 'openzfs-2.1-linux', 'openzfs-2.2', 'openzfs-2.3', 'zol-0.8'].map(at);
  assert.equal(newestList(files), at('openzfs-2.3'));
  assert.equal(newestList([...files, at('openzfs-2.10')]), at('openzfs-2.10'));
});
