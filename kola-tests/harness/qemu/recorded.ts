import { open } from 'node:fs/promises';
import { Failure } from '../../../sdk/lib/errors.ts';
import type { Device } from './devices.ts';

/** Room for a log, in bytes: a hole until it is written. */
const LOG_SIZE = 64 * 1024 ** 3;

/**
 * A disk whose writes and flushes are logged, as the guest issues them and in their order: QEMU's blklogwrites, on top of
 * the disk's own format. A write is in the log before the guest is told that it is done.
 */
export async function recordedDevice(device: Device, log: string): Promise<Device> {
  const top = device.blockdevs.at(-1)?.['node-name'];
  if (top === undefined || device.device.drive !== top)
    throw new Failure(`${device.id} is no disk to be recorded`);
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
        // A restart is another QEMU, which goes on with the log. The size of its sectors is in its head.
        'log-append': true,
        // The number of entries is in the log's head: written at each flush, and after each so many.
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
