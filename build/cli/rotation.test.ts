import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { sha256 } from '../../sdk/lib/files.ts';
import { promote, refreshChannels, setChannel } from '../release/channel/edit.ts';
import { addReport, type World, world } from '../release/channel/testing.ts';
import { placeOf } from '../release/place.ts';
import { readOwnRoot, rotateKeys } from '../release/signing.ts';
import { makeRelease, signRelease } from '../release/testing.ts';
import { checkReleaseTrust, readRelease } from '../release/verify.ts';
import { releaseReport, releaseSign, releaseVerify } from './release.ts';

const VERSION = '2026.1129.0';

/** A release with a report in alpha, as a barrier, and then a new release key. The verbs use the keys of the world. */
async function rotated(t: TestContext): Promise<World & { dir: string; served: string }> {
  const w = await world(t);
  const dir = await w.release({ version: VERSION });
  await addReport(w, dir);
  await setChannel(w.at(), 'alpha', dir, { barrier: true });
  await rotateKeys(w.keys.folder, 'release');
  const before = process.env.DRAISINE_KEYS;
  process.env.DRAISINE_KEYS = dirname(w.keys.folder);
  t.after(() => {
    if (before === undefined) delete process.env.DRAISINE_KEYS;
    else process.env.DRAISINE_KEYS = before;
  });
  return { ...w, dir, served: join(w.base, 'box/releases', VERSION) };
}

/** What a box checks of the release of a channel: the digest, and a signature of the present root. */
async function checkAsBox(w: World, name: string): Promise<void> {
  const { version, release, barriers } = await w.channel(name);
  const served = await readRelease(placeOf(join(w.base, 'box/releases', version ?? '')));
  assert.equal(release, sha256(served.text));
  for (const each of barriers) assert.equal(each.release, release);
  await checkReleaseTrust(served, (await readOwnRoot(w.keys.folder)).value);
}

test('a release key is rotated between alpha and beta: everything says how to go on, and that way works', async (t) => {
  const w = await rotated(t);
  const old = {
    message: /keys of root 1 have signed it, which root 2 has replaced: boxes do not accept it any more/,
    hint: new RegExp(
      `release sign \\S+${VERSION}\\S*; then, if it is published: ./draisine channel refresh BASE`,
    ),
  };
  await assert.rejects(promote(w.at(30), 'alpha', 'beta'), { exitCode: 2, ...old });
  await assert.rejects(setChannel(w.at(30), 'alpha', w.dir), { exitCode: 2, ...old });
  await assert.rejects(releaseVerify(w.dir, {}), { exitCode: 2, ...old });
  await assert.rejects(refreshChannels(w.at(30), false), {
    exitCode: 1,
    message: /box\/alpha has 2026\.1129\.0: keys of root 1 .*release sign/,
  });
  await releaseSign(w.served, {});
  await assert.rejects(promote(w.at(30), 'alpha', 'beta'), { hint: /signed again: .*channel refresh/ });
  await refreshChannels(w.at(30), false);
  await checkAsBox(w, 'alpha');
  await promote(w.at(31), 'alpha', 'beta');
  await checkAsBox(w, 'beta');
  assert.deepEqual((await refreshChannels(w.at(32), false)).channels, []);
});

test('a release that was signed again elsewhere is set again: every channel names its new signatures', async (t) => {
  const w = await rotated(t);
  await releaseSign(w.dir, {});
  const { channels } = await setChannel(w.at(30), 'alpha', w.dir);
  assert.deepEqual(
    channels.map(({ channel }) => channel),
    ['alpha'],
  );
  await promote(w.at(30), 'alpha', 'beta');
  await rotateKeys(w.keys.folder, 'release');
  await releaseSign(w.dir, {});
  await setChannel(w.at(31), 'alpha', w.dir);
  for (const name of ['alpha', 'beta']) await checkAsBox(w, name);
  assert.equal((await readRelease(placeOf(w.served))).envelope.signatures.length, 3);
  await refreshChannels(w.at(32), false);
});

test('another release under the same version does not get into a channel by its signatures', async (t) => {
  const w = await rotated(t);
  const other = join(w.folder, 'other');
  await makeRelease(w.store, other, { version: VERSION, content: 'evil' });
  const { value } = await readOwnRoot(w.keys.folder);
  await signRelease(other, { folder: w.keys.folder, root: value });
  copyFileSync(join(other, 'release.json'), join(w.served, 'release.json'));
  const { release } = await w.channel('alpha');
  await assert.rejects(refreshChannels(w.at(30), true), {
    message: /release\.json is missing, or is another/,
  });
  assert.equal((await w.channel('alpha')).release, release);
});

test('sign and report refuse a URL: they write into a folder', async () => {
  const refusal = { exitCode: 2, message: /only a folder can be signed/ };
  await assert.rejects(releaseSign('https://updates.example/box', {}), refusal);
  await assert.rejects(releaseReport('https://updates.example/box', ['results.json'], {}), refusal);
});
