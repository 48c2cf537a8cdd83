import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { createBudget } from './budget.ts';

test('the limits of memory and slots hold, and every test gets its turn', async () => {
  const job = fc.record({
    memory: fc.integer({ min: 1, max: 100 }),
    slots: fc.constantFrom(0, 1),
    ticks: fc.integer({ min: 0, max: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(job, { maxLength: 30 }),
      fc.integer({ min: 1, max: 5 }),
      async (jobs, slots) => {
        const budget = createBudget(100, slots);
        let used = 0;
        let running = 0;
        let done = 0;
        await Promise.all(
          jobs.map(async ({ memory, slots: taken, ticks }) => {
            const release = await budget.acquire(memory, taken);
            used += memory;
            running += taken;
            assert.ok(used <= 100 && running <= slots);
            for (let tick = 0; tick < ticks; tick += 1) await Promise.resolve();
            used -= memory;
            running -= taken;
            done += 1;
            release();
            release(); // a second call has no effect
          }),
        );
        assert.equal(done, jobs.length);
      },
    ),
    { numRuns: 50 },
  );
});

test('a test that can never fit fails at once instead of waiting for ever', async () => {
  await assert.rejects(
    createBudget(1000, 2).acquire(1001),
    /too little memory: this test needs 1001 MiB, 1000 MiB are available/,
  );
});

test('a large test is not overtaken for ever by small ones', async () => {
  const budget = createBudget(100, 10);
  const order: string[] = [];
  const first = await budget.acquire(60);
  const enter = async (name: string, memory: number): Promise<() => void> => {
    const release = await budget.acquire(memory);
    order.push(name);
    return release;
  };
  const large = enter('large', 100);
  const small = enter('small', 10);
  await Promise.resolve();
  first();
  (await large)();
  (await small)();
  assert.deepEqual(order, ['large', 'small']);
});

test('only a wait for memory is told, and not a wait for a slot', async () => {
  const budget = createBudget(100, 2);
  const told: string[] = [];
  const enter = (name: string, memory: number) => budget.acquire(memory, 1, () => told.push(name));
  const releases = [await enter('first', 50), await enter('second', 20)];
  const queued = [enter('slot', 30), enter('memory', 80)];
  releases[1]?.(); // lets `slot` in; then its slot is free again, but memory is not
  (await queued[0])?.();
  releases[0]?.();
  (await queued[1])?.();
  assert.deepEqual(told, ['memory']);
});
