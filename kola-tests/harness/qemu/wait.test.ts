import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { poll } from './wait.ts';

test('a question that takes long is not asked again at once', async () => {
  let last = 0;
  const pauses: number[] = [];
  const ask = async (): Promise<true | undefined> => {
    if (last > 0) pauses.push(performance.now() - last);
    await sleep(150);
    last = performance.now();
    return pauses.length === 2 ? true : undefined;
  };
  assert.equal(await poll('an answer', ask, { timeoutMs: 60_000, intervalMs: 1 }), true);
  for (const pause of pauses) assert.ok(pause > 140, `a pause of ${pause} ms`);
});

test('the time limit is kept, and the last question may be answered after it', async () => {
  const never = async (): Promise<undefined> => undefined;
  await assert.rejects(
    poll('an answer', never, { timeoutMs: 50, intervalMs: 1 }),
    /an answer: not yet after 0\.1 s/,
  );
  const late = async (): Promise<true> => await sleep(100, true as const);
  assert.equal(await poll('an answer', late, { timeoutMs: 50 }), true);
});
