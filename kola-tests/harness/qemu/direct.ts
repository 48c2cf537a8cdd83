import { open } from 'node:fs/promises';
import { Failure } from '../../../sdk/lib/errors.ts';
import type { ImageArtifacts } from './artifacts.ts';

/** The parts of the image's UKI. QEMU loads them itself if a machine has no firmware. */
export interface DirectBoot {
  readonly kernel: string;
  readonly initrd: string;
  /** The command line in the UKI. */
  readonly commandLine: string;
}

/** Takes the parts from the artifacts of an image. */
export async function directBoot(image: ImageArtifacts): Promise<DirectBoot> {
  const [kernel, initrd, uki] = await Promise.all(
    ['kernel', 'initrd', 'uki'].map(async (name) => (await image.get(name)).path),
  );
  if (!kernel || !initrd || !uki) throw new Failure('an image has a kernel, an initrd and a UKI');
  return { kernel, initrd, commandLine: await commandLineOf(uki) };
}

/** Offsets and sizes in bytes: PE Format (Microsoft), COFF file header and section table. */
const PE_POINTER = 0x3c;
const SECTION_COUNT = 6;
const OPTIONAL_HEADER_SIZE = 20;
const SECTION_TABLE = 24;
const SECTION_SIZE = 40;
const HEADERS = 64 * 1024;

/** Reads the first `.cmdline` section of a UKI, which belongs to its first profile (UAPI.5). */
export async function commandLineOf(uki: string): Promise<string> {
  const file = await open(uki);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEADERS), 0, HEADERS, 0);
    if (bytesRead < HEADERS) throw new Failure('too short for a unified kernel image', { where: uki });
    const pe = buffer.readUInt32LE(PE_POINTER);
    if (pe > HEADERS / 2 || buffer.toString('latin1', pe, pe + 4) !== 'PE\0\0')
      throw new Failure('not a unified kernel image: it has no PE header', { where: uki });
    const table = pe + SECTION_TABLE + buffer.readUInt16LE(pe + OPTIONAL_HEADER_SIZE);
    for (let index = 0; index < buffer.readUInt16LE(pe + SECTION_COUNT); index += 1) {
      const at = table + index * SECTION_SIZE;
      if (at + SECTION_SIZE > HEADERS) break;
      if (buffer.toString('latin1', at, at + 8) !== '.cmdline') continue;
      const size = buffer.readUInt32LE(at + 8);
      const text = Buffer.alloc(size);
      await file.read(text, 0, size, buffer.readUInt32LE(at + 20));
      return text.toString('utf8').replace(/\0+$/, '').trim();
    }
    throw new Failure('this unified kernel image has no command line', { where: uki });
  } finally {
    await file.close();
  }
}
