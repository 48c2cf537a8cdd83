import assert from 'node:assert/strict';
import { test } from 'node:test';
import { didYouMean } from './explain.ts';

test('a near name is one that a slip of the hand makes, not any other short name', () => {
  const names = ['kmod', 'sed', 'smartmontools', 'samba'];
  assert.equal(didYouMean('smbd', names, 'look elsewhere'), 'look elsewhere');
  assert.equal(didYouMean('se', names, ''), 'did you mean sed?');
  assert.equal(didYouMean('sabma', names, ''), 'did you mean samba?');
});
