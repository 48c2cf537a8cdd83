import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

/* The script of the initrd that finds the machine config, on a live system with partitions that are made up. */

const SCRIPT = fileURLToPath(new URL('../overlays/initrd/usr/lib/draisine/first-boot', import.meta.url));
const OUTSIDE = /(?<=[\s=<>"'])\/(run|sys|proc|dev|sysusr|usr\/lib\/ignition|usr\/lib\/modules)(?=[/\s"'])/g;

/** A partition: its label, and its ignition.ign. Undefined: it has none. */
interface Stick {
  readonly label: string;
  readonly config: string | undefined;
}

function boot(
  t: TestContext,
  sticks: Readonly<Record<string, Stick>>,
  programs: Readonly<Record<string, string>> = {},
  state?: Readonly<Record<string, string>>,
) {
  const root = mkdtempSync(join(tmpdir(), 'draisine-first-boot-'));
  t.after(() => rmSync(root, { recursive: true }));
  const put = (path: string, text: string, mode = 0o644) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text, { mode });
  };
  put('/proc/cmdline', state === undefined ? 'quiet root=tmpfs\n' : 'quiet root=/dev/disk/draisine/state\n');
  // The folder where the script mounts the state partition.
  for (const [path, text] of Object.entries(state ?? {})) put(`/run/draisine/state/${path}`, text);
  put('/run/draisine/x', '');
  put('/dev/x', '');
  for (const [device, { config }] of Object.entries(sticks)) {
    mkdirSync(join(root, 'sticks', device), { recursive: true });
    if (config !== undefined) put(`/sticks/${device}/ignition.ign`, config);
  }
  const list = Object.entries(sticks).map(([device, { label }]) => `/dev/${device} ${label}\n`);
  put('/list', list.join(''));
  const given: Record<string, string> = {
    lsblk: `cat ${root}/list`,
    mount: `[ "$1" = --bind ] || [ "$2" = ext4 ] || cp -r ${root}/sticks/"\${3##*/}"/. "$4"`,
    umount: 'case "$1" in */state) ;; *) rm -f "$1"/* ;; esac',
    sync: '',
    chattr: `echo "$@" >>${root}/chattr`,
    udevadm: '',
    modprobe: '',
    systemctl: 'echo 0',
    blockdev: 'echo 0',
    dd: '',
    sleep: '',
    ...programs,
  };
  for (const [name, script] of Object.entries(given)) put(`/bin/${name}`, `#!/bin/sh\n${script}\n`, 0o755);
  const script = readFileSync(SCRIPT, 'utf8').replaceAll(OUTSIDE, `${root}/$1`);
  const env = { PATH: `${root}/bin:/usr/bin:/bin` };
  const { status, stdout, stderr } = spawnSync('sh', { input: script, encoding: 'utf8', env });
  const read = (path: string) =>
    existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : undefined;
  return {
    status,
    said: stdout + stderr,
    config: read('/usr/lib/ignition/user.ign'),
    from: read('/run/draisine/config')?.trim(),
    inRun: readdirSync(join(root, 'run/draisine'), { recursive: true, encoding: 'utf8' }),
    hasState: (path: string) => existsSync(join(root, 'run/draisine/state', path)),
    madeMutable: read('/chattr')?.replaceAll(root, ''),
    mounts: read('/mounts')?.replaceAll(root, ''),
  };
}

test('finds the config on a partition with the label, of the file system or of the table', (t) => {
  for (const label of ['IGNITION ', ' IGNITION', 'x IGNITION', 'IGNITION x']) {
    const found = boot(t, { sda1: { label: 'x ', config: '{"no"}' }, sdb1: { label, config: '{}' } });
    assert.deepEqual(
      [found.status, found.config, found.from],
      [0, '{}', 'ignition.ign on /dev/sdb1'],
      found.said,
    );
  }
});

test('two sticks with the same config: the running system gets no copy, because it has keys', (t) => {
  const stick = { label: 'IGNITION ', config: '{"keys"}' };
  const { status, said, config, inRun } = boot(t, { sda1: stick, sdb1: stick });
  assert.deepEqual([status, config], [0, '{"keys"}'], said);
  assert.deepEqual(inRun.sort(), ['config', 'first-boot', 'medium', 'state', 'x']);
});

test('two sticks with different configs stop the boot', (t) => {
  const sticks = {
    sda1: { label: 'IGNITION ', config: '{}' },
    sdb1: { label: 'IGNITION ', config: '{"other"}' },
  };
  const { status, said, from } = boot(t, sticks);
  assert.deepEqual([status, from], [1, undefined], said);
  assert.match(said, /two machine configs on partitions labelled IGNITION: \S+sda1 and \S+sdb1/);
});

test('an empty file stops the boot: nobody could log in to a machine that was provisioned with it', (t) => {
  const { status, said, from } = boot(t, { sdb1: { label: 'IGNITION ', config: '' } });
  assert.deepEqual([status, from], [1, undefined], said);
  assert.match(said, /^the machine config is an empty file: ignition\.ign on \/dev\/sdb1$/m);
});

test('a config that cannot be read stops the boot, and no other config is taken', (t) => {
  const cp = 'case "$1" in -r) exec /bin/cp "$@" ;; *) echo "I/O error" >&2; exit 1 ;; esac';
  const { status, said, from } = boot(t, { sdb1: { label: 'IGNITION ', config: '{}' } }, { cp });
  assert.deepEqual([status, from], [1, undefined], said);
  assert.match(said, /I\/O error/);
});

test('a disk that keeps udev busy does not stop the boot', (t) => {
  const udevadm = '[ "$1" != settle ]';
  const found = boot(t, { sdb1: { label: 'IGNITION ', config: '{}' } }, { udevadm });
  assert.deepEqual([found.status, found.config], [0, '{}'], found.said);
});

test('without a config, the console says how to give one', (t) => {
  const { status, said, from } = boot(t, { sda1: { label: 'x ', config: '{}' } });
  assert.deepEqual([status, from], [0, 'none'], said);
});

test('the files of an interrupted provisioning are removed, including immutable mount points of datasets', (t) => {
  const sticks = { sdb1: { label: 'IGNITION ', config: '{}' } };
  const state = { 'etc/half': 'x', 'mnt/x': 'x' };
  const rm = `[ -e "\${0%/bin/rm}/chattr" ] && exec /bin/rm "$@"`;
  const mkdir = `/bin/mkdir "$@"; /bin/mkdir -p "\${0%/bin/mkdir}/run/draisine/state/srv/tank"`;
  const found = boot(t, sticks, { rm, mkdir }, state);
  assert.deepEqual([found.status, found.config], [0, '{}'], found.said);
  assert.match(found.said, /the last provisioning did not come to its end: starting over/);
  assert.equal(found.madeMutable, '-i /run/draisine/state/srv/tank\n');
  assert.deepEqual(['etc', 'mnt'].map(found.hasState), [false, false]);
});

test('a state partition that lost its mark is not emptied: another mark, or what a repair has found, shows data', (t) => {
  const sticks = { sdb1: { label: 'IGNITION ', config: '{}' } };
  for (const evidence of ['.draisine-used', 'lost+found/#12']) {
    const found = boot(t, sticks, {}, { [evidence]: 'x', 'srv/photo': 'x' });
    assert.deepEqual([found.status, found.from], [1, undefined], found.said);
    assert.match(
      found.said,
      /has been in use, but its mark, \.draisine-provisioned, is gone; it was not touched/,
    );
    assert.ok(found.hasState('srv/photo'));
  }
});

test('a state partition that can only be read, with a journal that a power cut left, is used without the journal', (t) => {
  const mount = `case "$*" in *noload*) echo "$*" >>"\${0%/bin/mount}/mounts" ;; *) exit 32 ;; esac`;
  const state = { '.draisine-provisioned': 'a stick\n' };
  const from = (programs: Readonly<Record<string, string>>) => {
    const { status, said, mounts } = boot(t, {}, { mount, ...programs }, state);
    return { said, outcome: [status, mounts] };
  };
  const places = ['/run/draisine/state', '/sysroot'];
  const used = [0, places.map((at) => `-t ext4 -o ro,noload /dev/disk/draisine/state ${at}\n`).join('')];
  const known = from({ blockdev: 'echo 1' });
  assert.deepEqual(known.outcome, used, known.said);
  // Each write fails, and so does fsck.
  const worn = from({ dd: 'exit 1', mount: `${mount.replace(' *) exit 32 ;;', '')}`, systemctl: 'echo 1' });
  assert.deepEqual(worn.outcome, used, worn.said);
  for (const damaged of [from({}), from({ mount: '', systemctl: 'echo 1' })]) {
    assert.deepEqual(damaged.outcome, [1, undefined], damaged.said);
    assert.match(damaged.said, /the state partition cannot be read, or not be repaired/);
  }
});
