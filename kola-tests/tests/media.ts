import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DRAISINE } from '../harness/guest/draisine.ts';
import { dataUrl } from '../harness/guest/ignition.ts';
import { runsFrom } from '../harness/guest/installed.ts';
import { ignitionText } from '../harness/machine/boot.ts';
import { bootEntry, editEntry } from '../harness/machine/boot-menu.ts';
import { BUSYBOX } from '../harness/machine/busybox.ts';
import type { Machine } from '../harness/machine/machine.ts';
import { register } from '../harness/run/register.ts';

/* The image on media other than an installed disk. */

/** Checks that the whole system runs with a verified /usr, and that no part of it is on a disk. */
async function isLive(box: Machine): Promise<void> {
  assert.equal(await box.succeed('systemctl is-system-running'), 'running');
  assert.equal(await box.succeed('findmnt --noheadings --output FSTYPE /'), 'tmpfs');
  assert.match(await box.succeed('dmsetup status usr'), /verity V/);
  await box.fail('touch /usr/x');
}

async function containerRuns(box: Machine): Promise<void> {
  await box.succeed(`podman load --quiet --input ${box.disk('oci')}`);
  assert.equal(
    await box.succeed(`podman run --rm --network=none --entrypoint=/bin/busybox ${BUSYBOX} echo hello`),
    'hello',
  );
}

/** Bytes written to the system disk since the machine was powered on. */
async function written(box: Machine): Promise<number> {
  const devices = (await box.vm().qmp.execute('query-blockstats')) as readonly {
    readonly qdev?: string;
    readonly stats: { readonly wr_bytes: number };
  }[];
  const system = devices.filter(({ qdev }) => qdev?.includes('disk-system'));
  assert.equal(system.length, 1, `block devices: ${devices.map(({ qdev }) => qdev).join(', ')}`);
  return system[0]?.stats.wr_bytes ?? Number.NaN;
}

// A stick with the unchanged disk image, started by the second entry of the boot menu. The machine config makes it
// install itself onto a SATA disk.
register(
  {
    name: 'media.live-stick',
    long: 'boots through the firmware, installs, and boots again: minutes under emulation; install.boot does so in the gate',
    what: 'The image on a stick runs live without writing to the stick, and installs itself onto a disk.',
    machines: {
      box: {
        systemBus: 'usb',
        start: 'off',
        disks: [
          { name: 'oci', artifact: 'oci-busybox' },
          { name: 'target', size: 8192, bus: 'ahci' },
        ],
      },
    },
    config: {
      ignition: { version: '3.3.0' },
      storage: {
        files: [
          {
            path: '/etc/draisine/install.conf',
            contents: { source: dataUrl('device=auto\n') },
          },
        ],
      },
    },
    timeout: 400,
  },
  async (t, { box }) => {
    await bootEntry(box, 1);
    await box.waitForConsole(/Draisine \S+ is on sd[a-z]\./, { seconds: 200 });
    await box.ready();
    await isLive(box);
    t.diagnostic(`used: ${await box.succeed("free -m | awk '/^Mem/ { print $3 + $5 }'")} MiB`);
    await containerRuns(box);
    await box.succeed('touch /root/made && sync');
    assert.equal(await written(box), 0, 'the next boot still has a file of this one');
    await box.poweroff();

    await box.unplug('system');
    // The machine config is the same. install.conf has no effect on a system that does not run live.
    await box.start();
    assert.deepEqual(await runsFrom(box), { root: 'sda', usr: 'sda' });
    assert.equal(await box.succeed('systemctl is-system-running'), 'running');
    await box.fail('test -e /root/made');
  },
);

/** Does the checks of `isLive` for an ISO. The system disk, which also has an image, must stay untouched. */
async function isFromIso(box: Machine, device: RegExp): Promise<void> {
  await isLive(box);
  assert.match(await box.succeed('findmnt --noheadings --output SOURCE,FSTYPE /run/initramfs/iso'), device);
  assert.match(
    await box.succeed('losetup --noheadings --output BACK-FILE /dev/disk/draisine/usr'),
    /usr\.img$/,
  );
  await box.succeed('grep -aq "usrhash=$(dmsetup table usr | cut -d" " -f12)" /run/draisine/uki.efi');
  await box.succeed('test -e /dev/disk/by-partlabel/draisine-esp');
  assert.equal(await written(box), 0);
}

// A word that is added in the boot menu, as ignition.config.url= would be, makes it install itself onto one of two equal
// disks.
register(
  {
    name: 'media.iso-cd',
    long: 'boots through the firmware, installs, and boots again: minutes under emulation; install.boot does so in the gate',
    what: 'The ISO on a CD runs live, and installs itself onto the disk that the boot menu names.',
    machines: {
      box: {
        start: 'off',
        disks: [
          { name: 'iso', artifact: 'iso', bus: 'cd', bootFirst: true },
          { name: 'oci', artifact: 'oci-busybox' },
          { name: 'other', size: 8192, bus: 'ahci' },
          { name: 'target', size: 8192, bus: 'ahci' },
        ],
      },
    },
    timeout: 400,
  },
  async (_t, { box }) => {
    await editEntry(box, 'draisine.install=serial=target', /root=tmpfs/);
    await box.waitForConsole(/Draisine \S+ is on sd[a-z]\./, { seconds: 200 });
    await box.ready();
    assert.match(
      await box.succeed('cat /proc/cmdline'),
      / root=tmpfs draisine\.install=serial=target .*draisine\.usr=iso /,
    );
    await isFromIso(box, /^\/dev\/sr0\s+iso9660$/);
    await containerRuns(box);
    await box.poweroff();
    assert.doesNotMatch(await box.consoleText(), /\[FAILED\]|Failed/);

    for (const medium of ['iso', 'system']) await box.unplug(medium);
    await box.start();
    const target = (await box.succeed(`readlink -f ${box.disk('target')}`)).replace('/dev/', '');
    assert.deepEqual(await runsFrom(box), { root: target, usr: target });
    assert.equal(await box.succeed('systemctl is-system-running'), 'running');
    assert.equal(
      await box.succeed(`lsblk --noheadings --output PARTLABEL ${box.disk('other')} | grep -c . || true`),
      '0',
    );
  },
);

/** `sweepTemporary` removes a file of this form, if this process is killed. */
const EMBEDDED = join(tmpdir(), `draisine-embedded-${process.pid}-stick.iso`);

// The ISO on a stick, as after `dd`, with a config from `iso embed`. It boots without a person.
register(
  {
    name: 'media.iso-stick',
    long: 'boots through the firmware, installs, and boots again: minutes under emulation; install.boot does so in the gate',
    varies: [EMBEDDED],
    what: 'The ISO on a stick boots with the config that was embedded in it.',
    machines: {
      box: { start: 'off', disks: [{ name: 'iso', file: EMBEDDED, bus: 'usb', bootFirst: true }] },
    },
    timeout: 240,
  },
  async (_t, { box }) => {
    const config = `${EMBEDDED}.ign`;
    try {
      await writeFile(
        config,
        ignitionText({
          ignition: { version: '3.3.0' },
          storage: {
            files: [{ path: '/etc/hostname', overwrite: true, contents: { source: 'data:,embedded' } }],
          },
        }),
      );
      await promisify(execFile)(DRAISINE, [
        'iso',
        'embed',
        await box.artifact('iso'),
        config,
        '-o',
        EMBEDDED,
      ]);
      // The machine's files, e.g. its config for QEMU's fw_cfg, exist only after its first start.
      await box.powerOn();
      await box.crash();
      await box.configure(undefined);
      await box.start();
      await isFromIso(box, /^\/dev\/sd[a-z]\s+iso9660$/);
      assert.equal(await box.succeed('hostname'), 'embedded');
      assert.match(await box.journal('draisine-first-boot'), /machine config: embedded in the ISO/);
    } finally {
      await rm(config, { force: true });
      await rm(EMBEDDED, { force: true });
    }
  },
);

// A firmware without UEFI, or with UEFI turned off: the screen says which setting to change.
register(
  {
    name: 'media.bios',
    what: 'A machine in BIOS mode says on its screen that it must be set to UEFI.',
    machines: {
      box: {
        firmware: 'bios',
        start: 'off',
        disks: [{ name: 'iso', artifact: 'iso', bus: 'cd', bootFirst: true }],
      },
    },
  },
  async (_t, { box }) => {
    for (const medium of ['iso', 'system']) {
      await box.powerOn();
      await box.waitForConsole(/This machine must boot in UEFI mode: change that in the firmware setup\./, {
        seconds: 20,
      });
      await box.crash();
      await box.unplug(medium);
    }
  },
);
