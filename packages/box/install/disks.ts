import { type Box, BoxError, mustRun, nameOf, readTextIfThere } from '../io/box.ts';
import type { InstallOptions } from './options.ts';
import { parseCondition } from './sizes.ts';

/** A block device as in lsblk(8), with the devices on it. */
export interface BlockDevice {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly model: string;
  readonly serial: string;
  /** `sata`, `nvme`, `usb`, … */
  readonly transport: string;
  readonly removable: boolean;
  /** `disk`, `part`, `crypt`, `raid1`, … */
  readonly type: string;
  /** Mount point; `[SWAP]` for swap. */
  readonly mountPoint: string;
  readonly children: readonly BlockDevice[];
}

const COLUMNS = 'NAME,SIZE,MODEL,SERIAL,TRAN';
/** Whether a device can be an installation disk: not a CD, a loop device or a virtual device. */
const DISK = /^(sd[a-z]+|vd[a-z]+|nvme\d+n\d+|mmcblk\d+)$/;
/** Seconds between two looks for a disk that is missing. */
const PATIENCE = [1, 1, 2, 2, 4, 4, 8, 8];

interface Listed {
  readonly name: string;
  readonly size: number | string | null;
  readonly model: string | null;
  readonly serial: string | null;
  readonly tran: string | null;
  readonly rm: boolean | string;
  readonly type: string;
  readonly mountpoint: string | null;
  readonly children?: readonly Listed[];
}

/** lsblk's JSON is safe with any characters in a model. */
export function readDisk(box: Box, name: string): BlockDevice {
  const columns = 'NAME,SIZE,MODEL,SERIAL,TRAN,RM,TYPE,MOUNTPOINT';
  const text = mustRun(box, `cannot read the properties of ${name}`, [
    'lsblk',
    '--json',
    '--bytes',
    '--output',
    columns,
    `/dev/${name}`,
  ]);
  const { blockdevices } = JSON.parse(text) as { readonly blockdevices: readonly [Listed] };
  return blockDevice(blockdevices[0]);
}

function blockDevice(listed: Listed): BlockDevice {
  return {
    name: listed.name,
    size: Number(listed.size),
    model: listed.model ?? '',
    serial: listed.serial ?? '',
    transport: listed.tran ?? '',
    removable: listed.rm === true || listed.rm === '1',
    type: listed.type,
    mountPoint: listed.mountpoint ?? '',
    children: (listed.children ?? []).map(blockDevice),
  };
}

/** A device and all devices on it. */
export function withChildren(device: BlockDevice): BlockDevice[] {
  return [device, ...device.children.flatMap(withChildren)];
}

/** Names of the disks that can be chosen. A card reader without a card is no disk: nobody can open it. */
export function allDisks(box: Box): string[] {
  const isEmpty = (name: string): boolean => readTextIfThere(box, `/sys/block/${name}/size`)?.trim() === '0';
  return box.list('/sys/block').filter((name) => DISK.test(name) && !isEmpty(name));
}

/** A list for people, one line for each disk. */
function listDisks(box: Box, names: readonly string[]): string {
  return names
    .map((name) => box.run(['lsblk', '--nodeps', '--noheadings', '--output', COLUMNS, `/dev/${name}`]).stdout)
    .join('')
    .trimEnd();
}

/** Whether the running system was booted from this disk, or has its /usr there. */
export function isBooted(box: Box, disk: BlockDevice): boolean {
  const sequence = box.readText(`/sys/block/${disk.name}/diskseq`).trim();
  if (box.stat(`/run/draisine/boot-disk/${sequence}`) !== undefined) return true;
  return withChildren(disk).some(({ name }) => name === 'usr');
}

/** Chooses the disk. `plan`: bytes that an installation needs. */
function fits(box: Box, name: string, options: InstallOptions, plan: number): boolean {
  const disk = readDisk(box, name);
  const { size, serial, model, device } = options;
  if (size !== '' && !parseCondition(size)(disk.size)) return false;
  if (serial !== '' && disk.serial !== serial) return false;
  if (!disk.model.includes(model)) return false;
  if (device === 'auto' && (disk.removable || disk.transport === 'usb' || disk.size < plan)) return false;
  return !isBooted(box, disk);
}

/** Name of the disk that the options select. */
export function findDisk(box: Box, options: InstallOptions, plan: number): string {
  const all = allDisks(box);
  const { device } = options;
  if (device === '' || device === 'auto') {
    const found = all.filter((name) => fits(box, name, options, plan));
    if (found.length === 0)
      throw new BoxError(`no disk meets the conditions. There are:\n${listDisks(box, all)}`);
    if (found.length > 1)
      throw new BoxError(`more than one disk meets the conditions. Name one:\n${listDisks(box, found)}`);
    return found[0]!;
  }
  const path = waitForDevice(box, device, options.patient);
  if (path === undefined)
    throw new BoxError(`there is no disk ${device}. There are:\n${listDisks(box, all)}`);
  const name = nameOf(mustRun(box, `cannot find ${device}`, ['readlink', '-f', path]).trim());
  if (box.stat(`/sys/class/block/${name}/partition`) !== undefined)
    throw new BoxError(`${device} is a partition: name its disk`);
  if (!all.includes(name)) throw new BoxError(`${device} is not a disk to install on`);
  if (!fits(box, name, options, plan) && !isBooted(box, readDisk(box, name)))
    throw new BoxError(`${device} does not meet the conditions: ${listDisks(box, [name])}`);
  return name;
}

function waitForDevice(box: Box, device: string, patient: boolean): string | undefined {
  const isThere = (path: string) => box.stat(path)?.type === 'block';
  const paths = device.startsWith('/') ? [device] : [`/dev/${device}`];
  for (const seconds of [...(patient ? PATIENCE : []), 0]) {
    const path = paths.find(isThere);
    if (path !== undefined) return path;
    if (seconds > 0) box.sleep(seconds * 1000);
  }
  return undefined;
}
