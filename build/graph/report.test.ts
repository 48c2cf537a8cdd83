import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatSeconds, reminders } from './report.ts';

test('a duration is never rounded up to sixty seconds', () => {
  const shown = [40, 59_940, 59_960, 60_000, 119_600, 1_379_700].map(formatSeconds);
  assert.deepEqual(shown, ['0.0 s', '59.9 s', '1 min 0 s', '1 min 0 s', '2 min 0 s', '23 min 0 s']);
});

test('a log gets a reminder of targets that run for more than a minute', () => {
  const running = new Map([
    ['kernel', { since: 0, share: 0.349 }],
    ['zfs', { since: 30_000 }],
    ['quick', { since: 299_000 }],
  ]);
  assert.deepEqual(reminders(running, 300_000), [
    'still at kernel after 5 min 0 s, 34%',
    'still at zfs after 4 min 30 s',
  ]);
});
