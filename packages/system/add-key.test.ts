import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

/* The script that adds keys of a stick, with fake disks, mount and ssh-keygen. */

const SCRIPT = fileURLToPath(new URL('../overlays/system/usr/lib/draisine/add-key', import.meta.url));
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB new@example';
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'draisine-add-key-'));
  mkdirSync(join(folder, 'bin'));
  mkdirSync(join(folder, 'root'));
  const program = (name: string, script: string): void => {
    writeFileSync(join(folder, 'bin', name), `#!/bin/sh\n${script}`);
    chmodSync(join(folder, 'bin', name), 0o755);
  };
  program('mount', `cp -r "$3"/. "$4"; echo "$2" >>${folder}/mounted\n`);
  program('umount', 'rm -rf "$1"; mkdir "$1"\n');
  program('ssh-keygen', 'read -r kind key name; [ "$key" != broken ] && echo "256 SHA256:x $name"\n');
  program('sleep', 'exit 0\n');
  writeFileSync(join(folder, 'list'), '');
  program('lsblk', `cat ${folder}/list\n`);
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A partition, by its path below /dev/disk, with a file of keys on it. All but the EFI system partition have the label. */
function medium(path: string, keys: string | undefined): void {
  const labels = path.startsWith('by-partlabel/') ? ' IGNITION' : 'IGNITION ';
  if (path !== 'draisine/esp') appendFileSync(join(folder, 'list'), `${folder}/dev/disk/${path} ${labels}\n`);
  mkdirSync(join(folder, 'dev/disk', path), { recursive: true });
  if (keys !== undefined) writeFileSync(join(folder, 'dev/disk', path, 'authorized_keys'), keys);
}

function run(): { code: number | null; out: string } {
  // Folders stand for the partitions.
  const script = readFileSync(SCRIPT, 'utf8')
    .replaceAll('/dev/disk/', `${folder}/dev/disk/`)
    .replaceAll('/root/', `${folder}/root/`)
    .replaceAll('/run/draisine/', `${folder}/run/draisine/`)
    .replaceAll('=/.draisine-', `=${folder}/.draisine-`)
    .replace('[ -b "$device" ]', '[ -d "$device" ]');
  const env = { ...process.env, PATH: `${join(folder, 'bin')}:${process.env.PATH}` };
  const ran = spawnSync('sh', ['-s'], { input: script, encoding: 'utf8', env });
  return { code: ran.status, out: ran.stdout + ran.stderr };
}

const keys = (): string => join(folder, 'root/.ssh/authorized_keys');

describe('a key that was lost', () => {
  test('is replaced by a key from a stick, whose contents are checked', () => {
    medium('by-label/IGNITION', `# mine\r\n${KEY}\r\n`);
    const { code, out } = run();
    assert.equal(code, 0, out);
    assert.match(out, /root may log in with the key 256 SHA256:x new@example/);
    assert.equal(readFileSync(keys(), 'utf8'), `${KEY}\n`);
    assert.equal(statSync(keys()).mode & 0o777, 0o600);
    assert.equal(statSync(join(folder, 'root/.ssh')).mode & 0o777, 0o700);
    assert.equal(readFileSync(join(folder, 'mounted'), 'utf8'), 'ro,nosuid,nodev,noexec\n');
  });

  test('is added below the existing keys, once', () => {
    mkdirSync(join(folder, 'root/.ssh'));
    writeFileSync(keys(), 'ssh-ed25519 AAAA old@example');
    medium('draisine/esp', KEY);
    assert.equal(run().code, 0);
    assert.equal(run().code, 0);
    assert.equal(readFileSync(keys(), 'utf8'), `ssh-ed25519 AAAA old@example\n${KEY}\n`);
  });

  test('a stick has precedence over the EFI system partition', () => {
    medium('draisine/esp', 'ssh-ed25519 AAAA esp@example\n');
    medium('by-partlabel/IGNITION', `${KEY}\n`);
    assert.equal(run().code, 0);
    assert.equal(readFileSync(keys(), 'utf8'), `${KEY}\n`);
  });

  test('a partition without the file is passed over', () => {
    medium('by-label/IGNITION', undefined);
    medium('draisine/esp', `${KEY}\n`);
    assert.equal(run().code, 0);
  });

  test('is found on the second of two sticks with the label', () => {
    medium('a', undefined);
    medium('b', `${KEY}\n`);
    const { code, out } = run();
    assert.equal(code, 0, out);
    assert.equal(readFileSync(keys(), 'utf8'), `${KEY}\n`);
  });

  test('a name of Windows behind a key is kept, and the next key is on a line of its own', () => {
    const windows = KEY.replace('new@example', 'corp\\clara@pc');
    medium('by-label/IGNITION', `${windows}\n${KEY}\n`);
    for (const boot of ['first', 'second']) {
      assert.equal(run().code, 0, boot);
      assert.equal(readFileSync(keys(), 'utf8'), `${windows}\n${KEY}\n`, boot);
    }
  });

  test('a text that is not a key is not added, with a message', () => {
    medium('by-label/IGNITION', `hello\ncommand="sh" ${KEY}\nssh-ed25519 broken x\n`);
    const { code, out } = run();
    assert.equal(code, 1);
    assert.match(out, /no key was added: no line of authorized_keys begins/);
    assert.equal(readFileSync(keys(), 'utf8'), '');
  });

  test('makes a machine without a config keep its state: the initrd would empty it at the next boot', () => {
    const mark = join(folder, '.draisine-provisioned');
    const request = join(folder, '.draisine-reset');
    medium('by-label/IGNITION', 'hello\n');
    writeFileSync(mark, 'none\n');
    writeFileSync(request, 'blank\n');
    assert.equal(run().code, 1);
    assert.deepEqual([readFileSync(mark, 'utf8'), existsSync(request)], ['none\n', true], 'without a key');
    medium('draisine/esp', `${KEY}\n`);
    rmSync(join(folder, 'dev/disk/by-label/IGNITION/authorized_keys'));
    assert.match(run().out, /keeps its state from now on/);
    assert.deepEqual([readFileSync(mark, 'utf8'), existsSync(request)], ['keys of a stick\n', false]);
    writeFileSync(mark, 'ignition.ign on /dev/sdb1\n');
    assert.doesNotMatch(run().out, /keeps its state/);
    assert.equal(readFileSync(mark, 'utf8'), 'ignition.ign on /dev/sdb1\n');
  });

  test('without a stick no file is made', () => {
    const { code, out } = run();
    assert.equal(code, 1);
    assert.match(out, /no key was added: there is no authorized_keys/);
    assert.equal(existsSync(keys()), false);
  });
});
