import assert from 'node:assert/strict';
import { bootEntry } from '../harness/boot-menu.ts';
import { BUSYBOX } from '../harness/busybox.ts';
import type { Machine } from '../harness/machine.ts';
import { register } from '../harness/register.ts';

/* The image on other media than a disk of its own. */

/** A whole system, /usr verified, and nothing of it on a disk. */
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

// The disk image as it is, on a stick, by the second entry of the menu.
register(
  {
    name: 'media.live-stick',
    machines: {
      box: { systemBus: 'usb', start: 'off', disks: [{ name: 'oci', artifact: 'oci-busybox' }] },
    },
    timeout: 300,
  },
  async (t, { box }) => {
    await bootEntry(box, 1);
    await box.ready();
    await isLive(box);
    t.diagnostic(`used: ${await box.succeed("free -m | awk '/^Mem/ { print $3 + $5 }'")} MiB`);
    await containerRuns(box);
    const machineId = await box.succeed('cat /etc/machine-id && touch /root/kept');
    await box.fail('test -e /dev/disk/by-partlabel/draisine-state');
    assert.equal(await written(box), 0);

    await box.poweroff();
    await bootEntry(box, 1);
    await box.ready();
    await isLive(box);
    await box.fail('test -e /root/kept');
    assert.notEqual(await box.succeed('cat /etc/machine-id'), machineId);
    assert.equal(await written(box), 0);
  },
);
