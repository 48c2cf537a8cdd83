import { createHash } from 'node:crypto';
import { FakeBox } from '../io/fake.ts';
import { crc32 } from './crc32.ts';
import { ukiName } from './esp.ts';
import { guidBytes, slotUuids } from './guid.ts';
import { slotLabels, TYPES } from './inspect.ts';
import type { SlotContent, UkiContent } from './model.ts';

export const SECTOR = 512;
const ENTRIES = 128;
const STATE = '4f68bce3-e8cd-4db1-96e7-fbcaf984b709';

export interface TableEntry {
  readonly type: string;
  readonly label: string;
  readonly uuid: string;
}

/** A disk of `sectors` with a GPT; each partition has eight sectors. */
export function makeDisk(entries: readonly TableEntry[], sectors = 256): Uint8Array {
  const disk = new Uint8Array(sectors * SECTOR);
  // The protective MBR. Without it no program looks for a GPT.
  disk.set([0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0, sectors - 1], 446);
  disk.set([0x55, 0xaa], 510);
  const array = new Uint8Array(ENTRIES * 128);
  for (const [index, { type, label, uuid }] of entries.entries()) {
    const entry = array.subarray(index * 128, (index + 1) * 128);
    entry.set(guidBytes(type));
    entry.set(guidBytes(uuid), 16);
    const fields = new DataView(entry.buffer, entry.byteOffset, 128);
    fields.setBigUint64(32, BigInt(40 + index * 8), true);
    fields.setBigUint64(40, BigInt(47 + index * 8), true);
    for (let at = 0; at < label.length; at++) fields.setUint16(56 + 2 * at, label.charCodeAt(at), true);
  }
  const last = sectors - 1;
  for (const [sector, alternate, start] of [
    [1, last, 2],
    [last, 1, last - 32],
  ] as const) {
    const header = new Uint8Array(SECTOR);
    const fields = new DataView(header.buffer);
    header.set(new TextEncoder().encode('EFI PART'));
    fields.setUint32(8, 0x10000, true);
    fields.setUint32(12, 92, true);
    fields.setBigUint64(24, BigInt(sector), true);
    fields.setBigUint64(32, BigInt(alternate), true);
    fields.setBigUint64(40, 34n, true);
    fields.setBigUint64(48, BigInt(sectors - 34), true);
    fields.setBigUint64(72, BigInt(start), true);
    fields.setUint32(80, ENTRIES, true);
    fields.setUint32(84, 128, true);
    fields.setUint32(88, crc32(array), true);
    fields.setUint32(16, crc32(header.subarray(0, 92)), true);
    disk.set(array, start * SECTOR);
    disk.set(header, sector * SECTOR);
  }
  return disk;
}

/** A PE file with only a command line, the one part of a UKI that code on the box reads. */
export function makeUki(rootHash: string, more = ''): Uint8Array {
  const cmdline = new TextEncoder().encode(`quiet usrhash=${rootHash} ro${more}`);
  const bytes = new Uint8Array(256 + cmdline.length);
  const fields = new DataView(bytes.buffer);
  fields.setUint16(0, 0x5a4d, true);
  fields.setUint32(60, 64, true);
  fields.setUint32(64, 0x4550, true);
  fields.setUint16(70, 1, true);
  bytes.set(new TextEncoder().encode('.cmdline'), 88);
  fields.setUint32(96, cmdline.length, true);
  fields.setUint32(104, cmdline.length, true);
  fields.setUint32(108, 256, true);
  bytes.set(cmdline, 256);
  return bytes;
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** Root hashes of three releases. */
export const HASHES = { old: 'a1'.repeat(32), running: 'b2'.repeat(32), next: 'c3'.repeat(32) };
export const ESP = '/run/draisine/mounts/vda1.42';

export function uuidOf(number: number): string {
  return `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
}

function slotEntries(version: string | undefined, rootHash: string, at: number): TableEntry[] {
  const labels = version === undefined ? { usr: '_empty', verity: '_empty' } : slotLabels(version);
  const uuids = version === undefined ? { usr: uuidOf(at), verity: uuidOf(at + 1) } : slotUuids(rootHash);
  return [
    { type: TYPES.usr, label: labels.usr, uuid: uuids.usr },
    { type: TYPES.verity, label: labels.verity, uuid: uuids.verity },
  ];
}

/** A box that runs 2026.1101.0 from slot A of `vda`; slot B holds 2026.1001.0, or nothing with `old: false`. */
export function fakeDraisine({ old = true, free = 200 << 20 } = {}): FakeBox {
  const box = new FakeBox();
  const entries = [
    { type: TYPES.esp, label: 'draisine-esp', uuid: uuidOf(1) },
    ...slotEntries('2026.1101.0', HASHES.running, 2),
    ...slotEntries(old ? '2026.1001.0' : undefined, HASHES.old, 4),
    { type: STATE, label: 'draisine-state', uuid: uuidOf(6) },
  ];
  box.putDevice('/dev/vda', makeDisk(entries));
  for (const number of [2, 3, 4, 5]) box.putDevice(`/dev/vda${number}`, new Uint8Array(4096));
  fill(box, '/dev/vda2', HASHES.running);
  if (old) fill(box, '/dev/vda4', HASHES.old);
  box.put({
    '/sys/block/vda/queue/logical_block_size': '512\n',
    '/run/draisine/boot-disk/9': 'vda\n',
    '/usr/lib/os-release': 'ID=draisine\nIMAGE_VERSION=2026.1101.0\n',
    '/usr/lib/systemd/boot/efi/systemd-bootx64.efi': 'boot loader of 2026.1101.0',
    [`${ESP}/EFI/systemd/systemd-bootx64.efi`]: 'boot loader of 2026.1001.0',
    [`${ESP}/EFI/BOOT/BOOTX64.EFI`]: 'boot loader of 2026.1001.0',
    [`${ESP}/loader/loader.conf`]: 'timeout 2\n',
    [`${ESP}/EFI/Linux/${ukiName('2026.1101.0')}`]: makeUki(HASHES.running),
    ...(old ? { [`${ESP}/EFI/Linux/${ukiName('2026.1001.0')}`]: makeUki(HASHES.old) } : {}),
  });
  box.makeFolder('/sys/dev/block');
  box.symlink('../../devices/virtio1/block/vda/vda2', '/sys/dev/block/253:2');
  box.symlink('../../devices/virtio1/block/vda/vda3', '/sys/dev/block/253:3');
  addPrograms(box, free);
  return box;
}

/** Fills a slot of a fake box: its content is the root hash as text. */
export function fill(box: FakeBox, device: string, rootHash: string): void {
  const file = box.open(device, 'write');
  file.write(0, new TextEncoder().encode(rootHash));
}

function addPrograms(box: FakeBox, free: number): void {
  const dm = `0 8 verity 1 253:2 253:3 4096 4096 1 1 sha256 ${HASHES.running} 00 1 ignore_zero_blocks\n`;
  const room = () => {
    const used = box.list(`${ESP}/EFI/Linux`).reduce((sum, name) => {
      return sum + (box.stat(`${ESP}/EFI/Linux/${name}`)?.size ?? 0);
    }, 0);
    return free - used;
  };
  box.program('dmsetup', () => dm);
  for (const name of ['mountpoint', 'findmnt']) box.program(name, () => ({ code: 1 }));
  box.makeFolder('/proc');
  box.symlink('42', '/proc/self');
  box.program('stat', () => `${room()} 1\n`);
  box.program('sha256sum', ([, path = '']) => `${sha256(box.readFile(path))}  ${path}\n`);
  box.program('cp', ([, from = '', to = '']) => {
    box.writeFile(to, box.readFile(from));
    return '';
  });
  box.program('veritysetup', ([, , usr = '', , hash = '']) => {
    const text = new TextDecoder().decode(box.readFile(usr).subarray(0, 64));
    return { code: text === hash ? 0 : 1 };
  });
  for (const name of ['mount', 'umount', 'fsck.fat', 'sync', 'dd', 'blockdev', 'udevadm', 'bootctl'])
    box.program(name, () => '');
  box.program('grep', () => ({ code: 1 }));
}

export const NEXT = '2026.1129.0';

export function nextSlot(box: FakeBox): SlotContent {
  return {
    version: NEXT,
    rootHash: HASHES.next,
    usrSize: 4096,
    veritySize: 4096,
    write: ({ usr }) => fill(box, usr, HASHES.next),
  };
}

export function nextUki(box: FakeBox): UkiContent {
  const bytes = makeUki(HASHES.next);
  return {
    version: NEXT,
    size: bytes.length,
    sha256: sha256(bytes),
    write: (path) => box.writeFile(path, bytes),
  };
}

/** The flock of a fake box: takes a lock as the script of lock.ts does. */
export function fakeLocks(box: FakeBox): void {
  box.program('flock', (argv) => {
    const [folder = '', pid = ''] = argv.slice(-2);
    const owner = box.stat(`${folder}/owner`) ? box.readText(`${folder}/owner`) : '';
    if (owner !== '' && box.stat(`/proc/${owner}`)) return { code: 9 };
    box.put({ [`${folder}/owner`]: pid });
    return '';
  });
}
