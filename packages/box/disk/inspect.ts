import { type Box, BoxError, mustRun, nameOf } from '../io/box.ts';
import { type Gpt, readGpt } from './gpt.ts';
import { slotUuids } from './guid.ts';
import type { DraisineDisk, Partition, RunningUsr, Slot } from './model.ts';

/** Types of the discoverable partitions specification (UAPI.2), on x86-64. */
export const TYPES = {
  esp: 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b',
  usr: '8484680c-9521-48c6-9c11-b0720656f69e',
  verity: '77ff5f63-e7b6-4633-acf4-1565b864c0e6',
} as const;

/** The label of the EFI system partition of a Draisine disk. */
export const ESP_LABEL = 'draisine-esp';
/** The label of its state partition. */
export const STATE_LABEL = 'draisine-state';
/** The label of a slot that holds no complete release. */
export const EMPTY_LABEL = '_empty';
const USR_LABEL = 'draisine_usr_';
const BLOCK = 4096;
const MARKS = '/run/draisine/boot-disk';

/** Labels of the partitions of a slot with this version. */
export function slotLabels(version: string): { readonly usr: string; readonly verity: string } {
  return { usr: `${USR_LABEL}${version}`, verity: `draisine_usr_verity_${version}` };
}

/**
 * The devices below dm-verity of the running system (dmsetup(8); the kernel's
 * admin-guide/device-mapper/verity).
 */
export function runningUsr(box: Box): RunningUsr {
  const words = mustRun(box, 'cannot find the devices of the running /usr', ['dmsetup', 'table', 'usr'])
    .trim()
    .split(' ');
  const [, , kind, , data = '', hash = '', , , blocks, start, , rootHash = ''] = words;
  if (kind !== 'verity' || !/^[0-9a-f]{64}$/.test(rootHash))
    throw new BoxError('the running /usr is not under dm-verity');
  return {
    rootHash,
    size: Number(blocks) * BLOCK,
    dataDevice: blockDevice(box, data),
    hashDevice: blockDevice(box, hash),
    hashStart: Number(start),
  };
}

/** `/dev/NAME` of the device MAJOR:MINOR. */
function blockDevice(box: Box, numbers: string): string {
  return `/dev/${nameOf(box.readLink(`/sys/dev/block/${numbers}`))}`;
}

/** Name of the boot disk (docs/install.md). The initrd has marked it. */
function bootDisk(box: Box): string {
  const [mark, other] = box.stat(MARKS) === undefined ? [] : box.list(MARKS);
  if (mark === undefined)
    throw new BoxError('this system was not booted from an installed disk', {
      hint: 'a live system is not updated: boot the new medium',
    });
  if (other !== undefined)
    throw new BoxError('two disks are marked as the boot disk of this system', { where: MARKS });
  return box.readText(`${MARKS}/${mark}`).trim();
}

/** Size of a logical sector, in bytes. */
export function sectorSize(box: Box, disk: string): number {
  return Number(box.readText(`/sys/block/${disk}/queue/logical_block_size`).trim());
}

/** `/dev/vda4`, `/dev/nvme0n1p4`: if the disk's name ends in a digit, a `p` comes before the number. */
function partitionDevice(disk: string, number: number): string {
  return `/dev/${disk}${/[0-9]$/.test(disk) ? 'p' : ''}${number}`;
}

/** Whether the partition table says that an installed Draisine could boot from the disk. */
export function partitionsOf(box: Box, disk: string): readonly Partition[] | undefined {
  const file = box.open(`/dev/${disk}`, 'read');
  let table: Gpt | undefined;
  try {
    table = readGpt(file, sectorSize(box, disk));
  } finally {
    file.close();
  }
  return table?.entries.map((entry) => ({ ...entry, device: partitionDevice(disk, entry.number) }));
}

/** The Draisine on a disk; default: the boot disk. */
export function inspectDisk(box: Box, name = bootDisk(box)): DraisineDisk {
  const partitions = partitionsOf(box, name);
  if (!partitions) throw new BoxError('the disk has no intact partition table', { where: `/dev/${name}` });
  const esp = partitions.find(({ type, label }) => type === TYPES.esp && label === ESP_LABEL);
  if (!esp) throw new BoxError(`the disk has no partition ${ESP_LABEL}`, { where: `/dev/${name}` });
  return { name, esp, slots: slotsOf(partitions, runningUsr(box)), partitions };
}

/** Pairs of partitions in the order of the table: the first /usr with the first hash tree. */
export function slotsOf(partitions: readonly Partition[], running: RunningUsr): Slot[] {
  const trees = partitions.filter(({ type }) => type === TYPES.verity);
  return partitions
    .filter(({ type }) => type === TYPES.usr)
    .flatMap((usr, index) => {
      const verity = trees[index];
      if (!verity) return [];
      return [
        {
          name: String.fromCharCode('a'.charCodeAt(0) + index),
          usr,
          verity,
          version: versionOf(usr, verity),
          running: usr.device === running.dataDevice,
        },
      ];
    });
}

/**
 * Both labels must have the same version. A slot is relabelled in one write, but sgdisk of earlier releases
 * could be interrupted.
 */
function versionOf(usr: Partition, verity: Partition): string | undefined {
  if (!usr.label.startsWith(USR_LABEL)) return undefined;
  const version = usr.label.slice(USR_LABEL.length);
  // The first releases of a day cut the label of the hash tree to 36 characters.
  return slotLabels(version).verity.slice(0, 36) === verity.label ? version : undefined;
}

/** Whether the labels and UUIDs of a slot name a root hash. `verifySlot` checks the contents. */
export function slotHolds({ usr, verity }: Slot, rootHash: string): boolean {
  const uuids = slotUuids(rootHash);
  return usr.uuid === uuids.usr && verity.uuid === uuids.verity;
}

/** The slot that does not run. The next release goes there. */
export function otherSlot(disk: DraisineDisk): Slot {
  const others = disk.slots.filter(({ running }) => !running);
  const [other] = others;
  if (!other || others.length === disk.slots.length)
    throw new BoxError('no slot of the disk holds the running /usr', {
      where: `/dev/${disk.name}`,
      hint: 'only an installed system can be updated',
    });
  if (others.length > 1)
    throw new BoxError(`the disk has ${disk.slots.length} slots, not two`, { where: `/dev/${disk.name}` });
  return other;
}
