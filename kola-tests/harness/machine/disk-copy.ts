import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../../sdk/lib/errors.ts';
import { runCommand } from '../../../sdk/tool.ts';
import type { Lab } from './lab.ts';

/** A copy of the image's disk that a sabotage damages. Offsets and lengths are in bytes. */
export interface DiskCopy {
  readonly path: string;
  /** Finds a partition by its type (UAPI discoverable partitions specification). */
  partition(type: keyof typeof TYPES): Promise<Extent>;
  /** Inverts all bits of one byte. */
  flip(offset: number): Promise<void>;
  /** Overwrites with zeros. */
  zero(offset: number, length: number): Promise<void>;
  /** Replaces each `from` in a partition; `to` is filled up with spaces. Throws if there is none. */
  replace(extent: Extent, from: string, to: string): Promise<void>;
}

/** A run of bytes of a file that has data. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

const TYPES = {
  esp: 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b',
  usr: '8484680c-9521-48c6-9c11-b0720656f69e',
  'usr-verity': '77ff5f63-e7b6-4633-acf4-1565b864c0e6',
} as const;

const SECTOR = 512;
const CHUNK = 4 << 20;

/** Copies the disk into `dir` with its holes, and calls `spoil`. Returns a lab whose machines boot from the copy. */
export async function withSpoiltDisk(
  lab: Lab,
  dir: string,
  name: string,
  spoil: (disk: DiskCopy) => Promise<void>,
): Promise<Lab> {
  const path = join(dir, 'spoilt.raw');
  await runCommand(
    lab.emulator.img(['convert', '-q', '-f', 'raw', '-O', 'raw', lab.disk.path, path]),
    'qemu-img',
  );
  const file = await open(path, 'r+');
  try {
    await spoil(diskCopy(file, path));
  } finally {
    await file.close();
  }
  return { ...lab, disk: { ...lab.disk, path, name: `${lab.disk.name} (${name})` }, forks: false };
}

/** Exported for its test. */
export function diskCopy(file: FileHandle, path: string): DiskCopy {
  async function read(offset: number, length: number): Promise<Buffer> {
    const bytes = Buffer.alloc(length);
    const { bytesRead } = await file.read(bytes, 0, length, offset);
    return bytes.subarray(0, bytesRead);
  }

  async function zero(offset: number, length: number): Promise<void> {
    await file.write(Buffer.alloc(length), 0, length, offset);
  }

  return {
    path,
    zero,
    partition: async (type) => {
      // UEFI specification, 5.3.2 and 5.3.3: the header in sector 1 says where the entries are.
      const header = await read(SECTOR, SECTOR);
      if (header.toString('latin1', 0, 8) !== 'EFI PART')
        throw new Failure('the disk has no GPT', { where: path });
      const [start, count, size] = [
        Number(header.readBigUInt64LE(72)),
        header.readUInt32LE(80),
        header.readUInt32LE(84),
      ];
      const entries = await read(start * SECTOR, count * size);
      for (let at = 0; at + size <= entries.length; at += size) {
        if (guid(entries.subarray(at, at + 16)) !== TYPES[type]) continue;
        const first = Number(entries.readBigUInt64LE(at + 32));
        const last = Number(entries.readBigUInt64LE(at + 40));
        return { offset: first * SECTOR, length: (last - first + 1) * SECTOR };
      }
      throw new Failure(`the disk has no ${type} partition`, { where: path });
    },
    flip: async (offset) => {
      const [byte] = await read(offset, 1);
      if (byte === undefined) throw new Failure(`the disk ends before ${offset}`, { where: path });
      await file.write(Buffer.from([byte ^ 0xff]), 0, 1, offset);
    },
    replace: async ({ offset, length }, from, to) => {
      if (to.length > from.length) throw new Failure(`${to} is longer than ${from}`);
      let found = 0;
      for (let at = 0; at < length; at += CHUNK) {
        // Each piece includes the beginning of the next one, because a match may cross the border.
        const bytes = await read(offset + at, Math.min(CHUNK + from.length - 1, length - at));
        for (let hit = bytes.indexOf(from); hit >= 0; hit = bytes.indexOf(from, hit + 1)) {
          await file.write(Buffer.from(to.padEnd(from.length)), 0, from.length, offset + at + hit);
          found += 1;
        }
      }
      if (found === 0) throw new Failure(`not on the disk: ${from}`, { where: path });
    },
  };
}

/** The first three fields are little-endian (UEFI specification, appendix A). */
function guid(bytes: Buffer): string {
  const hex = [
    Buffer.from(bytes.subarray(0, 4)).reverse(),
    Buffer.from(bytes.subarray(4, 6)).reverse(),
    Buffer.from(bytes.subarray(6, 8)).reverse(),
    bytes.subarray(8, 10),
    bytes.subarray(10, 16),
  ];
  return hex.map((part) => part.toString('hex')).join('-');
}
