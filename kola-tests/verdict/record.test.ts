import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { dropPass, keepPass, readPass, type Subject, toldPass } from './record.ts';
import { temporaryCheckout } from './testing.ts';

const subject: Subject = { kind: 'vm', name: 'n100 zfs.mirror' };
const pass = { at: '2026-11-29T12:00:00.000Z', ms: 12_345, tests: 1 };
const key = (digit: number): string => digit.toString(16).padStart(64, '0');

async function cache(t: TestContext): Promise<string> {
  const { root } = await temporaryCheckout(t, {});
  return join(root, 'out/cache/kola/verdicts/vm/n100%20zfs.mirror');
}

test('a pass is found by its subject and its inputs only, and reported with date and duration', async (t) => {
  await cache(t);
  await keepPass(subject, key(1), pass);
  assert.deepEqual(await readPass(subject, key(1)), pass);
  assert.equal(await readPass(subject, key(2)), undefined);
  assert.equal(await readPass({ ...subject, name: 'n100 zfs.spare' }, key(1)), undefined);
  assert.equal(await readPass({ ...subject, kind: 'sabotage' }, key(1)), undefined);
  assert.equal(toldPass(pass), 'cached: passed on 2026-11-29 12:00 UTC in 12 s');
  await dropPass(subject, key(1));
  await dropPass(subject, key(1));
  assert.equal(await readPass(subject, key(1)), undefined);
});

test('a truncated or damaged record, or one of another format or key, counts as none', async (t) => {
  const folder = await cache(t);
  await keepPass(subject, key(1), pass);
  const path = join(folder, `${key(1)}.json`);
  const whole = readFileSync(path, 'utf8');
  const record = JSON.parse(whole) as object;
  for (const change of [
    { format: 0 },
    { format: 2 },
    { key: key(2) },
    { kind: 'unit' },
    { name: 'n100 zfs.raidz1' },
    { at: 'yesterday' },
    { ms: -1 },
    { ms: '12' },
    { tests: 0 },
  ]) {
    writeFileSync(path, JSON.stringify({ ...record, ...change }));
    assert.equal(await readPass(subject, key(1)), undefined, JSON.stringify(change));
  }
  for (let length = 0; length < whole.length - 1; length += 7) {
    writeFileSync(path, whole);
    truncateSync(path, length);
    assert.equal(await readPass(subject, key(1)), undefined, `${length} bytes`);
  }
  writeFileSync(path, 'null');
  assert.equal(await readPass(subject, key(1)), undefined);
  writeFileSync(path, whole);
  assert.deepEqual(await readPass(subject, key(1)), pass);
});

test('many runs at once write the same record: the record is whole, and no other file is left', async (t) => {
  const folder = await cache(t);
  await Promise.all(Array.from({ length: 40 }, () => keepPass(subject, key(1), pass)));
  assert.deepEqual(await readPass(subject, key(1)), pass);
  assert.deepEqual(readdirSync(folder), [`${key(1)}.json`]);
});

test('the oldest records are removed, and never the newest one, even if the clock was set back', async (t) => {
  const folder = await cache(t);
  const future = new Date('2099-01-01');
  for (let digit = 1; digit <= 30; digit += 1) {
    await keepPass(subject, key(digit), { ...pass, at: future.toISOString() });
    utimesSync(join(folder, `${key(digit)}.json`), future, new Date(future.getTime() + digit * 1000));
  }
  await keepPass(subject, key(31), pass); // the clock has been set back by 73 years
  assert.equal(readdirSync(folder).length, 16);
  assert.deepEqual(await readPass(subject, key(31)), pass);
  assert.ok(existsSync(join(folder, `${key(30)}.json`)));
  assert.equal((await readPass(subject, key(30)))?.at, future.toISOString());
});
