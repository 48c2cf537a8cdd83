import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  haltChannel,
  initChannels,
  promote,
  refreshChannels,
  resumeChannel,
  setChannel,
  withdrawRelease,
} from './edit.ts';
import { addReport, HOUR, world } from './testing.ts';

test('one damaged channel file does not keep the others from a withdrawal or a renewal', async (t) => {
  const w = await world(t);
  await setChannel(w.at(), 'alpha', await w.release({ version: '2026.1129.0' }));
  writeFileSync(join(w.base, 'box/alpha.json'), 'cut off');
  const damaged = { exitCode: 2, message: /the signed file is not JSON/ };
  await assert.rejects(withdrawRelease(w.at(), '2026.1129.0', 'it loses data'), {
    message: /^some channels could not be changed: the signed file is not JSON.*alpha\.json/,
    hint: /^changed: box\/beta, box\/lts, box\/stable; mend the others/,
  });
  assert.equal((await w.channel('stable')).withdrawn[0]?.version, '2026.1129.0');
  await assert.rejects(refreshChannels(w.at(1), true), { message: /some channels could not be changed/ });
  assert.equal((await w.channel('stable')).serial, 3);
  await assert.rejects(haltChannel(w.at(1), 'alpha', 'x'), damaged);
});

test('a withdrawal that has not reached every channel counts at a promotion', async (t) => {
  const w = await world(t);
  const release = await w.release({ version: '2026.1129.0' });
  await addReport(w, release);
  await setChannel(w.at(), 'alpha', release);
  const beta = join(w.base, 'box/beta.json');
  const good = readFileSync(beta);
  writeFileSync(beta, 'cut off');
  await assert.rejects(withdrawRelease(w.at(), '2026.1129.0', 'it loses data'), { exitCode: 2 });
  writeFileSync(beta, good);
  await assert.rejects(promote(w.at(48), 'alpha', 'beta', { force: 'x' }), {
    message: /2026\.1129\.0 was withdrawn: it loses data/,
  });
  const next = await w.release({ version: '2026.1130.0' });
  await addReport(w, next);
  await setChannel(w.at(), 'alpha', next);
  await promote(w.at(48), 'alpha', 'beta');
  assert.deepEqual(
    (await w.channel('beta')).withdrawn.map(({ version }) => version),
    ['2026.1129.0'],
  );
});

test('halt, resume, withdraw: each costs one signature, and the serial rises', async (t) => {
  const w = await world(t);
  const release = await w.release({ version: '2026.1129.0' });
  await addReport(w, release);
  await assert.rejects(
    setChannel(w.at(), 'alpha', release, { hours: 1.5 }),
    /rollout\/hours must be integer/,
    'every box would refuse that file',
  );
  await setChannel(w.at(), 'alpha', release);
  await haltChannel(w.at(), 'alpha', 'pools vanish');
  assert.equal((await w.channel('alpha')).halted?.reason, 'pools vanish');
  assert.deepEqual((await haltChannel(w.at(), 'alpha', 'pools vanish')).channels, []);
  await assert.rejects(promote(w.at(48), 'alpha', 'beta'), { message: /alpha is halted: pools vanish/ });
  await resumeChannel(w.at(), 'alpha');
  assert.equal((await w.channel('alpha')).halted, undefined);
  const { channels } = await withdrawRelease(w.at(), '2026.1129.0', 'it loses data');
  assert.equal(channels.length, 4);
  await assert.rejects(promote(w.at(48), 'alpha', 'beta', { force: 'x' }), { message: /was withdrawn/ });
  await assert.rejects(withdrawRelease(w.at(), '2026.1.0', 'x'), {
    exitCode: 2,
    message: /is not published/,
  });
  assert.equal((await w.channel('alpha')).serial, 5);
});

test('a channel that is made after a withdrawal does not take the withdrawn release', async (t) => {
  const w = await world(t);
  const release = await w.release({ version: '2026.1129.0' });
  await addReport(w, release);
  await setChannel(w.at(), 'alpha', release);
  await withdrawRelease(w.at(), '2026.1129.0', 'it loses data');
  await initChannels({ ...w.at(), image: 'box' }, ['lab'], { rollout: 0 });
  const refusal = { exitCode: 2, message: /2026\.1129\.0 was withdrawn: it loses data/ };
  await assert.rejects(promote(w.at(), 'alpha', 'lab'), refusal);
  await assert.rejects(setChannel(w.at(), 'lab', '2026.1129.0'), refusal);
  assert.deepEqual(
    (await w.channel('lab')).withdrawn.map(({ version }) => version),
    ['2026.1129.0'],
  );
});

test('a halt in the middle of a rollout: after it, the rollout goes on where it was', async (t) => {
  const w = await world(t);
  await setChannel(w.at(), 'alpha', await w.release({ version: '2026.1129.0' }), { hours: 72 });
  const begins = async () => Date.parse((await w.channel('alpha')).rollout?.begins ?? '');
  const first = await begins(); // 4 hours later
  await haltChannel(w.at(14), 'alpha', 'pools vanish');
  await haltChannel(w.at(50), 'alpha', 'pools vanish, and it was a disk');
  await resumeChannel(w.at(110), 'alpha');
  assert.equal(await begins(), first + (110 - 14) * HOUR, 'ten hours of it are over, as at the halt');
  await haltChannel(w.at(100 + 90), 'alpha', 'again, when all boxes have taken part');
  await resumeChannel(w.at(200), 'alpha');
  assert.equal(await begins(), first + (110 - 14) * HOUR);
});

test('a rollout that begins during a halt begins after it', async (t) => {
  const w = await world(t);
  await haltChannel(w.at(), 'alpha', 'wait');
  await setChannel(w.at(1), 'alpha', await w.release({ version: '2026.1129.0' }), { hours: 72 });
  await resumeChannel(w.at(30), 'alpha');
  const { rollout, issued } = await w.channel('alpha');
  assert.equal(rollout?.begins, issued);
});

test('a withdrawn barrier does not hold up boxes for ever; a release that is gone from the folder can be withdrawn', async (t) => {
  const w = await world(t);
  await setChannel(w.at(), 'alpha', await w.release({ version: '2026.1129.0' }), { barrier: true });
  await setChannel(w.at(1), 'alpha', await w.release({ version: '2026.1130.0' }));
  rmSync(join(w.base, 'box/releases/2026.1129.0'), { recursive: true });
  await withdrawRelease(w.at(2), '2026.1129.0', 'it loses data');
  const { barriers, withdrawn, version } = await w.channel('alpha');
  assert.deepEqual([barriers, withdrawn.length, version], [[], 1, '2026.1130.0']);
  await withdrawRelease(w.at(3), '2026.1130.0', 'it loses data, too');
  await assert.rejects(setChannel(w.at(4), 'alpha', '2026.1130.0', { barrier: true }), /was withdrawn/);
});
