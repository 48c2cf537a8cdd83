import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

/* The script of the initrd that reports a failed boot, on a folder that stands for the machine. */

const SCRIPT = fileURLToPath(new URL('../overlays/initrd/usr/lib/draisine/emergency', import.meta.url));
const COUNTED = '/sys/firmware/efi/efivars/LoaderBootCountPath-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f';
/** A machine that has been provisioned. */
const DISK = { '/dev/disk/draisine/esp': '', '/dev/disk/draisine/state': '' };

interface Machine {
  readonly files?: Readonly<Record<string, string>>;
  /** What a person types on the console. */
  readonly keys?: string;
  /** Seconds after which a wait ends. Default: as asked. */
  readonly waits?: number;
}

/** Runs the script. Returns what the console shows, the kinds of its waits, and whether the machine restarted. */
function fails(t: TestContext, { files = DISK, keys = '', waits }: Machine) {
  const root = mkdtempSync(join(tmpdir(), 'draisine-emergency-'));
  t.after(() => rmSync(root, { recursive: true }));
  const put = (path: string, text: string, mode = 0o644) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text, { mode });
  };
  const machine = { '/proc/cmdline': 'quiet\n', '/proc/uptime': '60.50 1\n', ...files };
  for (const [path, text] of Object.entries(machine)) put(path, text);
  put('/sys/class/tty/console/active', 'tty0\n');
  put('/keys', keys);
  const programs: Record<string, string> = {
    systemctl: `case "$1" in --failed) echo 'a.mount loaded failed failed' ;; *) echo "$*" >>${root}/calls ;; esac`,
    journalctl: 'echo the reason',
    mount: '',
    umount: '',
    sleep: '',
    udevadm: `seconds=\${2#--timeout=}
echo "wait $seconds" >>${root}/calls
[ -z '${keys}' ] || while ! [ -e ${root}/run/draisine/person ]; do /bin/sleep 0.01; done
echo "$((60 + ${waits ?? '$seconds'})).10 1" >${root}/proc/uptime
exit 1`,
  };
  for (const [name, text] of Object.entries(programs)) put(`/bin/${name}`, `#!/bin/sh\n${text}\n`, 0o755);
  const script = readFileSync(SCRIPT, 'utf8')
    .replaceAll('<"/dev/$console"', `<${root}/keys`)
    .replaceAll('>"/dev/$console"', `>>${root}/console`)
    .replaceAll(/(?<=[\s=<>"])\/(run|sys|proc|dev)(?=\/)(?!\/null)/g, `${root}/$1`);
  const env = { PATH: `${root}/bin:/usr/bin:/bin` };
  const { status, stderr } = spawnSync('sh', ['-c', script], { encoding: 'utf8', env });
  assert.equal(status, 0, stderr);
  const calls = existsSync(join(root, 'calls')) ? readFileSync(join(root, 'calls'), 'utf8') : '';
  return {
    said: readFileSync(join(root, 'console'), 'utf8'),
    waits: [...calls.matchAll(/^wait (\d+)$/gm)].map(([, seconds]) => Number(seconds)),
    restarts: /^--no-block --force reboot$/m.test(calls),
  };
}

const ENTER = /^\*\*\* Boot stops here\. The machine restarts in ten minutes, unless you press Enter\.$/m;
const STOPS = /^\*\*\* Boot stops here\. Remove the cause and restart the machine\.$/m;

test('a machine that has been provisioned restarts after ten minutes, also if its disk did not appear', (t) => {
  for (const files of [DISK, {}]) {
    const { said, waits, restarts } = fails(t, { files });
    assert.match(said, /could not start\.\n\*\*\* failed: a\.mount\nthe reason\n/);
    assert.match(said, ENTER);
    assert.ok(said.trim().split('\n').length <= 10, said);
    assert.deepEqual([waits, restarts], [[600], true]);
  }
});

test('a person who presses Enter keeps it from restarting', (t) => {
  const { said, restarts } = fails(t, { keys: '\n' });
  assert.match(said, /^\*\*\* Somebody pressed Enter: the machine does not restart by itself\.$/m);
  assert.equal(restarts, false);
});

test('a wait that fails at once does not make it restart again and again', (t) => {
  assert.equal(fails(t, { waits: 0 }).restarts, false);
});

test('a first boot, and a machine with a shell on another console, wait for a person', (t) => {
  const cases = [
    { ...DISK, '/run/draisine/first-boot': '', '/run/draisine/config': 'ignition.ign on /dev/sda' },
    { '/dev/disk/draisine/esp': '' },
    { ...DISK, '/proc/cmdline': 'quiet systemd.debug_shell=ttyS1\n' },
  ];
  for (const files of cases) {
    const { said, waits, restarts } = fails(t, { files });
    assert.match(said, STOPS);
    assert.deepEqual([waits, restarts], [[], false]);
  }
});

test('a release on trial restarts at once, three times', (t) => {
  const counted = (name: string) => fails(t, { files: { ...DISK, [COUNTED]: `\\EFI\\Linux\\${name}\n` } });
  const second = counted('draisine_2026.1129.0+1-2.efi');
  assert.match(second.said, /This release is on trial\./);
  assert.deepEqual([second.waits, second.restarts], [[10, 60], true]);
  assert.match(counted('draisine_2026.1129.0+0-4.efi').said, ENTER);
});
