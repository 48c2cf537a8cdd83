import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

/* The script that prepares the root file system, on a folder that stands for it. etc.test.ts of a trial has more. */

const SCRIPT = fileURLToPath(new URL('../overlays/initrd/usr/lib/draisine/root', import.meta.url));
const RESERVE = 'var/lib/draisine/reserve';

/** Runs the script on a machine with users of its own. `programs`: scripts in place of programs; `$root` is the folder. */
function boot(t: TestContext, programs: Readonly<Record<string, string>> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'draisine-root-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const put = (path: string, text: string, mode = 0o644) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text, { mode });
  };
  put('root/etc/passwd', 'root:x:0:0:root:/root:/bin/bash\n');
  put(`root/${RESERVE}`, 'x');
  mkdirSync(join(folder, 'root/.etc-work'));
  const calls = join(folder, 'calls');
  const given: Record<string, string> = {
    'systemd-tmpfiles': '',
    'systemd-sysusers': `echo sysusers >>${calls}`,
    mount: `echo "$*" | sed "s|$root||g" >>${calls}`,
    sync: '',
    ...programs,
  };
  for (const [name, text] of Object.entries(given))
    put(`bin/${name}`, `#!/bin/sh\nroot=${folder}/root\n${text}\n`, 0o755);
  const script = readFileSync(SCRIPT, 'utf8')
    .replaceAll('/sysroot', `${folder}/root`)
    .replaceAll('/run/draisine', `${folder}/run`);
  const env = { PATH: `${folder}/bin:/usr/bin:/bin` };
  const { status, stdout, stderr } = spawnSync('sh', ['-c', script], { encoding: 'utf8', env });
  const read = (path: string) =>
    existsSync(join(folder, path)) ? readFileSync(join(folder, path), 'utf8') : undefined;
  return {
    status,
    said: stdout + stderr,
    calls: read('calls')?.trim().split('\n'),
    hasReserve: existsSync(join(folder, 'root', RESERVE)),
    problem: (name: string) => read(`run/problems/${name}`),
  };
}

const DEFAULTS = '/usr/share/draisine/etc';
const WRITABLE = `-t overlay etc -o lowerdir=${DEFAULTS},upperdir=/etc,workdir=/.etc-work /etc`;
const READABLE = `-t overlay etc -o ro,lowerdir=/etc:${DEFAULTS} /etc`;

test('/etc is the machine’s own over that of the release, whose accounts are added', (t) => {
  const { status, said, calls, hasReserve } = boot(t);
  assert.deepEqual([status, calls, hasReserve], [0, [WRITABLE, 'sysusers'], true], said);
});

test('without room for a folder, the reserve makes room', (t) => {
  const mkdir = 'case "$*" in */.etc-work/*) exit 1 ;; esac; exec /bin/mkdir "$@"';
  const { status, said, calls, hasReserve } = boot(t, { mkdir });
  assert.deepEqual([status, calls, hasReserve], [0, [WRITABLE, 'sysusers'], false], said);
});

test('if /etc cannot be written to, the machine starts with it nevertheless, and says so', (t) => {
  const mount = `case "$*" in *upperdir*) exit 32 ;; esac
echo "$*" | sed "s|$root||g" >>$root/../calls
rm -r $root/etc # root may write to every folder that exists`;
  const { status, said, calls, problem } = boot(t, { mount });
  assert.deepEqual([status, calls], [0, [READABLE]], said);
  assert.match(problem('etc') ?? '', /^the state partition is full .*: \/etc cannot be changed/);
});

test('an account list that cannot be read does not stop the boot', (t) => {
  const { status, said, problem } = boot(t, { 'systemd-sysusers': 'exit 1' });
  assert.equal(status, 0, said);
  assert.match(problem('accounts') ?? '', /accounts of this release could not be added/);
});
