import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';

const SCRIPT = join(CHECKOUT, 'packages/overlays/system/usr/lib/draisine/trial-lost');

test('the watch of a trial fails: the machine restarts, but not for a committed release or for the last one', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'draisine-trial-lost-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const script = readFileSync(SCRIPT, 'utf8').replaceAll('/sys/firmware/efi/efivars', folder);
  writeFileSync(join(folder, 'systemctl'), '#!/bin/sh\necho "$@"\n');
  chmodSync(join(folder, 'systemctl'), 0o755);
  const variable = join(folder, 'LoaderBootCountPath-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f');
  /** `file`: the booted file, if the boot loader counts. */
  const restarts = (result: string, file?: string): boolean => {
    rmSync(variable, { force: true });
    const text = Buffer.from(`\\EFI\\Linux\\${file}\0`, 'utf16le');
    if (file !== undefined) writeFileSync(variable, Buffer.concat([Buffer.from([6, 0, 0, 0]), text]));
    const env = { PATH: `${folder}:/usr/bin:/bin`, SERVICE_RESULT: result };
    const ran = spawnSync('sh', ['-c', script], { env, encoding: 'utf8' });
    assert.equal(ran.status, 0, ran.stderr);
    return ran.stdout.endsWith('--no-block reboot\n');
  };
  assert.ok(restarts('exit-code', 'draisine_2026.1129.0+2-1.efi'));
  assert.ok(restarts('oom-kill', 'draisine_2026.1129.0+0-3.efi'));
  assert.ok(!restarts('success', 'draisine_2026.1129.0+2-1.efi'));
  assert.ok(!restarts('exit-code'));
  assert.ok(!restarts('exit-code', 'draisine_2026.1129.0+0-4.efi'));
});
