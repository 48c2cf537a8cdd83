import { readdir, readFile, realpath } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { errorCode, ifThere } from '../../sdk/lib/errors.ts';

/** The folders of sysfs, procfs and udev's database. Tests pass their own. */
export interface Roots {
  readonly sys: string;
  readonly proc: string;
  /** /run/udev/data */
  readonly udev: string;
}

/** The places of the real machine. Tests have folders of their own. */
export const HOST: Roots = { sys: '/sys', proc: '/proc', udev: '/run/udev/data' };

/** The properties of a block device in sysfs (Documentation/ABI/stable/sysfs-block). */
export interface BlockDevice {
  /** `sda` */
  readonly name: string;
  /** `8:0` */
  readonly numbers: string;
  readonly kind: 'disk' | 'partition' | 'loop' | 'virtual';
  /** Size in bytes; 0 without a medium. */
  readonly size: number;
  readonly sectorSize: number;
  readonly readOnly: boolean;
  readonly model: string;
  /** All serial numbers of the device, the best one first; empty if it has none. */
  readonly serials: readonly string[];
  /** The transport in words: `USB`, `NVMe`, `SD card`, … */
  readonly transport: string;
  /** True for the kernel's removable flag, USB and SD cards. A soldered eMMC is not removable. */
  readonly removable: boolean;
  readonly partitions: readonly Partition[];
}

/** A partition of a block device, as the kernel knows it. */
export interface Partition {
  readonly name: string;
  readonly numbers: string;
  /** Bytes. */
  readonly size: number;
}

/** Reads a block device by its `MAJOR:MINOR`. Undefined if the kernel has no such device. */
export async function readDevice(numbers: string, roots: Roots): Promise<BlockDevice | undefined> {
  const folder = await folderOf(numbers, roots);
  if (folder === undefined) return undefined;
  const read = (path: string): Promise<string> => attribute(join(folder, path));
  const name = basename(folder);
  const { transport, removable } = transportOf(folder, await read('device/type'));
  return {
    name,
    numbers,
    kind: kindOf(folder, (await read('partition')) !== ''),
    size: Number(await read('size')) * 512, // sysfs always counts in units of 512 bytes
    sectorSize: Number((await read('queue/logical_block_size')) || '512'),
    readOnly: (await read('ro')) === '1',
    model: [await read('device/vendor'), (await read('device/model')) || (await read('device/name'))]
      .filter((word) => word !== '' && word !== 'ATA' && !word.startsWith('0x'))
      .join(' '),
    serials: await serialsOf(folder, numbers, roots),
    transport,
    removable: removable || (await read('removable')) === '1',
    partitions: await partitionsOf(folder),
  };
}

/** Names of the arrays, mappings and pools that the device or partition is part of (`holders` in sysfs). */
export async function holdersOf(numbers: string, roots: Roots): Promise<readonly string[]> {
  const folder = await folderOf(numbers, roots);
  return folder === undefined ? [] : await names(join(folder, 'holders'));
}

/** `MAJOR:MINOR` of a block device's name. */
export async function numbersOf(name: string, roots: Roots): Promise<string> {
  return await attribute(join(roots.sys, 'class/block', name, 'dev'));
}

async function folderOf(numbers: string, { sys }: Roots): Promise<string | undefined> {
  return await ifThere(realpath(join(sys, 'dev/block', numbers)));
}

function kindOf(folder: string, partition: boolean): BlockDevice['kind'] {
  if (partition) return 'partition';
  if (!folder.includes('/devices/virtual/block/')) return 'disk';
  return /^loop\d+$/.test(basename(folder)) ? 'loop' : 'virtual';
}

function transportOf(folder: string, type: string): { transport: string; removable: boolean } {
  if (/\/usb\d+\//.test(folder)) return { transport: 'USB', removable: true };
  if (/\/mmc_host\//.test(folder))
    return type === 'SD'
      ? { transport: 'SD card', removable: true }
      : { transport: 'eMMC', removable: false };
  const known: readonly (readonly [RegExp, string])[] = [
    [/\/nvme(\d+|-subsystem)\//, 'NVMe'],
    [/\/ata\d+\//, 'SATA'],
    [/\/virtio\d+\//, 'virtio'],
  ];
  return {
    transport: known.find(([pattern]) => pattern.test(folder))?.[1] ?? basename(folder),
    removable: false,
  };
}

/** Serial numbers of the disk itself, of the USB device that it belongs to, and from udev. */
async function serialsOf(folder: string, numbers: string, roots: Roots): Promise<readonly string[]> {
  const found = [await attribute(join(folder, 'serial')), await attribute(join(folder, 'device/serial'))];
  const udev = await attribute(join(roots.udev, `b${numbers}`));
  for (const key of ['ID_SERIAL_SHORT', 'ID_SERIAL', 'ID_SCSI_SERIAL'])
    found.push(new RegExp(`^E:${key}=(.*)$`, 'm').exec(udev)?.[1] ?? '');
  // Vital product data, page 80h: four bytes, then the number (SPC-4, 7.8.14).
  found.push(clean((await attribute(join(folder, 'device/vpd_pg80'))).slice(4)));
  const usb = /^.*\/usb\d+\/(?:[^/]*\/)*\d+-[\d.]+(?=\/)/.exec(folder)?.[0];
  if (usb !== undefined) found.push(await attribute(join(usb, 'serial')));
  return [...new Set(found.filter((serial) => serial !== ''))];
}

async function partitionsOf(folder: string): Promise<readonly Partition[]> {
  const found: (Partition & { number: number })[] = [];
  for (const name of await names(folder)) {
    const number = Number(await attribute(join(folder, name, 'partition')));
    if (!(number > 0)) continue;
    found.push({
      name,
      number,
      numbers: await attribute(join(folder, name, 'dev')),
      size: Number(await attribute(join(folder, name, 'size'))) * 512,
    });
  }
  return found
    .sort((a, b) => a.number - b.number)
    .map(({ name, numbers, size }) => ({ name, numbers, size }));
}

async function names(folder: string): Promise<readonly string[]> {
  return (await ifThere(readdir(folder))) ?? [];
}

/** An attribute of a device; empty if the device lacks it or does not answer. */
async function attribute(path: string): Promise<string> {
  try {
    return clean(await readFile(path, 'latin1'));
  } catch (error) {
    if (/^E(NOENT|NOTDIR|IO|INVAL|NXIO|NODEV|ACCES|ISDIR|OPNOTSUPP)$/.test(errorCode(error) ?? '')) return '';
    throw error;
  }
}

function clean(text: string): string {
  return text.replace(/[\s\0]+$/, '');
}
