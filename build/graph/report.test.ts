import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatSeconds } from './report.ts';

test('a duration is never rounded up to sixty seconds', () => {
  const shown = [40, 59_940, 59_960, 60_000, 119_600, 1_379_700].map(formatSeconds);
  assert.deepEqual(shown, ['0.0 s', '59.9 s', '1 min 0 s', '1 min 0 s', '2 min 0 s', '23 min 0 s']);
});
