import type { RandomAccess } from '../io/box.ts';
import { decodeUtf8 } from '../io/utf8.ts';

/** A section of a PE file. Offset in the file and size in bytes. */
export interface PeSection {
  /** `.linux`, `.initrd`, `.cmdline`, … */
  readonly name: string;
  readonly offset: number;
  /** Of its content, without the padding of the file. */
  readonly size: number;
}

const SECTION_HEADER = 40;
const MOST_SECTIONS = 96;

/**
 * Sections of a unified kernel image, in the order of its headers (Microsoft's "PE Format"; UAPI.5). None if
 * the file is not such an image. A truncated section is left out.
 */
export function peSections(file: RandomAccess): PeSection[] {
  if (file.size < 64) return [];
  const dos = viewOf(file.read(0, 64));
  const at = dos.getUint32(60, true);
  if (dos.getUint16(0, true) !== 0x5a4d || at + 24 > file.size) return [];
  const coff = viewOf(file.read(at, 24));
  const count = coff.getUint16(6, true);
  const start = at + 24 + coff.getUint16(20, true);
  if (coff.getUint32(0, true) !== 0x4550 || count > MOST_SECTIONS) return [];
  if (start + count * SECTION_HEADER > file.size) return [];
  const headers = file.read(start, count * SECTION_HEADER);
  return Array.from({ length: count }, (_, index) => {
    const bytes = headers.subarray(index * SECTION_HEADER, (index + 1) * SECTION_HEADER);
    const fields = viewOf(bytes);
    const size = Math.min(fields.getUint32(8, true), fields.getUint32(16, true));
    return { name: nameOf(bytes), offset: fields.getUint32(20, true), size };
  }).filter(({ offset, size }) => offset + size <= file.size);
}

/** The root hash of `/usr` on the command line of a UKI's first profile; undefined if there is none. */
export function ukiRootHash(file: RandomAccess): string | undefined {
  const section = peSections(file).find(({ name }) => name === '.cmdline');
  if (!section) return undefined;
  return /(?:^|\s)usrhash=([0-9a-f]{64})(?:\s|\0|$)/.exec(
    decodeUtf8(file.read(section.offset, section.size)),
  )?.[1];
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function nameOf(header: Uint8Array): string {
  return String.fromCharCode(...header.subarray(0, 8)).replace(/\0+$/, '');
}
