import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { rotateKeys } from '../../../build/release/signing.ts';
import { base64, fromBase64, sha256 } from '../io/sha256.ts';
import { testFolder } from '../io/testing.ts';
import { parseChannel, parseEnvelope, parseRelease, parseRoot } from './documents.ts';
import { channelOf, DIGEST, keptRoot, releaseOf, signDocument, testKeys, verifyingBox } from './testing.ts';
import {
  BUILT_IN_ROOT,
  followRoots,
  KEPT_ROOT,
  OWN_ROOT,
  openChannel,
  openRelease,
  trustedRoot,
  trustedTime,
} from './trust.ts';

const at = (value: object) => JSON.stringify(value);
const expected = { image: 'n100', channel: 'stable', serial: 5 };
const two = { threshold: 2, count: 3, given: [] };

test('SHA-256 and Base64 give the same as Node', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      assert.equal(sha256(bytes), createHash('sha256').update(bytes).digest('hex'));
      const text = Buffer.from(bytes).toString('base64');
      assert.equal(base64(bytes), text.replace(/=+$/, ''));
      assert.deepEqual([...fromBase64(text)], [...bytes]);
    }),
  );
});

test('texts that are not documents are named', () => {
  const read = (text: string) => () => parseEnvelope(text, 'root.json', 'URL');
  assert.throws(read(''), { message: 'root.json is not JSON: it is empty', where: 'URL' });
  assert.throws(read('<!doctype html>'), { message: /it looks like a web page/ });
  assert.throws(read('{"signed": "x", "sig'), { message: /is not JSON/ });
  assert.throws(read('[]'), { message: 'root.json: the document must be an object' });
  assert.throws(read('{"signed":"","signatures":[{"key":"x"}]}'), {
    message: /signatures\[0\]\.key must be/,
  });
});

test('documents: unknown fields are ignored, another format is refused, each fault has its place', () => {
  assert.deepEqual(parseChannel(at({ ...channelOf(), later: 1 }), 'c'), channelOf());
  const full = releaseOf({
    needs: '2026.1101.0',
    root: 2,
    zfs: { version: '2.4.0', features: ['lz4_compress'] },
    notes: 'n',
  });
  assert.deepEqual(parseRelease(at(full), 'r'), full);
  assert.throws(() => parseChannel(at({ ...channelOf(), format: 2 }), 'c'), {
    message: /has format 2, and this release reads 1/,
  });
  const faults: [object, RegExp][] = [
    [channelOf({ serial: 0 }), /serial must be a number from 1/],
    [channelOf({ version: '2026.1' }), /version must be a version/],
    [channelOf({ expires: '2026-12-06T12:00:01Z' }), /at most seven days/],
    [channelOf({ rollout: { begins: 'now', hours: 1 } }), /rollout\.begins must be a time/],
    [channelOf({ barriers: [{ version: '2026.1129.0', release: 'x' }] }), /barriers\[0\]\.release/],
    [{ ...channelOf(), release: undefined }, /both be there, or neither/],
  ];
  for (const [value, message] of faults)
    assert.throws(() => parseChannel(at(value), 'c'), { message, where: 'c' });
  const file = { size: 1, sha256: DIGEST };
  for (const path of ['../x', '/etc/passwd', 'a/../b', 'a//b', '.hidden', 'a\\b', ''])
    assert.throws(
      () => parseRelease(at(releaseOf({ files: { [path]: file } })), 'r'),
      /is not the name of a file/,
      path,
    );
  assert.throws(
    () => parseRelease(at(releaseOf({ usr: { data: 1, hash: 0, hashOffset: 0 } })), 'r'),
    /multiple of 4096/,
  );
});

test('a channel file must be signed, of this channel, and not older than a known one', async (t) => {
  const folder = testFolder(t);
  const keys = join(folder, 'keys');
  const root = await testKeys(keys);
  const { box, options } = verifyingBox(join(folder, 'box'));
  const open = (text: string, changes = {}) =>
    openChannel(box, root, text, 'URL', { ...expected, ...changes }, options);
  const good = await signDocument(keys, 'channel', channelOf());
  assert.deepEqual(open(good), channelOf());

  const changed = JSON.parse(good) as { signed: string };
  changed.signed = changed.signed.replace('"serial":5', '"serial":9');
  assert.throws(() => open(at(changed)), /the channel file has a wrong signature: SHA256:/);
  const byRelease = await signDocument(keys, 'release', channelOf(), { as: 'channel' });
  assert.throws(() => open(byRelease), /has 0 of the 1 signatures/);
  // The right key, but signed as something else.
  const asRelease = await signDocument(keys, 'channel', channelOf(), { as: 'release' });
  assert.throws(() => open(asRelease), /wrong signature/);
  assert.throws(() => open(good, { serial: 6 }), /serial 5, but 6 was accepted before/);
  assert.throws(() => open(good, { channel: 'alpha' }), /the channel stable of n100, not alpha of n100/);
  assert.throws(() => open(good, { image: 'generic' }), /not stable of generic/);
});

test('a release needs the root’s number of different signatures', async (t) => {
  const folder = testFolder(t);
  const keys = join(folder, 'keys');
  const root = await testKeys(keys, { release: two });
  const { box, options } = verifyingBox(join(folder, 'box'));
  const wanted = { image: 'n100', version: '2026.1129.0' };
  const open = (text: string, digest = sha256(text)) =>
    openRelease(box, root, text, 'URL', { ...wanted, release: sha256(text) }, digest, options);
  assert.deepEqual(open(await signDocument(keys, 'release', releaseOf(), { count: 2 })), releaseOf());
  const once = await signDocument(keys, 'release', releaseOf());
  assert.throws(() => open(once), /has 1 of the 2 signatures/);
  const twice = JSON.parse(once) as { signatures: unknown[] };
  twice.signatures.push(twice.signatures[0]);
  assert.throws(() => open(at(twice)), /has 1 of the 2 signatures/, 'one key does not count twice');
  assert.throws(() => open(once, DIGEST), /is not the one that the channel names/);
  const other = await signDocument(keys, 'release', releaseOf({ version: '2026.1130.0' }), { count: 2 });
  assert.throws(() => open(other), /is of n100 2026.1130.0, not of n100 2026.1129.0/);
  const later = await signDocument(keys, 'release', releaseOf({ root: 2 }), { count: 2 });
  assert.throws(() => open(later), /needs root 2, but the trusted root is 1/);
});

test('roots follow one by one, each signed by its own and the previous keys; the newest is kept', async (t) => {
  const folder = testFolder(t);
  const keys = join(folder, 'keys');
  const first = await testKeys(keys, { root: two });
  const { box, options } = verifyingBox(join(folder, 'box'));
  box.writeFile(BUILT_IN_ROOT, keptRoot(keys).text);
  assert.equal(trustedRoot(box).number, 1);
  // The owner's, from the machine config, goes before it.
  box.makeFolder('/etc/draisine');
  box.writeFile(OWN_ROOT, 'not one');
  assert.throws(() => trustedRoot(box), { where: OWN_ROOT });
  box.remove(OWN_ROOT);
  await rotateKeys(keys, 'channel');
  await rotateKeys(keys, 'root', { replace: ['root-1'] });
  const asked: (number | undefined)[] = [];
  const fetchRoot = (number: number | undefined) => {
    asked.push(number);
    return keptRoot(keys, number === undefined ? 'root.json' : `root.${number}.json`);
  };
  const newest = followRoots(box, first, fetchRoot, options);
  assert.equal(newest.number, 3);
  assert.deepEqual(asked, [undefined, 2]);
  assert.deepEqual(trustedRoot(box), newest, 'it is kept');
  const old = await signDocument(keys, 'channel', channelOf());
  assert.throws(() => openChannel(box, first, old, 'URL', expected, options), /0 of the 1/);
  assert.deepEqual(openChannel(box, newest, old, 'URL', expected, options), channelOf());

  assert.throws(
    () => followRoots(box, newest, () => keptRoot(keys, 'root.1.json'), options),
    /root 1, but root 3 is already trusted/,
  );
  const skipped = () => keptRoot(keys);
  assert.throws(() => followRoots(box, first, skipped, options), /root 3 does not follow root 1/);

  const stranger = join(folder, 'stranger');
  await testKeys(stranger, { root: two });
  await rotateKeys(stranger, 'root');
  assert.throws(
    () => followRoots(box, first, () => keptRoot(stranger), options),
    /0 of the 2 signatures.*root 1/,
  );

  box.writeFile(KEPT_ROOT, '{"signed":');
  assert.equal(trustedRoot(box).number, 1, 'a damaged one is left aside');
});

test('a kept root of another chain gives way to the root of the owner', async (t) => {
  const folder = testFolder(t);
  const [theirs, ours] = [join(folder, 'theirs'), join(folder, 'ours')];
  const first = await testKeys(theirs);
  await testKeys(ours);
  const { box, options } = verifyingBox(join(folder, 'box'));
  box.writeFile(BUILT_IN_ROOT, keptRoot(theirs).text);
  for (const number of [2, 3]) {
    await rotateKeys(theirs, 'root');
    followRoots(box, trustedRoot(box), () => keptRoot(theirs), options);
    assert.equal(trustedRoot(box).number, number);
  }
  box.makeFolder('/etc/draisine');
  box.writeFile(OWN_ROOT, keptRoot(ours).text);
  assert.deepEqual(trustedRoot(box), keptRoot(ours).root, 'root 3 of somebody else does not follow it');
  box.remove(OWN_ROOT);
  assert.equal(trustedRoot(box).number, 3);
  box.writeFile(BUILT_IN_ROOT, keptRoot(theirs, 'root.2.json').text);
  assert.equal(trustedRoot(box).number, 3, 'a release with a later root of the same chain');
  const fresh = verifyingBox(join(folder, 'fresh'));
  fresh.box.remove('/var/lib/draisine/update');
  const fetch = (number?: number) => keptRoot(theirs, `root.${number ?? 3}.json`);
  assert.equal(followRoots(fresh.box, first, fetch, fresh.options).number, 3, 'on a new state partition');
});

test('a root cannot name a key twice, nor an unknown key', async (t) => {
  const root = await testKeys(join(testFolder(t), 'keys'));
  const [id = ''] = root.roles.root.keys;
  const another = `SHA256:${'A'.repeat(43)}`;
  const doubled = { ...root, keys: { ...root.keys, [another]: root.keys[id] } };
  assert.throws(() => parseRoot(at(doubled), 'r'), new RegExp(`is the key ${id.replaceAll('+', '\\+')}`));
  const lost = { ...root, roles: { ...root.roles, channel: { threshold: 1, keys: [another] } } };
  assert.throws(() => parseRoot(at(lost), 'r'), /roles\.channel names the key .* which keys does not have/);
  const high = { ...root, roles: { ...root.roles, channel: { threshold: 2, keys: [id, id] } } };
  assert.throws(() => parseRoot(at(high), 'r'), /threshold must be a number from 1 to 1/);
});

test('the time is the latest of clock, build and signed times', (t) => {
  const { box } = verifyingBox(testFolder(t));
  assert.ok(trustedTime(box, 0, 0) >= Date.now() - 1000);
  assert.equal(trustedTime(box, 9e15, 0), 9e15);
  assert.equal(trustedTime(box, 0, 8e15), 8e15);
});
