import { open } from 'node:fs/promises';
import { Failure } from '../../../sdk/lib/errors.ts';
import type { Device } from './devices.ts';

/** Size of a log file, in bytes. It is a hole until data is written. */
const LOG_SIZE = 64 * 1024 ** 3;

/**
 * A disk whose writes and flushes are logged in the order in which the guest issues them, by QEMU's blklogwrites on top
 * of the disk's format. A write is in the log before the guest learns that it is done.
 */
export async function recordedDevice(device: Device, log: string): Promise<Device> {
  const top = device.blockdevs.at(-1)?.['node-name'];
  if (top === undefined || device.device.drive !== top)
    throw new Failure(`${device.id} is not a disk that can be recorded`);
  const file = await open(log, 'wx');
  try {
    await file.truncate(LOG_SIZE);
    await file.write(emptyLog(), 0);
  } finally {
    await file.close();
  }
  const node = `${top}-recorded`;
  return {
    ...device,
    device: { ...device.device, drive: node },
    blockdevs: [
      ...device.blockdevs,
      {
        'node-name': node,
        driver: 'blklogwrites',
        discard: 'unmap',
        file: top,
        log: { driver: 'raw', file: { driver: 'file', filename: log } },
        // After a restart, another QEMU continues the log. The log's head has the size of its sectors.
        'log-append': true,
        // The log's head has the number of entries. QEMU writes it at each flush, and after this number of entries.
        'log-super-update-interval': 1,
      },
    ],
  };
}

const SECTOR = 512;

/** The head of a log without entries (see crash/log.ts). */
function emptyLog(): Buffer {
  const head = Buffer.alloc(SECTOR);
  head.writeBigUInt64LE(0x6a736677736872n, 0);
  head.writeBigUInt64LE(1n, 8);
  head.writeUInt32LE(SECTOR, 24);
  return head;
}
