import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keepOption } from './keep.ts';

test('--keep takes a condition and a time; any other word behind it is a test pattern', () => {
  assert.deepEqual(keepOption(['zfs'], {}, false), { patterns: ['zfs'] });
  assert.deepEqual(keepOption(['zfs'], { keep: true }, true), {
    keep: { when: 'failed' },
    patterns: ['zfs'],
  });
  assert.deepEqual(keepOption([], { keep: 'always', keepFor: 5000 }, false), {
    keep: { when: 'always', limitMs: 5000 },
    patterns: [],
  });
  assert.deepEqual(keepOption(['boot'], { keep: 'zfs.mirror' }, true).patterns, ['zfs.mirror', 'boot']);
});

test('--keep is refused without a terminal or a time limit, and with several tests at once', () => {
  assert.throws(() => keepOption([], { keep: true }, false), { exitCode: 2, hint: /--keep-for 10m/ });
  assert.throws(() => keepOption([], { keep: true, parallel: 2 }, true), { exitCode: 2 });
  assert.throws(() => keepOption([], { keepFor: 1000 }, true), { exitCode: 2 });
  keepOption([], { keep: true, parallel: 1 }, true);
});
