import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { badInput, errorCode } from '../../sdk/lib/errors.ts';
import { runTool } from '../../sdk/tool.ts';

/** An image that a machine can boot from when it is written to a stick. */
export interface OpenImage {
  readonly handle: FileHandle;
  /** Size in bytes, a multiple of 512. */
  readonly size: number;
  readonly kind: 'disk' | 'iso';
}

const ZSTD = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

/**
 * Opens a disk image or an ISO. A file that is compressed with zstd is first decompressed into `scratch`. Any other file
 * is refused, e.g. a web page that was saved as disk.img.
 */
export async function openImage(
  path: string,
  scratch: string,
  sdk: string,
  signal: AbortSignal,
): Promise<OpenImage> {
  const file = await openFile(path);
  let packed: boolean;
  try {
    packed = (await begin(file, 4)).equals(ZSTD);
    if (!packed) return await known(file, path);
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  const plain = join(scratch, 'image');
  await runTool(sdk, 'zstd', ['-d', '-q', '--sparse', path, '-o', plain], { signal });
  const unpacked = await open(plain, 'r');
  try {
    return await known(unpacked, path);
  } catch (error) {
    await unpacked.close();
    throw error;
  }
}

async function known(handle: FileHandle, path: string): Promise<OpenImage> {
  const { size } = await handle.stat();
  const start = await begin(handle, 33 * 1024);
  const is = (text: string, at: number): boolean => start.toString('latin1', at, at + text.length) === text;
  const iso = is('CD001', 32_769); // ECMA-119, 8.4: the first volume descriptor
  const bootable = start.length >= 512 && start.readUInt16LE(510) === 0xaa55;
  if (!iso && !is('EFI PART', 512))
    throw badInput('it is neither a disk image nor an ISO', {
      where: path,
      hint: 'give an image’s name, its disk.img, disk.img.zst, or an ISO',
    });
  if (!bootable)
    throw badInput('this ISO is for optical discs only: it cannot boot from a stick', { where: path });
  // The header names the sector of its backup copy, which is the last sector (UEFI specification 2.10, table 5.5).
  const wanted = iso ? size : (Number(start.readBigUInt64LE(512 + 32)) + 1) * 512;
  if (size % 512 !== 0 || size < wanted)
    throw badInput(`the image is truncated: it has ${size} bytes`, {
      where: path,
      hint: 'download or build it again',
    });
  return { handle, size, kind: iso ? 'iso' : 'disk' };
}

async function openFile(path: string): Promise<FileHandle> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if (!/^E(NOENT|NOTDIR|ACCES)$/.test(errorCode(error) ?? '')) throw error;
    throw badInput(`cannot read the image: ${(error as Error).message}`, { where: path, cause: error });
  }
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw badInput('the image is not a file', { where: path });
}

/** The first bytes of a file; fewer if the file is shorter. */
async function begin(file: FileHandle, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0);
  return buffer.subarray(0, bytesRead);
}
