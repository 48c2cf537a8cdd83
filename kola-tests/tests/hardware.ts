import assert from 'node:assert/strict';
import { join2, pingOnLan } from '../harness/machine/lan.ts';
import type { Machine } from '../harness/machine/machine.ts';
import { register } from '../harness/run/register.ts';

/* The image on the controllers that an N100 box has. The other tests use virtio. */

/** Checks that the first boot has added slot B and the state partition to the disk that it booted from. */
async function provisioned(box: Machine, disk: RegExp): Promise<void> {
  assert.equal(await box.succeed('systemctl is-system-running'), 'running');
  assert.match(await box.succeed('findmnt --noheadings --output SOURCE /'), disk);
  // lsblk asks udev. udev starts again after the initrd, and multi-user.target does not wait for it.
  const labels = await box.succeed(
    'udevadm settle && lsblk --noheadings --list --output PARTLABEL | grep . | sort',
  );
  assert.equal(labels.split('\n').length, 6, `partition labels: ${labels}`);
  assert.match(await box.succeed('dmsetup status usr'), /verity V/);
}

// install.boot tests NVMe. No other test has such a machine, so it would not pay off to save one for forks.
for (const [bus, medium, disk] of [
  ['ahci', 'SATA disk', /^\/dev\/sda\d+$/],
  ['usb', 'USB disk', /^\/dev\/sda\d+$/],
] as const) {
  register(
    {
      name: `boot.${bus}`,
      what: `The image boots from a ${medium} and makes its partitions there.`,
      machines: { box: { start: 'fresh', systemBus: bus } },
    },
    async (_t, { box }) => await provisioned(box, disk),
  );
}

register(
  {
    name: 'hardware.disks',
    what: 'Disks with large sectors, NVMe, SATA and USB disks are found under stable names and can be used.',
    machines: {
      box: {
        start: 'fresh',
        firmware: 'none',
        disks: [
          { name: 'large-sectors', size: 256, blockSize: 4096 },
          { name: 'stick', size: 64, bus: 'nvme' },
          { name: 'spinning', size: 256, bus: 'ahci' },
          { name: 'thumb', size: 64, bus: 'usb' },
        ],
      },
    },
  },
  async (_t, { box }) => {
    await box.waitForFile(['large-sectors', 'stick', 'spinning', 'thumb'].map((name) => box.disk(name)));
    const sectors = `lsblk --noheadings --nodeps --output LOG-SEC,PHY-SEC ${box.disk('large-sectors')}`;
    assert.equal((await box.succeed(sectors)).trim().replace(/\s+/, ' '), '4096 4096');
    // A pool never writes less than one sector of its disk.
    await box.succeed(`zpool create tank ${box.disk('large-sectors')} ${box.disk('spinning')}`);
    assert.match(await box.succeed('zpool get -H -o value ashift tank all-vdevs'), /^12$/m);
    await box.succeed(`mkfs.vfat ${box.disk('thumb')} >/dev/null && mount ${box.disk('thumb')} /mnt`);
    await box.succeed('echo x >/mnt/file && umount /mnt');
  },
);

register(
  {
    name: 'hardware.nics',
    what: 'Intel network cards have stable names, and work again after their cable was pulled.',
    machines: {
      box: {
        nics: [{ network: 'user' }, { network: 'lan', model: 'igb' }, { network: 'far', model: 'e1000e' }],
      },
      peer: { nics: [{ network: 'user' }, { network: 'lan', model: 'e1000e' }] },
    },
  },
  async (_t, { box, peer }) => {
    // A name comes from the card's place on the PCI bus, not from the order of discovery.
    await box.waitUntilSucceeds("[ $(ls /sys/class/net | grep -c '^enp') = 3 ]");
    assert.equal(
      await box.succeed(
        'for nic in /sys/class/net/enp*; do basename $(readlink -f $nic/device/driver); done | sort',
      ),
      'e1000e\nigb\nvirtio_net',
    );
    await join2(box, peer);
    // The cable is pulled and put back: the address stays, and the other end is reached again.
    const ping = await pingOnLan(box, '10.9.0.2');
    await box.cable('nic1', false);
    await box.waitUntilSucceeds(`ip link show | grep -B 0 'NO-CARRIER'`);
    await box.fail(ping);
    await box.cable('nic1', true);
    await box.waitUntilSucceeds(ping);
  },
);
