import assert from 'node:assert/strict';
import type { IgnitionConfig } from '../harness/guest/ignition.ts';
import { ignitionText } from '../harness/machine/boot.ts';
import type { Machine } from '../harness/machine/machine.ts';
import { unprovision } from '../harness/machine/provision.ts';
import { register } from '../harness/run/register.ts';

const named = (name: string): IgnitionConfig => ({
  ignition: { version: '3.3.0' },
  storage: {
    files: [{ path: '/etc/hostname', overwrite: true, contents: { source: `data:,${name}` } }],
  },
});

/** Puts a file into the root of a file system. */
async function put(box: Machine, device: string, text: string): Promise<void> {
  await box.copyTo(Buffer.from(text), '/root/ignition.ign');
  await box.succeed(`mount ${device} /mnt && cp /root/ignition.ign /mnt/ && umount /mnt`);
}

const ESP = '/dev/disk/draisine/esp';

/** The source of the machine config, as first-boot names it in this boot's journal. */
async function source(box: Machine): Promise<string> {
  return /\]: machine config: (.*)/.exec(await box.journal('draisine-first-boot'))?.[1] ?? 'none';
}

// ignition.empty tests a config on the ESP alone, ignition.remote one from the kernel command line.
register(
  {
    name: 'ignition.delivery',
    what: 'A config from QEMU has precedence over one on a stick, and a stick over the ESP. Two sticks with different configs stop the boot.',
    machines: {
      box: {
        firmware: 'none',
        disks: [
          { name: 'stick', size: 64 },
          { name: 'other', size: 64 },
        ],
      },
    },
    timeout: 480,
  },
  async (_t, { box }) => {
    await put(box, ESP, ignitionText(named('from-esp')));
    await box.succeed(`mkfs.vfat -n IGNITION ${box.disk('stick')}`);
    await put(box, box.disk('stick'), ignitionText(named('from-stick')));
    await unprovision(box, undefined);
    await box.start();
    assert.equal(await box.succeed('hostname'), 'from-stick');
    assert.match(await source(box), /^ignition\.ign on \/dev\/vd[a-z]$/);

    // The other stick is recognized by the label of its partition. A person may label either.
    await box.succeed(
      `sgdisk --new=1:0:0 --change-name=1:IGNITION ${box.disk('other')} && udevadm settle && mkfs.ext4 -q ${box.disk('other')}-part1`,
    );
    await put(box, `${box.disk('other')}-part1`, ignitionText(named('from-other')));
    await unprovision(box, undefined);
    assert.match(
      await box.bootFails({ seconds: 60 }),
      /there are two machine configs on partitions labelled IGNITION: \/dev\/vd[a-z]1? and \/dev\/vd[a-z]1?\s+Remove the one/,
    );

    await box.configure(named('from-fw-cfg'));
    await box.start();
    assert.equal(await box.succeed('hostname'), 'from-fw-cfg');
    assert.equal(await source(box), 'QEMU fw_cfg opt/com.coreos/config');
  },
);

/** Boots a machine to which nobody can log in, not even the harness. Returns its console up to the login prompt. */
async function bootAlone(box: Machine): Promise<string> {
  await unprovision(box, undefined);
  // The log also has the lines from before the machine was forked.
  const before = (await box.consoleText()).length;
  await box.powerOn();
  await box.waitForConsole(/ login: /, { seconds: 120 });
  await box.crash();
  return (await box.consoleText()).slice(before).replaceAll('\r', '');
}

// A person in front of a box without a keyboard reads on the screen how to give it a config. The person starts the
// machine again, and plugs in a stick with a config while the machine looks for one.
register(
  {
    name: 'ignition.none',
    what: 'A machine without a config shows how to give it one, and uses a config on a stick that is plugged in later.',
    machines: { box: { firmware: 'none', disks: [{ name: 'stick', size: 64, bus: 'usb' }] } },
    timeout: 480,
  },
  async (_t, { box }) => {
    await box.succeed(`mkfs.vfat -n IGNITION ${box.disk('stick')}`);
    await put(box, box.disk('stick'), ignitionText(named('given-later')));
    await unprovision(box, undefined);
    await box.unplug('stick');
    await box.powerOn();
    // The first login prompt shows the text, or a later one.
    await box.waitForConsole(
      /SSH host key {2}SHA256:[\w+/]{43} \(ED25519\)\s+machine config: none\nGive one: .*\n.*nobody can log in\.\s+\S+ login: /,
      { seconds: 240 },
    );
    await box.waitForConsole(/ {2}\S+ {2}10\.0\.2\.15 {2}/, { seconds: 60 });
    await box.crash();
    assert.match(
      (await box.consoleText()).replaceAll('\r', ''),
      /machine config: none\nGive one: put ignition\.ign on the ESP .*\n.*Without it nobody can log in/,
    );
    await box.powerOn();
    await box.waitForConsole(/machine config: none yet, looking for a stick/, { seconds: 60 });
    await box.plug('stick');
    await box.ready();
    assert.equal(
      await box.succeed('hostname; ls /.draisine-provisioned'),
      'given-later\n/.draisine-provisioned',
    );
    assert.match(await source(box), /^ignition\.ign on \/dev\/sd[a-z]$/);
  },
);

// An empty config is a config: the owner wants defaults, so a warning would be noise.
register(
  {
    name: 'ignition.empty',
    what: 'An empty config is accepted without a warning.',
    machines: { box: { firmware: 'none' } },
    timeout: 240,
  },
  async (_t, { box }) => {
    await put(box, ESP, '{"ignition": {"version": "3.3.0"}}');
    assert.doesNotMatch(await bootAlone(box), /machine config|\*\*\*|\[FAILED\]/);
  },
);

// An image with a baked-in config is this image with one more file in /usr. The guest makes such a /usr and boots it
// without verity. The initrd is the one that ships.
register(
  {
    name: 'ignition.baked',
    what: 'The first boot finds and applies a config that is part of the image.',
    machines: { box: { disks: [{ name: 'usr', size: 512 }] } },
    timeout: 300,
  },
  async (_t, { box }) => {
    await box.copyTo(Buffer.from(ignitionText(named('from-image'))), '/root/ignition.ign');
    await box.succeed(
      `mkfs.ext4 -q -O ^has_journal -L other-usr ${box.disk('usr')} && mount ${box.disk('usr')} /mnt &&
       cp -a /usr/. /mnt/ && cp /root/ignition.ign /mnt/lib/draisine/ && umount /mnt`,
      { seconds: 120 },
    );
    const words = 'mount.usr=/dev/disk/by-label/other-usr mount.usrfstype=ext4';
    await addKernelArguments(box, words);
    await unprovision(box, undefined);
    await box.start();
    assert.equal(await box.succeed('hostname'), 'from-image');
    assert.equal(await source(box), '/sysusr/usr/lib/draisine/ignition.ign, baked into the image');
    assert.equal(await box.succeed('findmnt --noheadings --output FSTYPE /usr'), 'ext4');
  },
);

/** Writes kernel arguments to an addon on the ESP, as ignition-kargs-helper does. */
async function addKernelArguments(box: Machine, words: string): Promise<void> {
  await box.succeed(`
    set -e
    mount ${ESP} /mnt
    mkdir -p /mnt/loader/addons
    addon=/mnt/loader/addons/draisine-kargs.addon.efi
    cp /mnt/loader/draisine-kargs.efi $addon
    offset=$(grep -abo draisine.kargs $addon | cut -d: -f1)
    printf '%s' 'draisine.kargs ${words}' | dd of=$addon bs=1 seek=$offset conv=notrunc status=none
    umount /mnt`);
}
