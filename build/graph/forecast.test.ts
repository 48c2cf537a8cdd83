import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { describeForecast, type Forecast, forecast, roughly } from './forecast.ts';
import { planBuild } from './plan.ts';
import type { Store } from './store.ts';
import { recipe } from './target.ts';
import { buildText, reopen, temporaryStore } from './testing.ts';

const slow = recipe<{ text: string }>({
  from: import.meta.url,
  kind: 'file',
  run: async ({ inputs, out }) => {
    await setTimeout(120);
    await writeFile(out, inputs.text);
  },
});

test('the forecast takes the last duration of a target, or else the one in the table', async (t) => {
  const store = await temporaryStore(t);
  const planned = async (text: string): Promise<readonly Forecast[]> =>
    forecast(store, await planBuild([slow('kernel-x', { text })], { store: reopen(store) }));
  assert.equal((await planned('a'))[0]?.ms, 1_200_000);
  await buildText(slow('kernel-x', { text: 'a' }), store);
  assert.deepEqual(await planned('a'), []);
  const [again] = await planned('b');
  assert.ok(again && again.ms >= 120 && again.ms < 60_000, `${again?.ms} ms`);
  // What is known of the last time is damaged.
  const last = join(store.root, 'last');
  for (const name of readdirSync(last)) writeFileSync(join(last, name), '{"key":');
  assert.equal((await planned('b'))[0]?.ms, 1_200_000);
});

test('of the targets of a kernel, only its compilation takes long', () => {
  const store = { root: '/nonexistent' } as Store;
  const seconds = (name: string): number | undefined =>
    forecast(store, [{ name, certain: true, reasons: [] }])[0]?.ms;
  assert.deepEqual(
    ['kernel-n100', 'kernel-debian', 'kernel-options', 'kernel-config-n100', 'kernel-headers-n100'].map(
      seconds,
    ),
    [1_200_000, 1_200_000, 1000, 1000, 1000],
  );
});

test('as text: long targets by name, the others together, and the sum', () => {
  const target = (name: string, ms: number, certain = true): Forecast => ({ name, ms, certain, reasons: [] });
  assert.equal(describeForecast([]), undefined);
  assert.equal(describeForecast([target('n100:usr', 9000)]), '1 target 9 s');
  assert.equal(
    describeForecast([
      target('a', 9000),
      target('zfs-n100', 240_000),
      target('b', 3000),
      target('kernel-n100', 1.2e6),
    ]),
    'kernel-n100 20 min, zfs-n100 4 min, 2 more 12 s: about 24 min',
  );
  assert.equal(
    describeForecast([target('a', 9000), target('kernel-n100', 1.2e6, false), target('b', 1000, false)]),
    '1 target 9 s; if inputs change: kernel-n100 20 min, 1 more 1 s: about 20 min',
  );
  assert.deepEqual([10, 1400, 119_000, 150_000].map(roughly), ['a second', '1 s', '1 min 59 s', '3 min']);
});
