import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { checkSecret, fingerprint, isSignedBy, makeSshKey, publicKey, signText } from '../keys/ssh.ts';
import { startToken } from '../keys/testing.ts';
import type { Root } from './format/types.ts';
import {
  makeSigningKeys,
  readOwnRoot,
  rotateKeys,
  type SigningPlan,
  signersFor,
  signersIn,
  signNextRoot,
} from './signing.ts';
import { addSignature, checkSigned, formatEnvelope, type Opened, openEnvelope } from './trust/envelope.ts';
import { checkFresh, checkSuccessor, openRoot } from './trust/root.ts';

const PLAN: SigningPlan = {
  root: { threshold: 2, count: 3, given: [] },
  release: { threshold: 2, count: 2, given: [] },
  channel: { threshold: 1, count: 1, given: [] },
};
let folder = '';
let made = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'draisine-signing-'));
  made = join(folder, 'made');
  await makeSigningKeys(made, PLAN);
});
after(() => rm(folder, { recursive: true, force: true }));

async function copy(name: string): Promise<string> {
  const to = join(folder, name);
  await cp(made, to, { recursive: true });
  return to;
}

const channelText = JSON.stringify({
  ...{ format: 1, image: 'n100', channel: 'alpha', serial: 1 },
  ...{ issued: '2026-11-29T12:00:00Z', expires: '2026-12-06T12:00:00Z', barriers: [], withdrawn: [] },
});

async function signedChannel(keys: string, root: Root): Promise<Opened<'channel'>> {
  const [signer] = await signersFor('channel', root, keys);
  assert.ok(signer);
  const unsigned = { signed: channelText, signatures: [] };
  const envelope = await addSignature(unsigned, 'channel', signer.key, signer.publicKey);
  return await openEnvelope('channel', formatEnvelope(envelope), 'alpha.json');
}

test('keys are made whole, for their owner’s eyes alone, and root 1 is signed by two of three', async () => {
  const names = ['channel-1', 'release-1', 'release-2', 'root-1', 'root-2', 'root-3'];
  const files = [...names, ...names.map((name) => `${name}.pub`), 'root.1.json', 'root.json'].sort();
  assert.deepEqual(readdirSync(made).sort(), files);
  assert.equal(statSync(made).mode & 0o777, 0o700);
  for (const name of names) assert.equal(statSync(join(made, name)).mode & 0o777, 0o600);
  const { value, envelope } = await openRoot(readFileSync(join(made, 'root.json'), 'utf8'), 'root.json');
  assert.equal(value.number, 1);
  assert.equal(envelope.signatures.length, 2);
  assert.equal(value.roles.release.threshold, 2);
  await assert.rejects(makeSigningKeys(made, PLAN), {
    exitCode: 2,
    message: /there are signing keys already/,
  });
  assert.deepEqual(readdirSync(folder), ['made']);
});

test('a fingerprint is the one that ssh-keygen prints', () => {
  const path = join(made, 'root-1.pub');
  const [, printed] = execFileSync('ssh-keygen', ['-l', '-f', path], { encoding: 'utf8' }).split(' ');
  assert.equal(fingerprint(publicKey(readFileSync(path, 'utf8'), path)), printed);
  assert.throws(() => publicKey('ssh-rsa AAAA x', 'p'), { exitCode: 2 });
});

test('a signature is over the very text, in one namespace, by one key', async () => {
  const [one, two] = await signersIn(made);
  assert.ok(one && two);
  const signature = await signText('text\n', 'draisine-channel', one.key);
  assert.equal(await isSignedBy('text\n', 'draisine-channel', one.publicKey, signature), true);
  assert.equal(await isSignedBy('text', 'draisine-channel', one.publicKey, signature), false);
  assert.equal(await isSignedBy('text\n', 'draisine-release', one.publicKey, signature), false);
  assert.equal(await isSignedBy('text\n', 'draisine-channel', two.publicKey, signature), false);
  assert.equal(await isSignedBy('text\n', 'draisine-channel', one.publicKey, 'garbage'), false);
});

test('a private key that others can read is refused before it signs', async () => {
  const keys = await copy('open');
  chmodSync(join(keys, 'channel-1'), 0o644);
  const refusal = { exitCode: 2, message: /others can read the key \(mode 644\)/ };
  await assert.rejects(checkSecret(join(keys, 'channel-1')), refusal);
  await assert.rejects(signText('x', 'draisine-channel', join(keys, 'channel-1.pub')), refusal);
});

test('a threshold counts different good signatures of the role', async () => {
  const { value: root } = await readOwnRoot(made);
  const [first, second] = await signersFor('release', root, made);
  const [stranger] = await signersFor('channel', root, made);
  assert.ok(first && second && stranger);
  const release = {
    ...{ format: 1, image: 'n100', version: '2026.1129.0', date: '2026-11-29T12:00:00Z', kernel: '6' },
    ...{ rootHash: 'a'.repeat(64), usr: { data: 0, hash: 0, hashOffset: 0 }, files: {}, severity: 'none' },
  };
  let envelope = { signed: JSON.stringify(release), signatures: [] as { key: string; sshsig: string }[] };
  const check = async () =>
    await checkSigned(
      await openEnvelope('release', formatEnvelope(envelope), 'release.json'),
      'release',
      root,
    );
  const lacks = (message: RegExp) => assert.rejects(check(), { exitCode: 2, message });
  await lacks(/^0 of the 2 signatures/);
  envelope = await addSignature(envelope, 'release', first.key, first.publicKey);
  envelope = await addSignature(envelope, 'release', first.key, first.publicKey);
  await lacks(/^1 of the 2 signatures/);
  envelope = await addSignature(envelope, 'release', stranger.key, stranger.publicKey);
  await lacks(/^1 of the 2 signatures .* not good: SHA256:/);
  // A second entry of the first key under the second's name.
  const forged = { key: second.id, sshsig: envelope.signatures[0]!.sshsig };
  const honest = envelope;
  envelope = { ...envelope, signatures: [...envelope.signatures, forged] };
  await lacks(/^1 of the 2 signatures/);
  envelope = await addSignature(honest, 'release', second.key, second.publicKey);
  await check();
  envelope = { ...envelope, signed: envelope.signed.replace('2026.1129.0', '2026.1129.1') };
  await lacks(/^0 of the 2 signatures/);
});

test('a lost online key: another takes its place, the old one signs nothing more', async () => {
  const keys = await copy('online');
  const { value: one } = await readOwnRoot(keys);
  const old = await signedChannel(keys, one);
  rmSync(join(keys, 'channel-1'));
  const { root: two, missing } = await rotateKeys(keys, 'channel');
  assert.deepEqual(missing, []);
  assert.equal(two.number, 2);
  await checkSuccessor(one, await openRoot(readFileSync(join(keys, 'root.2.json'), 'utf8'), 'root.2.json'));
  await checkSigned(await signedChannel(keys, two), 'channel', two);
  await assert.rejects(checkSigned(old, 'channel', two), { exitCode: 2, message: /^0 of the 1/ });
  assert.ok(existsSync(join(keys, 'retired', 'channel-1.pub')));
});

test('one root key lost: the others put another in its place; two lost: nothing can', async () => {
  const keys = await copy('root-lost');
  const { value: one } = await readOwnRoot(keys);
  rmSync(join(keys, 'root-2'));
  const { root: two, missing } = await rotateKeys(keys, 'root', { replace: ['root-2'] });
  assert.deepEqual(missing, []);
  assert.equal(two.roles.root.keys.length, 3);
  const next = await openRoot(readFileSync(join(keys, 'root.json'), 'utf8'), 'root.json');
  await checkSuccessor(one, next);
  await assert.rejects(checkSuccessor(two, next), { exitCode: 2, message: /root 2 does not follow root 2/ });
  for (const name of ['root-1', 'root-3']) rmSync(join(keys, name));
  const stuck = await rotateKeys(keys, 'root', { replace: ['root-1', 'root-3'] });
  assert.match(stuck.missing.join(' '), /1 more of the root keys of root 2/);
  assert.equal((await readOwnRoot(keys)).value.number, 2, 'what is in place stays');
});

test('root keys in two places: the new root waits until both have signed', async () => {
  const [here, there] = [await copy('here'), await copy('there')];
  for (const name of ['root-2', 'root-3']) rmSync(join(here, name));
  const half = await rotateKeys(here, 'release', { replace: ['release-1'] });
  assert.match(half.missing.join(' '), /1 more of the root keys of root 1/);
  assert.equal((await readOwnRoot(here)).value.number, 1);
  await assert.rejects(rotateKeys(here, 'channel'), { exitCode: 2, message: /waits for its signatures/ });
  await assert.rejects(signNextRoot(there), { exitCode: 2, message: /no new root waits/ });
  rmSync(join(there, 'root-1'));
  await cp(join(here, 'root-next.json'), join(there, 'root-next.json'));
  const { missing } = await signNextRoot(there);
  assert.deepEqual(missing, []);
  assert.equal((await readOwnRoot(there)).value.number, 2);
  assert.equal(existsSync(join(there, 'root-next.json')), false);
});

test('a new root that others have overtaken does not bring the root of trust back', async () => {
  const keys = await copy('overtaken');
  const waiting = await copy('waiting');
  for (const name of ['root-2', 'root-3']) await rm(join(waiting, name));
  assert.ok((await rotateKeys(waiting, 'channel')).missing.length > 0);
  const next = readFileSync(join(waiting, 'root-next.json'), 'utf8');
  await rotateKeys(keys, 'release');
  await rotateKeys(keys, 'channel');
  writeFileSync(join(keys, 'root-next.json'), next);
  await assert.rejects(signNextRoot(keys), { exitCode: 2, message: /^root 2 does not follow .* root 3$/ });
  assert.equal((await readOwnRoot(keys)).value.number, 3);
  // As after an interruption between the new root and the removal of this file.
  writeFileSync(join(keys, 'root-next.json'), readFileSync(join(keys, 'root.json')));
  assert.deepEqual((await signNextRoot(keys)).missing, []);
  assert.equal(existsSync(join(keys, 'root-next.json')), false);
  assert.equal((await readOwnRoot(keys)).value.number, 3);
});

test('a key that the role has already, twice the same one, or one too many is refused before anything is written', async () => {
  const keys = await copy('twice');
  const other = join(folder, 'other');
  await makeSshKey(other, 'other');
  const before = readdirSync(keys);
  const given = (replace: string[], ...use: string[]) => rotateKeys(keys, 'release', { replace, given: use });
  const known = { exitCode: 2, message: /^the role release has this key already/ };
  await assert.rejects(given(['release-1'], join(keys, 'release-2.pub')), known);
  await assert.rejects(given(['release-1', 'release-2'], `${other}.pub`, `${other}.pub`), known);
  await assert.rejects(given(['release-1'], `${other}.pub`, `${other}.pub`), {
    message: /^2 keys are given/,
  });
  assert.deepEqual(readdirSync(keys), before);
  await given(['release-1'], `${other}.pub`);
});

test('an expired root, and one with a new date', async () => {
  const keys = await copy('late');
  const opened = await readOwnRoot(keys);
  const later = Date.now() + 400 * 86_400_000;
  checkFresh(opened, Date.now());
  assert.throws(() => checkFresh(opened, later), { exitCode: 2, message: /the root expired at/ });
  const { root } = await rotateKeys(keys, 'root', { replace: [], now: later });
  assert.deepEqual(root.roles, opened.value.roles);
  checkFresh(await readOwnRoot(keys), later);
});

/** ssh-keygen asks the agent at this socket until the test ends. */
function useAgent(t: TestContext, socket: string): void {
  const before = process.env.SSH_AUTH_SOCK;
  process.env.SSH_AUTH_SOCK = socket;
  t.after(() => {
    if (before === undefined) delete process.env.SSH_AUTH_SOCK;
    else process.env.SSH_AUTH_SOCK = before;
  });
}

test('keys of an agent: only their public halves are in the folder', async (t) => {
  const socket = join(folder, 'agent');
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
  t.after(() => agent.kill());
  while (!existsSync(socket)) await new Promise((resolve) => setTimeout(resolve, 20));
  useAgent(t, socket);
  const away = join(folder, 'away');
  await makeSshKey(away, 'elsewhere');
  execFileSync('ssh-add', ['-q', away]);
  rmSync(away);
  const keys = join(folder, 'agents');
  const root = { threshold: 1, count: 1, given: [`${away}.pub`] };
  const { value } = await makeSigningKeys(keys, { ...PLAN, root });
  assert.equal(existsSync(join(keys, 'root-1')), false);
  assert.equal(value.roles.root.keys[0], fingerprint(publicKey(readFileSync(`${away}.pub`, 'utf8'), away)));
  execFileSync('ssh-add', ['-q', '-D']);
  const { missing } = await rotateKeys(keys, 'channel');
  assert.match(
    missing.join('; '),
    /1 more of the root keys of root 1; 1 more of the root keys of root 2; root-1: cannot sign/,
  );
  writeFileSync(`${away}.pub`, 'nonsense');
  const spoilt = makeSigningKeys(join(folder, 'spoilt'), { ...PLAN, root });
  await assert.rejects(spoilt, { exitCode: 2, message: /not a usable public key/ });
  assert.equal(existsSync(join(folder, 'spoilt')), false);
});

test('a hardware key (sk-ssh-ed25519) signs releases through an agent, and OpenSSH verifies that; untouched it signs nothing', async (t) => {
  const socket = join(folder, 'token-agent');
  const token = await startToken(t, socket);
  useAgent(t, socket);
  const file = join(folder, 'token.pub');
  writeFileSync(file, `${token.publicKey}\n`);
  const keys = join(folder, 'with-token');
  const release = { threshold: 1, count: 1, given: [file] };
  const { value: root } = await makeSigningKeys(keys, { ...PLAN, release });
  const [signer] = await signersFor('release', root, keys);
  assert.ok(signer);
  const signature = await signText('text\n', 'draisine-release', signer.key);
  assert.equal(token.signatures(), 1, 'the token made it');
  assert.equal(await isSignedBy('text\n', 'draisine-release', signer.publicKey, signature), true);
  assert.equal(await isSignedBy('text', 'draisine-release', signer.publicKey, signature), false);
  assert.equal(await isSignedBy('text\n', 'draisine-channel', signer.publicKey, signature), false);
  token.touched = false;
  await assert.rejects(signText('text\n', 'draisine-release', signer.key), {
    message: /cannot sign with this key/,
    hint: /touched/,
  });
});
