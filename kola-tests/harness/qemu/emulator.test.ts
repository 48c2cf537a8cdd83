import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { emulatorOf } from './emulator.ts';

test('a new revision of the package of QEMU or of the firmware is another build of the same version', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'emulator-test-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const put = async (path: string, text: string): Promise<void> => {
    await mkdir(join(root, path, '..'), { recursive: true });
    await writeFile(join(root, path), text);
  };
  // The tool tree's dynamic linker runs every tool of it.
  const linker = 'usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2';
  const revision = async (text: string): Promise<void> => {
    await put(linker, `#!/bin/sh\necho 'QEMU emulator version 10.0.13 (Debian 1:10.0.13+ds-${text})'\n`);
    await chmod(join(root, linker), 0o755);
  };
  await put('usr/bin/qemu-system-x86_64', '');
  await put('usr/share/OVMF/OVMF_CODE_4M.fd', 'code');
  await put('usr/share/OVMF/OVMF_VARS_4M.fd', 'variables');
  await revision('1');
  const first = await emulatorOf(root);
  assert.deepEqual([first.version, (await emulatorOf(root)).build], ['10.0.13', first.build]);
  await revision('2');
  const second = await emulatorOf(root);
  assert.equal(second.version, first.version);
  await put('usr/share/OVMF/OVMF_CODE_4M.fd', 'mended code');
  assert.equal(new Set([first.build, second.build, (await emulatorOf(root)).build]).size, 3);
});
