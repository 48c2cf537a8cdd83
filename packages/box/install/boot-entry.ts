import { guidText } from '../disk/guid.ts';
import { partitionsOf } from '../disk/inspect.ts';
import type { Partition } from '../disk/model.ts';
import { type Box, mustRun } from '../io/box.ts';
import { allDisks } from './disks.ts';

/**
 * Boot entries of the firmware (UEFI specification, "EFI_LOAD_OPTION"). `bootctl install` uses the entry that names the
 * ESP by its UUID, or makes another one. So a new ESP on the same disk gets the UUID of the old one. Otherwise each
 * installation would leave an entry without a partition. If the partition table was wiped before, nothing tells that
 * UUID any more. So the entry also has the serial number of the disk in its description, and only entries of this disk
 * are removed: another disk with a Draisine may just be unplugged.
 */

const EFIVARS = '/sys/firmware/efi/efivars';
const GLOBAL = '8be4df61-93ca-11d2-aa0d-00e098032b8c';
const ENTRY = new RegExp(`^Boot[0-9A-F]{4}-${GLOBAL}$`);
const ORDER = `${EFIVARS}/BootOrder-${GLOBAL}`;
/** efivarfs puts the attributes of a variable, four bytes, before its value. */
const ATTRIBUTES = 4;
/** Types of device path nodes: a partition of a disk, a file on it. */
const HARD_DRIVE = { type: 4, subtype: 1, size: 42 };
const FILE_PATH = { type: 4, subtype: 4 };
const OURS = '\\efi\\systemd\\systemd-bootx64.efi';

/** The description of the entry for a disk. Firmware shows it in its menu. */
export function descriptionFor(serial: string): string {
  return `Draisine ${serial.replaceAll(/[^A-Za-z0-9._-]/g, '').slice(0, 40)}`.trimEnd();
}

/** The partition and the file that an entry of the firmware starts. */
export interface BootEntry {
  readonly description: string;
  /** UUID of the partition, in lower case. */
  readonly partition: string;
  /** Path of the file, in lower case, with backslashes. */
  readonly file: string;
}

/**
 * The target of an entry; undefined if it is not a file on a GPT partition. `bytes`: as in efivarfs,
 * attributes first.
 */
export function parseBootEntry(bytes: Uint8Array): BootEntry | undefined {
  const fields = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // The attributes of the variable and of the entry, and the length of the path, come first; then the
  // description in UTF-16.
  let at = 10;
  let description = '';
  for (; at + 2 <= bytes.length && fields.getUint16(at, true) !== 0; at += 2)
    description += String.fromCharCode(fields.getUint16(at, true));
  at += 2;
  let partition: string | undefined;
  while (at + 4 <= bytes.length) {
    const [type, subtype, size] = [bytes[at], bytes[at + 1], fields.getUint16(at + 2, true)];
    if (size < 4 || at + size > bytes.length) return undefined;
    if (type === HARD_DRIVE.type && subtype === HARD_DRIVE.subtype && size === HARD_DRIVE.size)
      partition = guidText(bytes.subarray(at + 24, at + 40));
    if (type === FILE_PATH.type && subtype === FILE_PATH.subtype) {
      const units = Array.from({ length: (size - 4) / 2 }, (_, index) =>
        fields.getUint16(at + 4 + 2 * index, true),
      );
      const file = String.fromCharCode(...units.filter((unit) => unit !== 0)).toLowerCase();
      return partition === undefined ? undefined : { description, partition, file };
    }
    at += size;
  }
  return undefined;
}

/** The entries of the firmware that start a file on a partition, by the names of their variables. */
function bootEntries(box: Box): [string, BootEntry][] {
  if (box.stat(EFIVARS) === undefined) return [];
  return box
    .list(EFIVARS)
    .filter((name) => ENTRY.test(name))
    .flatMap((name): [string, BootEntry][] => {
      const entry = parseBootEntry(box.readFile(`${EFIVARS}/${name}`));
      return entry === undefined ? [] : [[name, entry]];
    });
}

/**
 * The UUID for a new ESP: that of the old ESP if the firmware has an entry of ours for it.
 * Otherwise it gets a new UUID, because all disks that were written with one disk image have the same.
 */
function keptEspUuid(entries: readonly BootEntry[], old: Pick<Partition, 'uuid'> | undefined) {
  return entries.some(({ partition, file }) => partition === old?.uuid && file === OURS)
    ? old?.uuid
    : undefined;
}

/** The UUID by the entries of this machine's firmware. */
export function espUuidFor(box: Box, old: Pick<Partition, 'uuid'> | undefined): string | undefined {
  return old === undefined
    ? undefined
    : keptEspUuid(
        bootEntries(box).map(([, entry]) => entry),
        old,
      );
}

/**
 * Removes the entries of earlier installations on this disk whose partition is on no disk, because its partition
 * table was wiped. The firmware would try each of them first. Without a serial number nothing is known of a disk.
 */
export function removeLostEntries(box: Box, serial: string, say: (line: string) => void): void {
  const own = descriptionFor(serial);
  if (own === descriptionFor('')) return;
  const there = new Set(
    allDisks(box)
      .flatMap((disk) => partitionsOf(box, disk) ?? [])
      .map(({ uuid }) => uuid),
  );
  const lost = bootEntries(box).filter(
    ([, { description, file, partition }]) => description === own && file === OURS && !there.has(partition),
  );
  const numbers = lost.map(([name]) => Number.parseInt(name.slice(4, 8), 16));
  if (lost.length === 0) return;
  leaveOutOfOrder(box, numbers);
  for (const [name, { partition }] of lost) {
    box.remove(`${EFIVARS}/${name}`);
    say(`removed the boot entry ${name.slice(0, 8)}: no disk has its partition ${partition} any more`);
  }
}

/** efivarfs needs a variable in one write. It has neither renaming nor seeking. */
function leaveOutOfOrder(box: Box, numbers: readonly number[]): void {
  if (box.stat(ORDER) === undefined) return;
  const bytes = box.readFile(ORDER);
  const kept = [...bytes.subarray(0, ATTRIBUTES)];
  for (let at = ATTRIBUTES; at + 2 <= bytes.length; at += 2) {
    const [low = 0, high = 0] = bytes.subarray(at, at + 2);
    if (!numbers.includes(low + 256 * high)) kept.push(low, high);
  }
  if (kept.length === bytes.length) return;
  mustRun(
    box,
    'cannot write the boot order',
    ['dd', `of=${ORDER}`, 'bs=64K', 'conv=notrunc', 'status=none'],
    {
      stdin: new Uint8Array(kept),
    },
  );
}
