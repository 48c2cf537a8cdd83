import { guidText } from '../disk/guid.ts';
import type { Partition } from '../disk/model.ts';
import type { Box } from '../io/box.ts';

/**
 * Boot entries of the firmware (UEFI specification, "EFI_LOAD_OPTION"). `bootctl install` takes the entry that names the
 * ESP by its UUID, or makes another one. So an ESP that is made anew on the same disk gets the old UUID, or each
 * installation would leave an entry that leads nowhere.
 */

const EFIVARS = '/sys/firmware/efi/efivars';
const ENTRY = /^Boot[0-9A-F]{4}-8be4df61-93ca-11d2-aa0d-00e098032b8c$/;
/** Device path nodes: a partition of a disk, a file on it. */
const HARD_DRIVE = { type: 4, subtype: 1, size: 42 };
const FILE_PATH = { type: 4, subtype: 4 };
const OURS = '\\efi\\systemd\\systemd-bootx64.efi';

/** The partition and the file that an entry of the firmware starts. */
export interface BootEntry {
  /** UUID of the partition, in small letters. */
  readonly partition: string;
  /** The file on it, in small letters, with backslashes. */
  readonly file: string;
}

/** What an entry starts; undefined: not a file on a GPT partition. `bytes`: as efivarfs has them, attributes first. */
export function parseBootEntry(bytes: Uint8Array): BootEntry | undefined {
  const fields = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // Attributes of the variable and of the entry, length of the path, then the description in UTF-16.
  let at = 10;
  while (at + 2 <= bytes.length && fields.getUint16(at, true) !== 0) at += 2;
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
      return partition === undefined ? undefined : { partition, file };
    }
    at += size;
  }
  return undefined;
}

function bootEntries(box: Box): BootEntry[] {
  if (box.stat(EFIVARS) === undefined) return [];
  return box
    .list(EFIVARS)
    .filter((name) => ENTRY.test(name))
    .flatMap((name) => parseBootEntry(box.readFile(`${EFIVARS}/${name}`)) ?? []);
}

/**
 * The UUID that an ESP made anew takes over: that of the ESP which goes, if the firmware has an entry of ours for it.
 * Without an entry it gets one of its own: a disk that was written with the disk image has the same UUID as every other
 * such disk.
 */
function keptEspUuid(entries: readonly BootEntry[], old: Pick<Partition, 'uuid'> | undefined) {
  return entries.some(({ partition, file }) => partition === old?.uuid && file === OURS)
    ? old?.uuid
    : undefined;
}

/** The same, of the firmware of this machine. */
export function espUuidFor(box: Box, old: Pick<Partition, 'uuid'> | undefined): string | undefined {
  return old === undefined ? undefined : keptEspUuid(bootEntries(box), old);
}
