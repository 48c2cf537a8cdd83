import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { machineConfig, ownConfig, ownKeys, readConfig } from './run-config.ts';

test('without a given config, the machine gets the public keys of the person who runs it', async () => {
  const home = await mkdtemp(join(tmpdir(), 'draisine-home-'));
  try {
    assert.deepEqual(await ownKeys(home), []);
    await mkdir(join(home, '.ssh'));
    await writeFile(join(home, '.ssh/id_rsa.pub'), 'ssh-rsa B me\n');
    await writeFile(join(home, '.ssh/id_ed25519.pub'), 'ssh-ed25519 A me\n');
    await writeFile(join(home, '.ssh/id_ed25519'), 'private\n');
    await writeFile(join(home, '.ssh/known_hosts.pub'), 'other\n');
    assert.deepEqual(await ownKeys(home), ['ssh-ed25519 A me', 'ssh-rsa B me']);
    const text = JSON.stringify(ownConfig(await ownKeys(home)));
    assert.match(text, /"sshAuthorizedKeys":\["ssh-ed25519 A me","ssh-rsa B me"\]/);
    assert.match(text, /--autologin root/);
  } finally {
    await rm(home, { recursive: true });
  }
});

test('a config that cannot be used is bad input', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'draisine-config-'));
  try {
    for (const [name, text] of [
      ['comma.ign', '{"ignition":{"version":"3.3.0"},}'],
      ['variant.butane', 'variant: nope\nversion: 1.4.0\n'],
    ] as const) {
      const path = join(folder, name);
      await writeFile(path, text);
      const wrong = { exitCode: name === 'comma.ign' ? 2 : 1, where: path };
      await assert.rejects(machineConfig(await readConfig(path), folder), wrong);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
