import { Failure } from '../../../sdk/lib/errors.ts';
import type { Device } from '../qemu/devices.ts';
import type { Vm } from '../qemu/vm.ts';

/** Faults of hardware, caused from outside the guest. The guest notices them in the way of a real machine. */
export interface FaultVerbs {
  /**
   * Overwrites `length` bytes (default 512) of a virtio disk at byte `offset`, without the guest. The guest
   * may still have the old bytes in its cache.
   * @example await box.corrupt('a', 1 << 20, 512)
   */
  corrupt(disk: string, offset: number, length?: number): Promise<void>;
  /**
   * Makes some operations on a disk fail with an I/O error (EIO), until `mendDisk`.
   * @example await box.breakDisk('a', 'write')
   */
  breakDisk(disk: string, operations: 'read' | 'write' | 'all'): Promise<void>;
  /**
   * Ends `breakDisk`.
   * @example await box.mendDisk('a')
   */
  mendDisk(disk: string): Promise<void>;
  /**
   * Pulls the cable of a NIC (`false`), or plugs it in again (`true`).
   * @example await box.cable('nic0', false)
   */
  cable(nic: string, plugged: boolean): Promise<void>;
}

/** A byte that is rare in real data. */
const PATTERN = '0xc7';
const SECTOR = 512;

/** The verbs that make devices fail, through QMP. */
export function faultVerbs(vm: () => Vm, deviceNamed: (which: string) => Device): FaultVerbs {
  /** Replaces the node below a disk's format node. blockdev-reopen needs all other options as well. */
  async function reopen(device: Device, lower: string): Promise<void> {
    const top = device.blockdevs.at(-1);
    if (!top) throw new Failure(`${device.id} is not a disk`);
    await vm().qmp.execute('blockdev-reopen', { options: [{ ...top, file: lower }] });
  }

  const nodes = (device: Device): { host: string; faults: string } => {
    const top = device.blockdevs.at(-1)?.['node-name'] ?? '';
    return { host: `${top}-host`, faults: `${top}-faults` };
  };

  return {
    corrupt: async (disk, offset, length = SECTOR) => {
      const device = deviceNamed(disk);
      if (device.device.driver !== 'virtio-blk-pci')
        throw new Failure(`only a virtio disk can be corrupted: ${disk}`);
      // The write goes through the disk's own backend, so it is ordered with the guest's writes.
      const backend = `/machine/peripheral/${device.id}/virtio-backend`;
      const refused = await vm().qmp.human(`qemu-io -d ${backend} "write -P ${PATTERN} ${offset} ${length}"`);
      if (refused.trim() !== '') throw new Failure(`${disk} cannot be written: ${refused.trim()}`);
    },
    breakDisk: async (disk, operations) => {
      const device = deviceNamed(disk);
      const { host, faults } = nodes(device);
      const kinds = operations === 'all' ? ['read', 'write', 'flush'] : [operations];
      const rules = kinds.map((iotype) => ({ event: 'none', iotype, errno: 5 }));
      await vm().qmp.execute('blockdev-add', {
        driver: 'blkdebug',
        'node-name': faults,
        image: host,
        'inject-error': rules,
      });
      await reopen(device, faults);
    },
    mendDisk: async (disk) => {
      const device = deviceNamed(disk);
      const { host, faults } = nodes(device);
      await reopen(device, host);
      await vm().qmp.execute('blockdev-del', { 'node-name': faults });
    },
    cable: async (nic, plugged) => {
      await vm().qmp.execute('set_link', { name: deviceNamed(nic).id, up: plugged });
    },
  };
}
