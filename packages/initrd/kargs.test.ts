import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

/* The helper of Ignition's stage kargs, on a folder in the place of the EFI system partition. */

const HELPER = fileURLToPath(new URL('../overlays/initrd/usr/bin/ignition-kargs-helper', import.meta.url));
const TEMPLATE = `MZ\0${'draisine.kargs'.padEnd(1024)}\0rest`;

function machine(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'draisine-kargs-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const path of ['bin', 'run/esp/loader']) mkdirSync(join(folder, path), { recursive: true });
  for (const name of ['mount', 'umount'])
    writeFileSync(join(folder, 'bin', name), '#!/bin/sh\n', { mode: 0o755 });
  writeFileSync(join(folder, 'run/esp/loader/draisine-kargs.efi'), TEMPLATE);
  const addon = join(folder, 'run/esp/loader/addons/draisine-kargs.addon.efi');
  const script = readFileSync(HELPER, 'utf8')
    .replaceAll('/run/draisine', `${folder}/run`)
    .replaceAll('/proc/cmdline', `${folder}/cmdline`);
  const own = () => (existsSync(addon) ? readFileSync(addon, 'latin1').slice(3, -5) : undefined);
  const tear = () => writeFileSync(addon, '');
  return {
    own,
    tear,
    /** Runs the helper. The firmware has loaded the addon, as at the boot after a change. */
    run(...args: string[]) {
      rmSync(join(folder, 'run/kargs-changed'), { force: true });
      writeFileSync(join(folder, 'cmdline'), `quiet usrhash=x rw${own() === undefined ? '' : ` ${own()}`}\n`);
      const env = { PATH: `${folder}/bin:/usr/bin:/bin` };
      const ran = spawnSync('sh', ['-c', script, 'helper', ...args], { encoding: 'utf8', env });
      const restarts = existsSync(join(folder, 'run/kargs-changed'));
      return { status: ran.status, said: ran.stderr, restarts, words: own()?.trimEnd() };
    },
  };
}

test('arguments are added as they are, once', (t) => {
  const { run, own } = machine(t);
  const words = ['a=1', 'unit=x\\x2dy', 'tab=a\\tb', 'glob=*', 'percent=%s'];
  const wanted = words.flatMap((word) => ['--should-exist', word]);
  const expected = { status: 0, said: '', words: `draisine.kargs ${words.join(' ')}` };
  assert.deepEqual(run(...wanted), { ...expected, restarts: true });
  assert.equal(own()?.length, 1024);
  assert.deepEqual(run(...wanted), { ...expected, restarts: false });
  assert.deepEqual(
    run('--should-not-exist', 'tab=a\\tb', '--should-exist', 'quiet').words,
    {
      ...expected,
      words: expected.words.replace(' tab=a\\tb', ''),
    }.words,
  );
});

test('what cannot be done is refused, and nothing is changed', (t) => {
  const { run, own } = machine(t);
  assert.match(run('--should-not-exist', 'quiet').said, /part of the unified kernel image: quiet/);
  assert.match(run('--should-exist', 'a\nb').said, /not a kernel argument/);
  assert.match(run('--should-exist', 'x'.repeat(1020)).said, /longer than 1024 characters/);
  assert.equal(own(), undefined);
});

test('a file whose contents a power cut has lost is made again', (t) => {
  const { run, tear } = machine(t);
  const { words } = run('--should-exist', 'a=1');
  tear();
  const again = run('--should-exist', 'a=1');
  assert.deepEqual(again, { status: 0, said: '', restarts: true, words }, again.said);
});
