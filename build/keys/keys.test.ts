import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import { sdkTree } from '../image/sdk.ts';
import { keysFolder, makeKeys, moduleCertificate, signingKey } from './keys.ts';

let folder = '';
let made = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'draisine-keys-'));
  made = join(folder, 'made');
  await makeKeys(await sdkTree('sdk-image'), made);
});
after(() => rm(folder, { recursive: true, force: true }));

/** A copy of the keys that may be spoilt. */
async function copy(name: string): Promise<string> {
  const to = join(folder, name);
  await cp(made, to, { recursive: true });
  return to;
}

async function refusal(keys: string, options: { now?: number } = {}): Promise<Failure> {
  const certificate = await moduleCertificate(keys);
  const error: unknown = await signingKey(certificate ?? '', { folder: keys, ...options }).catch(
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof Failure, 'nothing was refused');
  assert.equal(error.exitCode, 2);
  assert.ok(error.hint);
  return error;
}

test('a pair is made whole, readable by its owner alone, and signs', async () => {
  assert.deepEqual(readdirSync(made).sort(), ['modules.crt', 'modules.key']);
  assert.deepEqual(readdirSync(folder), ['made']);
  assert.equal(statSync(join(made, 'modules.key')).mode & 0o777, 0o600);
  assert.equal(statSync(made).mode & 0o777, 0o700);
  const certificate = await moduleCertificate(made);
  const { key } = await signingKey(certificate ?? '', { folder: made });
  assert.deepEqual(key, { file: join(made, 'modules.key') });
  await assert.rejects(makeKeys('/nonexistent', made), /there are keys already/);
});

test('where the keys are: DRAISINE_KEYS, else the user’s configuration', () => {
  assert.equal(keysFolder({ DRAISINE_KEYS: '/k', XDG_CONFIG_HOME: '/c' }), '/k');
  assert.equal(keysFolder({ XDG_CONFIG_HOME: '/c' }), '/c/draisine/keys');
});

test('no keys is no certificate', async () => {
  assert.equal(await moduleCertificate(join(folder, 'nowhere')), undefined);
});

test('a certificate without its key', async () => {
  const keys = await copy('lost');
  await rm(join(keys, 'modules.key'));
  assert.match((await refusal(keys)).message, /no key to sign with/);
});

test('a key that others can read', async () => {
  const keys = await copy('open');
  chmodSync(join(keys, 'modules.key'), 0o640);
  const { message, hint } = await refusal(keys);
  assert.match(message, /others can read the key \(mode 640\)/);
  assert.match(hint ?? '', /chmod 600/);
});

test('a certificate that has expired, or is not valid yet', async () => {
  const centuries = 200 * 365.25 * 24 * 3600 * 1000;
  for (const now of [Date.now() + centuries, 0])
    assert.match((await refusal(made, { now })).message, /valid from .* to .*, not now/);
});

test('the key of another certificate, and files that are not keys or certificates', async () => {
  const keys = await copy('other');
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  writeFileSync(join(keys, 'modules.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
  assert.match((await refusal(keys)).message, /belongs to another key/);
  writeFileSync(join(keys, 'modules.key'), 'nothing of the kind');
  assert.match((await refusal(keys)).message, /not a usable private key/);
  writeFileSync(join(keys, 'modules.crt'), 'nor this');
  assert.match((await refusal(keys)).message, /not a certificate/);
});

test('a PKCS#11 URI stands for the key', async () => {
  const keys = await copy('token');
  writeFileSync(join(keys, 'modules.key'), 'pkcs11:token=draisine;object=modules\n');
  const { key } = await signingKey(readFileSync(join(keys, 'modules.crt'), 'utf8'), { folder: keys });
  assert.deepEqual(key, { pkcs11: 'pkcs11:token=draisine;object=modules' });
});
