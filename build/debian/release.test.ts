import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import { clearSign, makeKey, releaseText, TEST_TIME, type TestKey } from './fixtures-mirror.ts';
import { archiveKeys, readArchiveKeys } from './keys.ts';
import { verifyRelease } from './release.ts';

let key: TestKey;
before(async () => {
  key = await makeKey();
});

const checks = () => ({ suite: 'trixie', where: 'test', keys: [key.publicKey], now: TEST_TIME });

async function refused(text: string | Promise<string>, pattern: RegExp, more: object = {}): Promise<void> {
  await assert.rejects(verifyRelease(await text, { ...checks(), ...more }), (error) => {
    assert.ok(error instanceof Failure, String(error));
    assert.match(error.message, pattern);
    assert.ok(error.where && error.hint, 'it must say where and how to fix');
    return true;
  });
}

test('accepts a signed file, and reads its sums', async () => {
  const files = { 'main/binary-amd64/Packages': Buffer.from('hello') };
  const text = releaseText({ suite: 'trixie', files, validUntil: 'Sat, 17 Jan 2026 10:00:00 UTC' });
  const release = await verifyRelease(await clearSign(text, key), checks());
  assert.equal(release.date, Date.parse('2026-01-10T10:00:00Z') / 1000);
  assert.equal(release.validUntil, Date.parse('2026-01-17T10:00:00Z') / 1000);
  assert.equal(release.byHash, false);
  assert.deepEqual(release.files.get('main/binary-amd64/Packages'), {
    size: 5,
    sha256: '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824',
  });
});

test('refuses a changed text, another key, no signature, no message', async () => {
  const signed = await clearSign(releaseText({ suite: 'trixie' }), key);
  await refused(signed.replace('main/none', 'main/evil'), /no valid signature/);
  await refused(clearSign(releaseText({ suite: 'trixie' }), await makeKey()), /no valid signature/);
  await refused(releaseText({ suite: 'trixie' }), /not an OpenPGP/);
  await refused(`${signed.slice(0, 200)}`, /not an OpenPGP/);
  await refused('', /not an OpenPGP/);
  await refused(signed, /no valid signature/, { keys: [] });
});

test('reads only the signed text', async () => {
  const signed = await clearSign(releaseText({ suite: 'trixie' }), key);
  const around = `Codename: evil\n\n${signed}\nCodename: evil\n`;
  const release = await verifyRelease(around, checks()).catch((error: unknown) => {
    assert.ok(error instanceof Failure);
    return undefined;
  });
  assert.notEqual(release?.suite, 'evil');
});

test('refuses another suite', async () => {
  await refused(clearSign(releaseText({ suite: 'bookworm' }), key), /of suite bookworm, not of trixie/);
});

test('refuses files that are dated in the future, expired, or older than the known one', async () => {
  const dated = (date: string) => clearSign(releaseText({ suite: 'trixie', date }), key);
  await refused(dated('Mon, 12 Jan 2026 12:00:01 UTC'), /future/);
  await verifyRelease(await dated('Sun, 11 Jan 2026 11:00:00 UTC'), checks()); // a day of grace for clocks
  const expired = releaseText({ suite: 'trixie', validUntil: 'Sat, 10 Jan 2026 11:59:59 UTC' });
  await refused(clearSign(expired, key), /valid until/);
  const same = Date.parse('2026-01-10T10:00:00Z') / 1000;
  const text = clearSign(releaseText({ suite: 'trixie' }), key);
  await verifyRelease(await text, { ...checks(), notBefore: same });
  await refused(text, /older than the one in the lock/, { notBefore: same + 1 });
});

test('refuses a Release without a date or sums, or with an unreadable date', async () => {
  await refused(clearSign('Codename: trixie\nDate: yesterday\n', key), /cannot read date/i, {});
  await refused(clearSign('Codename: trixie\n', key), /no Date/);
  await refused(clearSign('Codename: trixie\nDate: Sat, 10 Jan 2026 10:00:00 UTC\n', key), /no SHA256/);
});

test('the committed keys are the pinned ones', async () => {
  const keys = await readArchiveKeys();
  assert.deepEqual(
    keys.map((one) => one.getFingerprint()),
    Object.values(archiveKeys),
  );
});
