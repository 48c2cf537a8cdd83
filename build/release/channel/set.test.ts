import assert from 'node:assert/strict';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { sha256 } from '../../../sdk/lib/files.ts';
import { makeRelease } from '../testing.ts';
import { haltChannel, initChannels, refreshChannels, setChannel } from './edit.ts';
import { HOUR, snapshot, world } from './testing.ts';

test('init: a root, its history, and four channels; again it touches nothing', async (t) => {
  const { base, at, channel } = await world(t);
  assert.deepEqual(readdirSync(base).sort(), ['box', 'root.1.json', 'root.json']);
  assert.deepEqual(readdirSync(join(base, 'box')).sort(), [
    'alpha.json',
    'beta.json',
    'lts.json',
    'stable.json',
  ]);
  const beta = await channel('beta');
  assert.equal(beta.serial, 1);
  assert.equal(beta.policy?.from, 'alpha');
  assert.equal(Date.parse(beta.expires) - Date.parse(beta.issued), 7 * 24 * HOUR);
  const before = snapshot(base);
  assert.deepEqual((await initChannels({ ...at(), image: 'box' }, [], undefined)).channels, []);
  const after = snapshot(base);
  delete before[''];
  assert.deepEqual(after, before);
  await initChannels({ ...at(), image: 'box' }, ['beta'], { hours: 1 });
  assert.deepEqual((await channel('beta')).policy, { from: 'alpha', hours: 1, failed: 0.02, rollout: 24 });
});

test('set: the release is served whole, by digest; the same again moves no byte, in no time', async (t) => {
  const w = await world(t);
  const release = await w.release({ version: '2026.1129.0' });
  const { moved } = await setChannel(w.at(), 'alpha', release, { hours: 48 });
  const served = join(w.base, 'box/releases/2026.1129.0');
  assert.deepEqual(readdirSync(served).sort(), readdirSync(release).sort());
  for (const file of readdirSync(release))
    assert.deepEqual(readFileSync(join(served, file)), readFileSync(join(release, file)));
  assert.ok(moved > 0);
  const alpha = await w.channel('alpha');
  assert.equal(alpha.version, '2026.1129.0');
  assert.equal(alpha.release, sha256(readFileSync(join(served, 'release.json'))));
  assert.deepEqual(alpha.rollout?.hours, 48);
  assert.equal(alpha.serial, 2);
  const before = snapshot(w.base);
  const began = performance.now();
  assert.deepEqual(await setChannel(w.at(1), 'alpha', release), { channels: [], moved: 0 });
  assert.ok(performance.now() - began < 5000);
  assert.deepEqual(snapshot(w.base), before);
});

test('set again: a barrier and other times of a rollout are taken over, and the release does not move', async (t) => {
  const w = await world(t);
  const release = await w.release({ version: '2026.1129.0' });
  await setChannel(w.at(), 'alpha', release, { hours: 48 });
  const { rollout } = await w.channel('alpha');
  const again = await setChannel(w.at(1), 'alpha', '2026.1129.0', { hours: 24, barrier: true });
  assert.equal(again.moved, 0);
  const { barriers, rollout: next, since, serial } = await w.channel('alpha');
  assert.deepEqual(
    barriers.map(({ version }) => version),
    ['2026.1129.0'],
  );
  assert.deepEqual(next, { begins: rollout?.begins, hours: 24 });
  assert.equal(serial, 3);
  assert.ok(since !== undefined);
  assert.deepEqual((await setChannel(w.at(2), 'alpha', '2026.1129.0', { barrier: true })).channels, []);
});

test('a publisher whose clock is behind the last file writes nothing', async (t) => {
  const w = await world(t);
  await setChannel(w.at(2), 'alpha', await w.release({ version: '2026.1129.0' }));
  const before = snapshot(w.base);
  await assert.rejects(
    setChannel(w.at(0), 'alpha', '2026.1129.0', { barrier: true }),
    /^Failure: the present file was issued at /,
  );
  assert.deepEqual(snapshot(w.base), before);
});

test('versions only rise, and a published release never changes', async (t) => {
  const w = await world(t);
  await setChannel(w.at(), 'alpha', await w.release({ version: '2026.1129.1' }));
  const older = await w.release({ version: '2026.1129.0' });
  await assert.rejects(setChannel(w.at(), 'alpha', older), { exitCode: 2, message: /does not rise/ });
  await assert.rejects(setChannel(w.at(), 'alpha', older, { force: 'please' }), { message: /does not rise/ });
  const other = await w.release({ version: '2026.1129.1', content: 'other' });
  const before = snapshot(w.base);
  await assert.rejects(setChannel(w.at(), 'alpha', other), {
    exitCode: 2,
    message: /published already, with other bytes/,
  });
  assert.deepEqual(snapshot(w.base), before);
  assert.equal((await w.channel('alpha')).version, '2026.1129.1');
});

test('an unsigned or damaged release is not published', async (t) => {
  const w = await world(t);
  const release = await w.release({ version: '2026.1129.0' });
  const cut = join(w.folder, 'cut');
  cpSync(release, cut, { recursive: true });
  chmodSync(join(cut, 'usr.img'), 0o600);
  writeFileSync(join(cut, 'usr.img'), 'cut');
  await assert.rejects(setChannel(w.at(), 'alpha', cut), { exitCode: 1, message: /usr\.img has 3 bytes/ });
  const unsigned = join(w.folder, 'unsigned');
  await makeRelease(w.store, unsigned, { version: '2026.1129.0' });
  await assert.rejects(setChannel(w.at(), 'alpha', unsigned), { exitCode: 2, message: /^0 of the 1/ });
  assert.equal(existsSync(join(w.base, 'box/releases')), false);
  await assert.rejects(setChannel(w.at(), 'alpha', '2026.1129.9'), {
    exitCode: 2,
    message: /no release\.json/,
  });
  await assert.rejects(setChannel(w.at(), 'gamma', release), { exitCode: 2, message: /no channel gamma/ });
});

test('refresh renews the channels, and then names a release that boxes could not fetch', async (t) => {
  const w = await world(t);
  const release = await w.release({ version: '2026.1129.0' });
  await setChannel(w.at(), 'alpha', release);
  const served = join(w.base, 'box/releases/2026.1129.0');
  rmSync(join(served, 'usr.img'));
  const refused = (message: RegExp) =>
    assert.rejects(refreshChannels(w.at(), true), { exitCode: 1, message, hint: /publish it again/ });
  await refused(
    /^boxes cannot install .*: box\/alpha has 2026\.1129\.0: usr\.img is missing, or has another size$/,
  );
  assert.equal((await w.channel('alpha')).serial, 3);
  await setChannel(w.at(), 'alpha', release);
  await refreshChannels(w.at(), true);
  writeFileSync(join(served, 'release.json'), '{');
  const { serial } = await w.channel('alpha');
  await refused(/release\.json is missing, or is another one/);
  assert.equal((await w.channel('alpha')).serial, serial + 1, 'renewed nevertheless');
  rmSync(served, { recursive: true });
  await refused(/release\.json is missing, or is another one/);
});

test('set: a wrong channel or image is told before a release is copied', async (t) => {
  const w = await world(t);
  const release = await w.release({ version: '2026.1129.0' });
  const before = snapshot(w.base);
  for (const [name, where, message] of [
    ['gamma', w.at(), /there is no channel gamma of box/],
    ['stable', w.at(), /stable takes releases from beta/],
    ['alpha', { ...w.at(), image: 'nas' }, /the release is of box, not of nas/],
  ] as const)
    await assert.rejects(setChannel(where, name, release), { message });
  assert.deepEqual(snapshot(w.base), before);
  const other = { ...w.at(), folder: join(w.folder, 'other') };
  await initChannels({ ...other, image: 'nas' }, [], undefined);
  await assert.rejects(setChannel(other, 'alpha', release), {
    exitCode: 2,
    message: /no channel alpha of box/,
  });
});

test('a name that boxes refuse makes nothing; folders that are no images do not count, links to images do', async (t) => {
  const w = await world(t);
  const fresh = { ...w.at(), folder: join(w.folder, 'fresh') };
  await assert.rejects(initChannels({ ...fresh, image: 'Box' }, [], undefined), {
    exitCode: 2,
    message: /"Box"/,
  });
  await assert.rejects(initChannels({ ...fresh, image: 'box' }, ['../x'], undefined), { exitCode: 2 });
  assert.ok(!existsSync(fresh.folder));
  mkdirSync(join(w.base, 'lost+found'), { mode: 0 });
  renameSync(join(w.base, 'box'), join(w.folder, 'disk'));
  symlinkSync(join(w.folder, 'disk'), join(w.base, 'box'));
  await setChannel(w.at(), 'alpha', await w.release({ version: '2026.1129.0' }));
  assert.equal((await refreshChannels(w.at(90), false)).channels.length, 4);
  assert.equal((await haltChannel(w.at(91), 'alpha', 'x')).channels.length, 1);
});
