import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isSignedBy, makeSshKey, publicKey, signText } from './ssh.ts';
import { isEd25519Signed } from './sshsig.ts';

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'draisine-sshsig-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The verdict of ssh-keygen. */
function accepts(folder: string, text: string, namespace: string, key: string, signature: string): boolean {
  const [signers, file] = [join(folder, 'signers'), join(folder, 'signature')];
  writeFileSync(signers, `draisine namespaces="${namespace}" ${key}\n`);
  writeFileSync(file, signature);
  const args = ['-Y', 'verify', '-n', namespace, '-I', 'draisine', '-f', signers, '-s', file];
  return spawnSync('ssh-keygen', args, { input: text }).status === 0;
}

const armoured = (bytes: Buffer) =>
  `-----BEGIN SSH SIGNATURE-----\n${bytes.toString('base64').replace(/(.{70})/g, '$1\n')}\n-----END SSH SIGNATURE-----\n`;
const bytesOf = (signature: string) => Buffer.from(signature.replace(/-----.*-----/g, ''), 'base64');

test('signatures of ssh-keygen are accepted, and nothing else', async (t) => {
  const folder = await folderFor(t);
  const [path, other] = [join(folder, 'key'), join(folder, 'other')];
  await makeSshKey(path, 'comment');
  await makeSshKey(other, 'comment');
  const [key, stranger] = [path, other].map((of) => publicKey(readFileSync(`${of}.pub`, 'utf8'), of)) as [
    string,
    string,
  ];
  for (const text of ['', 'one line', 'Grüße\n'.repeat(10_000)]) {
    const signature = await signText(text, 'draisine-store', path);
    assert.equal(isEd25519Signed(text, 'draisine-store', key, signature), true);
    assert.equal(isEd25519Signed(`${text} `, 'draisine-store', key, signature), false);
    assert.equal(isEd25519Signed(text, 'draisine-root', key, signature), false);
    assert.equal(isEd25519Signed(text, 'draisine-store', stranger, signature), false);
    assert.equal(isEd25519Signed(text, 'draisine-store', key, `x${signature}`), false);
  }
  const sha256 = spawnSync(
    'ssh-keygen',
    ['-Y', 'sign', '-q', '-n', 'a', '-O', 'hashalg=sha256', '-f', path],
    {
      input: 'text',
      encoding: 'utf8',
    },
  ).stdout;
  assert.equal(isEd25519Signed('text', 'a', key, sha256), true);
});

test('each byte of a signature counts; ssh-keygen says the same', async (t) => {
  const folder = await folderFor(t);
  const path = join(folder, 'key');
  await makeSshKey(path, 'comment');
  const key = publicKey(readFileSync(`${path}.pub`, 'utf8'), path);
  const bytes = bytesOf(await signText('text', 'a', path));
  assert.equal(isEd25519Signed('text', 'a', key, armoured(bytes)), true);
  const changed = [...bytes.keys()].map((at) => {
    const copy = Buffer.from(bytes);
    copy[at] = (copy[at] ?? 0) ^ 1;
    return copy;
  });
  const cut = [...bytes.keys()].map((at) => bytes.subarray(0, at));
  const longer = [Buffer.concat([bytes, Buffer.from([0])]), Buffer.concat([bytes, Buffer.alloc(4)])];
  for (const wrong of [...changed, ...cut, ...longer])
    assert.equal(isEd25519Signed('text', 'a', key, armoured(wrong)), false, wrong.toString('hex'));
  for (const wrong of [...changed.filter((_, at) => at % 23 === 0), ...longer])
    assert.equal(accepts(folder, 'text', 'a', key, armoured(wrong)), false, wrong.toString('hex'));
});

test('keys of other types are left to ssh-keygen', async (t) => {
  const folder = await folderFor(t);
  const path = join(folder, 'key');
  spawnSync('ssh-keygen', ['-q', '-t', 'ecdsa', '-b', '256', '-N', '', '-f', path]);
  const key = publicKey(readFileSync(`${path}.pub`, 'utf8'), path);
  const signature = await signText('text', 'a', path);
  assert.equal(isEd25519Signed('text', 'a', key, signature), false);
  assert.equal(await isSignedBy('text', 'a', key, signature), true);
  assert.equal(await isSignedBy('other', 'a', key, signature), false);
});
