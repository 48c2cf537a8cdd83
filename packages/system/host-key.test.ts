import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

/* The script that makes the SSH host key, with the host's ssh-keygen. */

const SCRIPT = fileURLToPath(new URL('../overlays/system/usr/lib/draisine/host-key', import.meta.url));

/** Runs the script on a machine with this private key. The key is made of `given`, which gets a good one. */
function boot(t: TestContext, given?: (good: string) => string, mode = 0o600) {
  const folder = mkdtempSync(join(tmpdir(), 'draisine-host-key-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const key = join(folder, 'ssh_host_ed25519_key');
  const text = (path = key) => readFileSync(path, 'utf8');
  let before = '';
  if (given) {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', key]);
    before = given(text());
    writeFileSync(key, before);
    chmodSync(key, mode);
  }
  const script = readFileSync(SCRIPT, 'utf8')
    .replace('cd /etc/ssh', `cd ${folder}`)
    .replaceAll('/run/draisine', `${folder}/run`);
  const { status, stderr } = spawnSync('sh', ['-c', script], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  // The public key belongs to the private one, and sshd gets it from there.
  const made = execFileSync('ssh-keygen', ['-y', '-P', '', '-f', key], { encoding: 'utf8' });
  assert.equal(text(`${key}.pub`).trim(), made.trim());
  assert.equal(statSync(key).mode & 0o777, 0o600);
  const problem = join(folder, 'run/problems/host-key');
  return {
    isKept: text() === before,
    before,
    unusable: existsSync(`${key}.unusable`) ? text(`${key}.unusable`) : undefined,
    problem: existsSync(problem) ? text(problem) : undefined,
    left: readdirSync(folder).filter((name) => name.startsWith('.')),
  };
}

test('a machine without a host key gets one', (t) => {
  for (const given of [undefined, () => '']) {
    const { problem, unusable, left } = boot(t, given);
    assert.deepEqual([problem, unusable, left], [undefined, undefined, []]);
  }
});

test('a good key stays', (t) => {
  const { isKept, problem } = boot(t, (good) => good);
  assert.deepEqual([isKept, problem], [true, undefined]);
});

test('a key that others may read stays, with the mode that sshd wants', (t) => {
  const { isKept, problem } = boot(t, (good) => good, 0o644);
  assert.equal(isKept, true);
  assert.match(problem ?? '', /others could read the SSH host key/);
});

test('a key that sshd cannot use makes room for a new one, and the owner is told', (t) => {
  const spoilt: ((good: string) => string)[] = [
    (good) => good.trimEnd(), // OpenSSH wants the last line feed.
    (good) => good.replaceAll('\n', '\r\n'),
    () => 'no key\n',
  ];
  for (const spoil of spoilt) {
    const { isKept, before, unusable, problem } = boot(t, spoil);
    assert.deepEqual([isKept, unusable], [false, before]);
    assert.match(problem ?? '', /cannot use the SSH host key .*the machine has a new one/);
  }
});
