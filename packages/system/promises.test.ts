import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { compileGlobs } from '../../build/tree/glob.ts';
import { hardening } from '../kernel/config/hardening.ts';
import { n100 } from '../sets/n100.ts';
import { trims } from './trims.ts';
import { enabledUnits } from './units.ts';

/* Promises to owners that a single file or list of the image keeps. */

const overlay = (path: string): string =>
  readFileSync(fileURLToPath(new URL(`../overlays/system/${path}`, import.meta.url)), 'utf8');
const isTrimmed = (path: string): boolean =>
  trims.some(
    ({ paths, except = [] }) =>
      compileGlobs(paths, 'trims').test(path) && !compileGlobs(except, 'trims').test(path),
  );

test('tools that owners look for are in the image', () => {
  const tools = {
    smartmontools: 'usr/sbin/smartctl',
    diffutils: 'usr/bin/diff',
    ethtool: 'usr/sbin/ethtool',
    file: 'usr/bin/file',
    hdparm: 'usr/sbin/hdparm',
    ldnsutils: 'usr/bin/drill',
    lsof: 'usr/bin/lsof',
    nano: 'usr/bin/nano',
    'nfs-common': 'usr/sbin/mount.nfs',
    rsync: 'usr/bin/rsync',
    curl: 'usr/bin/curl',
  };
  for (const [name, path] of Object.entries(tools)) {
    assert.ok(n100.include.includes(name), name);
    assert.equal(isTrimmed(path), false, path);
  }
});

test('a unit that logs without end does not displace the messages of others', () => {
  const text = overlay('usr/lib/systemd/journald.conf.d/10-draisine.conf');
  assert.match(text, /^RateLimitIntervalSec=10min\nRateLimitBurst=\d+$/m);
});

test('the check for problems every two minutes writes no line to the journal if it finds none', () => {
  const unit = overlay('usr/lib/systemd/system/draisine-watch.service');
  assert.match(unit, /^LogLevelMax=notice\nSyslogLevel=notice$/m);
});

test('timesyncd writes to the disk once an hour', () => {
  const text = overlay('usr/lib/systemd/timesyncd.conf.d/10-draisine.conf');
  assert.match(text, /^\[Time\]\nSaveIntervalSec=1h$/m);
});

test('smartd looks again when a disk is plugged in', () => {
  const rule = overlay('usr/lib/udev/rules.d/65-draisine-smart.rules').split('\n').at(-2) ?? '';
  assert.match(
    rule,
    /^ACTION=="add", .*RUN\+="\/usr\/bin\/systemctl --no-block try-reload-or-restart (\S+)"$/,
  );
  assert.ok(enabledUnits.some(({ unit }) => rule.includes(`${unit}"`)));
});

test('arrays of disks are checked each month, as Debian does it', () => {
  const timers = enabledUnits.filter(({ wantedBy }) => wantedBy === 'mdmonitor.service');
  assert.deepEqual(
    timers.map(({ unit }) => unit),
    ['mdcheck_start.timer', 'mdcheck_continue.timer'],
  );
  // The script, and the programs that it runs.
  for (const path of [
    'share/mdadm/mdcheck',
    'bin/getopt',
    'bin/find',
    'bin/logger',
    'bin/readlink',
    'sbin/mdadm',
  ])
    assert.equal(isTrimmed(`usr/${path}`), false, path);
});

test('health checks of containers do not fill the journal', () => {
  assert.match(
    overlay('etc/containers/containers.conf'),
    /^\[engine\]\n(?:.*\n)*?healthcheck_events = false$/m,
  );
});

test('a sleeping disk is left asleep for a day', () => {
  // smartd.conf(5), -n: number of looks that are left out. smartd(8), --interval: 1800 seconds by default.
  const [, looks] = /-n standby,(\d+),q/.exec(overlay('etc/smartd.conf')) ?? [];
  assert.equal(Number(looks) * 1800, 24 * 3600);
  assert.doesNotMatch(overlay('etc/default/smartmontools'), /interval|-i/);
});

test('a restart of networkd leaves rules and routes of others', () => {
  const text = overlay('usr/lib/systemd/networkd.conf.d/10-draisine.conf');
  assert.match(text, /^ManageForeignRoutingPolicyRules=no\nManageForeignRoutes=no$/m);
});

test('no port follows redirects, also a port that is there before the settings are made', () => {
  // systemd.network(5), UseRedirect=: networkd itself follows those of ICMPv6.
  assert.match(
    overlay('usr/lib/systemd/network/80-draisine-dhcp.network'),
    /^\[IPv6AcceptRA\]\nUseRedirect=no$/m,
  );
  // The kernel has a setting for each port, and ignores that of `all`.
  assert.match(overlay('usr/lib/sysctl.d/50-draisine.conf'), /^-net\.ipv6\.conf\.\*\.accept_redirects = 0$/m);
});

test('a disk that keeps udev busy stops neither the boot nor the import of pools', () => {
  // `udevadm settle` exits with 1 when its time is over.
  const folder = fileURLToPath(new URL('../overlays/', import.meta.url));
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const stops = files.flatMap((path) => {
    const text = readFileSync(path, 'utf8');
    if (!/^set -\w*e/m.test(text) && !path.endsWith('.service')) return [];
    const lines = text.split('\n').filter((line) => /udevadm settle/.test(line) && !line.startsWith('#'));
    return lines.filter((line) => !/\|\| |=-\//.test(line)).map((line) => `${path}: ${line}`);
  });
  assert.deepEqual(stops, []);
  assert.match(overlay('usr/lib/systemd/system/draisine-zpool-import.service'), /=-\S*udevadm settle/);
});

test('SSH starts in spite of a volume without its key, of a pool that hangs, and of an address that comes late', () => {
  const units = 'usr/lib/systemd/system';
  // A oneshot unit has no limit of its own (systemd.service(5), TimeoutStartSec=).
  for (const file of [
    'systemd-cryptsetup@.service.d/10-draisine.conf',
    'zfs-mount.service.d/10-draisine.conf',
    'draisine-zpool-import.service',
    'draisine-read-pools.service',
  ])
    assert.match(overlay(`${units}/${file}`), /^TimeoutStartSec=\d+min$/m, file);
  // sshd ends with 255 if it has no address. Restarts without a pause would soon reach systemd's limit.
  assert.match(
    overlay(`${units}/ssh.service.d/10-draisine.conf`),
    /^ExecStartPre=\nExecStartPre=.*host-key.*\nRestartPreventExitStatus=\nRestartSec=\d+$/m,
  );
});

test('the state partition is trimmed also if the owner has file systems in fstab', () => {
  const text = overlay('usr/lib/systemd/system/fstrim.service.d/10-draisine.conf');
  assert.match(text, /^ExecStart=\nExecStart=\S*fstrim --listed-in \/proc\/self\/mountinfo /m);
});

test('a boot keeps the mode and owner that the owner gave to /home, /mnt, /opt and /srv', () => {
  for (const folder of ['home', 'mnt', 'opt', 'srv'])
    assert.match(
      overlay('usr/lib/draisine/root.conf'),
      new RegExp(`^d +/${folder} +:0755 +:root +:root +-$`, 'm'),
    );
  assert.ok(isTrimmed('usr/lib/tmpfiles.d/home.conf'));
});

test('the clock never begins before the build, and extensions are merged at boot', () => {
  assert.notEqual(overlay('usr/lib/clock-epoch'), '');
  assert.equal(isTrimmed('usr/lib/clock-epoch'), false);
  assert.ok(enabledUnits.some(({ unit }) => unit === 'systemd-sysext.service'));
});

test('programs of 32 bits do not run, and the page on design says so', () => {
  const off = hardening.flatMap((group) => (group.off ?? '').toString().split(/[\s,]+/));
  assert.ok(off.includes('IA32_EMULATION'), off.join(' '));
  const design = readFileSync(fileURLToPath(new URL('../../docs/design.md', import.meta.url)), 'utf8');
  assert.match(design, /32-bit programs do not run/);
});
