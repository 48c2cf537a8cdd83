import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recap } from './recap.ts';

test('the recap names the failed tests only, with the first lines of each error', () => {
  const good = { name: 'fine', passed: true };
  assert.equal(recap({ tests: [good] }), '');
  const error = `first\n\n  \x1b[31msecond\x1b[0m\nthird ${'x'.repeat(1000)}\nfourth`;
  const text = recap({
    tests: [good, { name: 'zfs.mirror', passed: false, error }, { name: 'b', passed: false }],
  });
  assert.match(
    text,
    /^2 of 3 tests failed:\n {2}zfs\.mirror\n {6}first\n {8}second\n {6}third x{194}…\n {2}b\n$/,
  );
  const many = Array.from({ length: 30 }, (_, index) => ({ name: `t${index}`, passed: false }));
  assert.match(recap({ tests: many }), / {2}t19\n {2}… and 10 more\n$/);
});
