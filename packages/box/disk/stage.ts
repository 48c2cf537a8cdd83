import { type Box, BoxError, mustRun } from '../io/box.ts';
import { freeRoom, listUkis, putFile, removeUkis, UKI_FOLDER, ukiName, withEsp } from './esp.ts';
import { changeGpt } from './gpt.ts';
import { slotUuids } from './guid.ts';
import { EMPTY_LABEL, otherSlot, sectorSize, slotLabels } from './inspect.ts';
import { clearLoaderChoice, dropDefaultEntry } from './loader.ts';
import type { DraisineDisk, InstalledUki, Slot, SlotContent, UkiContent } from './model.ts';

/** Tries that a release on trial has. */
export const TRIES = 3;
/** Additional room that a FAT needs for a file, in bytes: partly used clusters, and entries of folders. */
const SLACK = 1 << 20;

/** Code of the BoxError for a slot whose contents differ from the written ones. */
export const NOT_AS_WRITTEN = 'NOT_AS_WRITTEN';

/** The release to stage, and the running system. */
export interface Staging {
  readonly slot: SlotContent;
  readonly uki: UkiContent;
  /** The running `/usr`. Its slot and its UKI are never touched. */
  readonly runningHash: string;
  /** Called before each step, with a text for people. */
  readonly progress?: (step: string) => void;
}

/**
 * Puts a release into the slot that does not run, and its UKI on trial beside the running one. The order
 * matters: until the last rename the running release boots, and after it the new one.
 */
export function stage(box: Box, disk: DraisineDisk, staging: Staging): Slot {
  const { slot: content, uki, runningHash, progress = () => {} } = staging;
  const slot = otherSlot(disk);
  mustFit(slot, content);
  progress('making room on the EFI system partition');
  withEsp(box, disk.esp.device, (esp) => makeRoom(box, esp, uki, runningHash));
  fillSlot(box, disk.name, slot, content, progress);
  progress(`installing ${ukiName(uki.version, TRIES)}`);
  withEsp(box, disk.esp.device, (esp) => {
    dropDefaultEntry(box, esp);
    clearLoaderChoice(box);
    installUki(box, esp, uki, TRIES);
  });
  return slot;
}

/**
 * Checks that a release fits into a slot.
 * @throws BoxError if it does not
 */
export function mustFit(slot: Slot, { usrSize, veritySize, version }: SlotContent): void {
  for (const [partition, size] of [
    [slot.usr, usrSize],
    [slot.verity, veritySize],
  ] as const) {
    if (size > partition.size)
      throw new BoxError(
        `${version} does not fit into slot ${slot.name}: ${size} of ${partition.size} bytes`,
        {
          where: partition.device,
          hint: 'this release needs larger partitions: draisine-install without --keep-state makes them',
        },
      );
  }
}

/**
 * Removes releases that do not run from the boot menu, because their slot will be overwritten. If there is
 * still no room for the new UKI, it refuses and changes nothing.
 */
function makeRoom(box: Box, esp: string, uki: UkiContent, runningHash: string): void {
  removeUkis(box, esp, () => false); // a half file of an interrupted attempt
  const installed = listUkis(box, esp);
  const stays = (each: InstalledUki) => each.rootHash === runningHash;
  if (!installed.some(stays))
    throw new BoxError('the UKI of the running release is not on the EFI system partition', {
      where: UKI_FOLDER,
      hint: 'draisine-install --keep-state from a medium with this release restores it',
    });
  if (installed.some((each) => stays(each) && each.version === uki.version))
    throw new BoxError(`${uki.version} is the running release`);
  const going = installed.filter((each) => !stays(each)).reduce((sum, { size }) => sum + size, 0);
  const room = freeRoom(box, esp) + going;
  if (room < uki.size + SLACK)
    throw new BoxError(
      `no room on the EFI system partition: ${mib(uki.size + SLACK)} MiB are needed, ${mib(room)} MiB can be made free`,
      { where: UKI_FOLDER, hint: 'remove files there that are not of Draisine' },
    );
  removeUkis(box, esp, (each) => !stays(each));
}

const mib = (bytes: number) => Math.ceil(bytes / (1 << 20));

/** Writes a slot, reads it back, and labels it. Until the end its label says that it is empty. */
export function fillSlot(
  box: Box,
  disk: string,
  slot: Slot,
  content: SlotContent,
  progress: (step: string) => void = () => {},
): void {
  const devices = { usr: slot.usr.device, verity: slot.verity.device };
  nameSlot(box, disk, slot, { usr: EMPTY_LABEL, verity: EMPTY_LABEL });
  awaitPartitions(box, [devices.usr, devices.verity]);
  progress(`writing /usr to ${devices.usr} and ${devices.verity}`);
  content.write(devices);
  progress('reading the slot back');
  if (!slotIsWhole(box, slot, content.rootHash))
    throw new BoxError(`/dev/${disk} returns other data than was written to it: the disk is bad`, {
      code: NOT_AS_WRITTEN,
      where: devices.usr,
      hint: 'replace the disk; the running release stays',
    });
  nameSlotFor(box, disk, slot, content);
}

/**
 * After a write of the table, udev reads it again (it watches the whole disk), and the partitions disappear
 * for a moment. A write to their names would then make a file in /dev. So this function waits until they
 * exist, and still exist half a second later.
 */
function awaitPartitions(box: Box, devices: readonly string[]): void {
  const there = (): boolean => devices.every((device) => box.stat(device)?.type === 'block');
  for (let tried = 0, seen = 0; seen < 2; tried++) {
    if (tried === 60) throw new BoxError('the partitions are gone from /dev', { where: devices.join(', ') });
    box.sleep(500);
    box.run(['udevadm', 'settle', '--timeout=30']);
    seen = there() ? seen + 1 : 0;
  }
}

/** Gives a slot the labels of its contents. */
export function nameSlotFor(
  box: Box,
  disk: string,
  slot: Slot,
  { version, rootHash }: Pick<SlotContent, 'version' | 'rootHash'>,
): void {
  nameSlot(box, disk, slot, slotLabels(version), slotUuids(rootHash));
  // makes udev look at the partitions again: the kernel does not know their labels
  box.run(['udevadm', 'trigger', '--settle', slot.usr.device, slot.verity.device]);
}

/** Writes labels and UUIDs of a slot, in one write of the table. */
function nameSlot(
  box: Box,
  disk: string,
  slot: Slot,
  labels: { readonly usr: string; readonly verity: string },
  uuids?: { readonly usr: string; readonly verity: string },
): void {
  const file = box.open(`/dev/${disk}`, 'write');
  try {
    const change = (part: 'usr' | 'verity') => ({
      number: slot[part].number,
      label: labels[part],
      ...(uuids ? { uuid: uuids[part] } : {}),
    });
    changeGpt(file, sectorSize(box, disk), [change('usr'), change('verity')], `/dev/${disk}`);
  } finally {
    file.close();
  }
}

/** Whether a slot holds the `/usr` of a root hash. Reads every block from the disk (veritysetup(8)). */
export function slotIsWhole(box: Box, slot: Slot, rootHash: string): boolean {
  for (const device of [slot.usr.device, slot.verity.device]) {
    box.sync(device);
    mustRun(box, 'cannot empty the cache', ['blockdev', '--flushbufs', device]);
  }
  const command = ['veritysetup', 'verify', slot.usr.device, slot.verity.device, rootHash];
  return box.run(command, { timeoutSeconds: 900 }).code === 0;
}

/** Installs a UKI on the mounted ESP. `left`: tries; undefined: it is not counted. */
export function installUki(box: Box, esp: string, uki: UkiContent, left?: number): void {
  // An entry with a counter and one without would be two entries of one release.
  removeUkis(box, esp, ({ version, file }) => version === uki.version && file !== ukiName(uki.version, left));
  const path = `${esp}/${UKI_FOLDER}/${ukiName(uki.version, left)}`;
  putFile(box, path, uki.sha256, uki.write);
}
