import assert from 'node:assert/strict';
import { chmodSync, cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseFormat } from '../format/read.ts';
import { rotateKeys } from '../signing.ts';
import { testKeys } from '../testing.ts';
import { haltChannel, refreshChannels, setChannel } from './edit.ts';
import { addReport, HOUR, snapshot, world } from './testing.ts';

test('refresh: renewed when half its time is over; a replaced key signs nothing more', async (t) => {
  const w = await world(t);
  const files = snapshot(w.base);
  assert.deepEqual((await refreshChannels(w.at(80), false)).channels, []);
  assert.deepEqual(snapshot(w.base), files);
  assert.equal((await refreshChannels(w.at(90), false)).channels.length, 4);
  const stolen = await w.channel('alpha');
  await rotateKeys(w.keys.folder, 'channel');
  const { channels } = await refreshChannels(w.at(91), false);
  assert.deepEqual(
    channels.map(({ serial }) => serial),
    [3, 3, 3, 3],
  );
  assert.equal((await w.channel('alpha')).serial, stolen.serial + 1);
  assert.deepEqual(readdirSync(w.base).sort(), ['box', 'root.1.json', 'root.2.json', 'root.json']);
});

test('a file of the far future, by a wrong clock or a thief: a new channel key ends it', async (t) => {
  const w = await world(t);
  await refreshChannels(w.at(1000), true);
  await assert.rejects(refreshChannels(w.at(1), true), {
    exitCode: 2,
    message: /the present file was issued at/,
    hint: /keys rotate channel, then channel refresh/,
  });
  await rotateKeys(w.keys.folder, 'channel');
  await refreshChannels(w.at(1), false);
  const { issued, expires } = await w.channel('alpha');
  assert.ok(Math.abs(Date.parse(issued) - w.at(1).now) < 1000, issued);
  assert.equal(Date.parse(expires) - Date.parse(issued), 7 * 24 * HOUR);
});

test('roots: an expired one signs nothing, an older one than is published neither, nor another one', async (t) => {
  const w = await world(t);
  await assert.rejects(refreshChannels(w.at(366 * 24), true), { exitCode: 2, message: /the root expired/ });
  const old = join(w.folder, 'old-keys');
  cpSync(w.keys.folder, old, { recursive: true });
  await rotateKeys(w.keys.folder, 'channel');
  await refreshChannels(w.at(), false);
  await assert.rejects(refreshChannels({ ...w.at(), keys: old }, true), {
    exitCode: 2,
    message: /root 2 is published, the keys here have root 1/,
  });
  const strangers = (await testKeys(t)).folder;
  await rotateKeys(strangers, 'channel');
  await assert.rejects(refreshChannels({ ...w.at(), keys: strangers }, true), {
    exitCode: 2,
    message: /another root of trust/,
  });
});

test('roots: keys that are not of the folder change nothing there, also if their root has a higher number', async (t) => {
  const w = await world(t);
  const before = snapshot(w.base);
  const strangers = (await testKeys(t)).folder;
  await rotateKeys(strangers, 'channel');
  const refusal = { exitCode: 2, message: /another root of trust/ };
  await assert.rejects(refreshChannels({ ...w.at(), keys: strangers }, true), refusal);
  rmSync(join(strangers, 'root.1.json'));
  await assert.rejects(refreshChannels({ ...w.at(), keys: strangers }, true), { exitCode: 2 });
  assert.deepEqual(snapshot(w.base), before);
});

test('roots: no box is left behind by a root that it cannot follow to', async (t) => {
  const w = await world(t);
  const before = snapshot(w.base);
  for (let count = 0; count < 3; count++) await rotateKeys(w.keys.folder, 'release');
  const [second, fourth] = [2, 4].map((number) => join(w.keys.folder, `root.${number}.json`)) as [
    string,
    string,
  ];
  const text = readFileSync(second);
  rmSync(second);
  rmSync(fourth); // it is root.json
  await assert.rejects(refreshChannels(w.at(), false), {
    exitCode: 2,
    message: /root 1 is published, and boxes need root 2 to follow to root 4/,
    hint: /bring root\.2\.json to/,
  });
  assert.deepEqual(snapshot(w.base), before);
  writeFileSync(second, text);
  rmSync(join(w.keys.folder, 'root.1.json')); // it is published
  await refreshChannels(w.at(), false);
  const served = ['box', 'root.1.json', 'root.2.json', 'root.3.json', 'root.4.json', 'root.json'];
  assert.deepEqual(readdirSync(w.base).sort(), served);
});

test('a channel file signed by an unknown key is refused', async (t) => {
  const w = await world(t);
  const path = join(w.base, 'box/alpha.json');
  const { signed, signatures } = await parseFormat('envelope', readFileSync(path, 'utf8'), path);
  writeFileSync(path, JSON.stringify({ signed: signed.replace('"serial": 1', '"serial": 9'), signatures }));
  await assert.rejects(haltChannel(w.at(), 'alpha', 'x'), { exitCode: 2, message: /^0 of the 1/ });
});

test('a key that others can read, or that is lost, signs nothing', async (t) => {
  const w = await world(t);
  chmodSync(join(w.keys.folder, 'channel-1'), 0o640);
  const before = snapshot(w.base);
  await assert.rejects(haltChannel(w.at(), 'alpha', 'x'), {
    exitCode: 2,
    message: /others can read the key/,
  });
  rmSync(join(w.keys.folder, 'channel-1'));
  await assert.rejects(haltChannel(w.at(), 'alpha', 'x'), {
    exitCode: 1,
    message: /no channel key here can sign/,
    hint: /keys rotate channel/,
  });
  assert.deepEqual(snapshot(w.base), before);
});

test('no private key is in the store, in a release, or in the served folder', async (t) => {
  const w = await world(t);
  const release = await w.release({ version: '2026.1129.0' });
  await addReport(w, release);
  await setChannel(w.at(), 'alpha', release);
  const secrets = ['root-1', 'release-1', 'channel-1'].map((name) => {
    const lines = readFileSync(join(w.keys.folder, name), 'utf8').split('\n');
    return lines[2] ?? assert.fail(name); // the private half begins there, after the public one
  });
  let files = 0;
  for (const folder of [w.store.root, w.base, release])
    for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      const path = join(folder, file);
      if (!statSync(path).isFile()) continue;
      const text = readFileSync(path, 'latin1');
      files++;
      for (const secret of [...secrets, 'OPENSSH PRIVATE KEY']) assert.ok(!text.includes(secret), path);
    }
  assert.ok(files > 30);
});
