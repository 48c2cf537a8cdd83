import assert from 'node:assert/strict';
import { test } from 'node:test';
import { didYouMean, nearNames } from './near.ts';

test('near names', () => {
  assert.equal(nearNames('n10', ['n100', 'n200', 'kernel']), 'did you mean n100?');
  assert.equal(nearNames('usr', ['n100:usr', 'n100:disk']), 'did you mean n100:usr?');
  assert.equal(nearNames('qqqqqqqq', ['n100', 'kernel']), 'there are: n100, kernel');
  assert.equal(nearNames('x', []), 'there are none yet');
  assert.equal(
    nearNames(
      'x'.repeat(9),
      Array.from({ length: 21 }, (_, n) => `${n}`),
      'see there',
    ),
    'see there',
  );
});

test('missing, additional and different letters are edits; one of three letters may differ', () => {
  for (const near of ['sitting', 'siting', 'sittings', 'setting', 'settin'])
    assert.equal(didYouMean('sitting', [near]), `did you mean ${near}?`, near);
  assert.equal(didYouMean('sitting', ['kitten', '']), 'correct the name');
  assert.equal(didYouMean('', ['ab', 'a']), 'did you mean a?');
  assert.equal(didYouMean('smbd', ['kmod', 'sed', 'samba'], 'look elsewhere'), 'look elsewhere');
  assert.equal(didYouMean('sabma', ['kmod', 'sed', 'samba']), 'did you mean samba?');
});

test('of many names, at most five are shown: names one edit away, and names that contain the wanted one', () => {
  const names = ['neovim', 'vim-tiny', 'vi', 'libc6', 'vim-gtk3', 'vmi'];
  assert.equal(didYouMean('vim', names), 'did you mean vi, vmi, neovim, vim-gtk3, vim-tiny?');
});
