import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { badInput, errorCode, Failure } from '../../sdk/lib/errors.ts';
import { runTool } from '../../sdk/tool.ts';
import { type BlockDevice, type Roots, readDevice } from './flash-device.ts';
import { type Asked, refusal, usesOf } from './flash-refuse.ts';
import type { Range } from './image-map.ts';

/** The target of an image: a disk that may be erased, or a regular file. */
export interface FlashTarget {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Undefined for a regular file. */
  readonly device: BlockDevice | undefined;
}

/** Finds the target that the user named. Throws with the reason if it must not be written to. */
export async function findTarget(asked: Asked, roots: Roots): Promise<FlashTarget> {
  const { path } = asked;
  const found = await statOf(path);
  if (found.isFile()) {
    if (!asked.file)
      throw badInput(`${path} is a regular file, not a disk`, {
        where: path,
        hint: 'name a disk (/dev/…), or write into the file with --file',
      });
    if (asked.image !== undefined && (await sameFile(asked.image, path)))
      throw badInput(`${path} is the image itself`, {
        where: path,
        hint: `name another file: truncate -s ${asked.imageSize} NEW`,
      });
    // Artifacts are hard links to blobs of the store, so writing here would change the store.
    if (found.nlink > 1)
      throw badInput(`${path} has other names (${found.nlink} hard links): they would all be overwritten`, {
        where: path,
        hint: `name another file, or part it from them: cp ${path} ${path}.new && mv -f ${path}.new ${path}`,
      });
    if (found.size < asked.imageSize)
      throw badInput(`${path} is too small: ${found.size} bytes, the image has ${asked.imageSize}`, {
        where: path,
        hint: `truncate -s ${asked.imageSize} ${path}`,
      });
    return { path, size: found.size, device: undefined };
  }
  if (!found.isBlockDevice()) throw badInput(`${path} is not a disk`, { where: path, hint: 'see lsblk' });
  const device = await readDevice(numbers(found.rdev), roots);
  if (!device) throw badInput(`the kernel knows no disk ${path}`, { where: path, hint: 'see lsblk' });
  const no = refusal(device, await usesOf(device, roots), asked);
  if (no) throw no;
  return { path, size: device.size, device };
}

/** Opens the target for writing. A disk is opened exclusively: no mount or array can use it meanwhile (O_EXCL, open(2)). */
export async function openTarget({ path, device }: FlashTarget): Promise<FileHandle> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDWR | (device ? constants.O_EXCL : 0));
  } catch (error) {
    const code = errorCode(error);
    if (code === 'EBUSY')
      throw badInput(`${path} is in use`, {
        where: path,
        hint: 'end its use: a mount, an array, a pool or a virtual machine',
        cause: error,
      });
    if (code === 'EACCES' || code === 'EPERM')
      throw badInput(`${path} may not be written to by this user`, {
        where: path,
        hint: `sudo chown "$USER" ${path} (lasts until it is pulled out), or run this as root`,
        cause: error,
      });
    if (code === 'EROFS') throw badInput(`${path} is write-protected`, { where: path, cause: error });
    if (code === 'ENOMEDIUM') throw badInput(`there is no medium in ${path}`, { where: path, cause: error });
    throw error;
  }
  const { rdev } = await handle.stat();
  if (device && numbers(rdev) !== device.numbers) {
    await handle.close();
    throw new Failure(`${path} became another disk a moment ago`, { where: path, hint: 'once more' });
  }
  return handle;
}

/** One line for each partition, or for the disk itself, with the contents that blkid(8) finds. */
export async function contentsOf(device: BlockDevice, sdk: string, format: (bytes: number) => string) {
  const lines: string[] = [];
  for (const { name, size } of device.partitions)
    lines.push([name, format(size), await probe(sdk, name)].join('  ').trimEnd());
  if (lines.length > 0) return lines;
  const whole = await probe(sdk, device.name);
  return [whole === '' ? 'no contents that blkid knows' : whole];
}

/** `vfat "DRAISINE", draisine-esp`; empty if blkid knows nothing. */
async function probe(sdk: string, name: string): Promise<string> {
  let text: string;
  try {
    text = (await runTool(sdk, 'blkid', ['-p', '-o', 'export', `/dev/${name}`])).toString();
  } catch (error) {
    // Exit code 2: found nothing, or cannot read the device. 8: an ambiguous result (blkid(8)). The result is only shown.
    if (error instanceof Failure) return '';
    throw error;
  }
  const value = (key: string): string =>
    (new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1] ?? '').replace(/\\(.)/g, '$1');
  const label = value('LABEL');
  return [
    [value('TYPE') || value('PTTYPE'), label === '' ? '' : `"${label}"`]
      .filter((word) => word !== '')
      .join(' '),
    value('PART_ENTRY_NAME'),
  ]
    .filter((word) => word !== '')
    .join(', ');
}

/**
 * Reads from the medium. A disk is read by dd with O_DIRECT, past the page cache, because Node's buffers are not aligned
 * for O_DIRECT. A regular file is read normally.
 */
export function readerOf({ path, device }: FlashTarget, sdk: string): (range: Range) => Promise<Buffer> {
  const flags = device ? 'fullblock,skip_bytes,direct' : 'fullblock,skip_bytes';
  return async ({ offset, length }) =>
    await runTool(sdk, 'dd', [
      `if=${path}`,
      `iflag=${flags}`,
      `bs=${length}`,
      `skip=${offset}`,
      'count=1',
      'status=none',
    ]);
}

/**
 * Makes the kernel read the new partition table, if no program has the disk open. False if it did not: without root, or
 * for a loop device without partitions. A running udev does this as well.
 */
export async function rereadTable({ path }: FlashTarget, sdk: string): Promise<boolean> {
  try {
    await runTool(sdk, 'blockdev', ['--rereadpt', path]);
    return true;
  } catch (error) {
    if (error instanceof Failure) return false;
    throw error;
  }
}

async function statOf(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if (!/^E(NOENT|NOTDIR|ACCES|LOOP)$/.test(errorCode(error) ?? '')) throw error;
    throw badInput(`there is no ${path}`, {
      where: path,
      hint: 'see lsblk; by-id names are in /dev/disk/by-id',
      cause: error,
    });
  }
}

/** True if both paths lead to the same file. */
async function sameFile(a: string, b: string): Promise<boolean> {
  // BigInt, because a Number cannot tell inode numbers above 2^53 from their neighbours.
  const [one, other] = await Promise.all([stat(a, { bigint: true }), stat(b, { bigint: true })]);
  return one.dev === other.dev && one.ino === other.ino;
}

/** `MAJOR:MINOR` of a device number that Linux has packed (makedev(3)). */
function numbers(rdev: number): string {
  const device = BigInt(rdev);
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n);
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}
