import { readFile } from 'node:fs/promises';
import { Failure } from '../../sdk/lib/errors.ts';
import { sha256 } from '../../sdk/lib/files.ts';

/** The section of a UKI with its index. Stubs and boot loaders ignore sections that they do not know (systemd-stub(7)). */
export const INDEX_SECTION = '.pieces';

/**
 * The index of a UKI: a line `SECTION OFFSET LENGTH SHA256` for each piece of its large sections. An offset counts from
 * the start of the section. A box copies the pieces that its installed UKI also has (packages/box/delta/uki.ts). Each
 * zstd frame is a piece. A section without frames is one piece. `sections`: names of sections, and files with their
 * contents.
 */
export async function ukiIndex(
  sections: readonly (readonly [name: string, file: string])[],
): Promise<string> {
  const lines: string[] = [];
  for (const [name, file] of sections) {
    let at = 0;
    for (const piece of cutFrames(await readFile(file))) {
      lines.push(`${name} ${at} ${piece.length} ${sha256(piece)}\n`);
      at += piece.length;
    }
  }
  return lines.join('');
}

const MAGIC = 0xfd2fb528;
const RAW_LENGTHS = { dictionary: [0, 1, 2, 4], contentSize: [0, 2, 4, 8] } as const;
const [RLE, RESERVED] = [1, 3];

/** Cuts a file of zstd frames (RFC 8878 section 3.1.1). A file that does not begin with a frame is one piece. */
export function cutFrames(bytes: Buffer): Buffer[] {
  if (bytes.length < 4 || bytes.readUInt32LE(0) !== MAGIC) return [bytes];
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = frameEnd(bytes, at);
    frames.push(bytes.subarray(at, end));
    at = end;
  }
  return frames;
}

function frameEnd(bytes: Buffer, start: number): number {
  const bad = () => new Failure(`no complete zstd frame at byte ${start}`);
  const need = (end: number) => {
    if (end > bytes.length) throw bad();
    return end;
  };
  need(start + 5);
  if (bytes.readUInt32LE(start) !== MAGIC) throw bad();
  const descriptor = bytes.readUInt8(start + 4);
  const single = (descriptor & 0x20) !== 0;
  const contentSize = RAW_LENGTHS.contentSize[descriptor >> 6]! || (single ? 1 : 0);
  let at = start + 5 + (single ? 0 : 1) + RAW_LENGTHS.dictionary[descriptor & 3]! + contentSize;
  for (let last = false; !last; ) {
    need(at + 3);
    const header = bytes.readUIntLE(at, 3);
    const type = (header >> 1) & 3;
    if (type === RESERVED) throw bad();
    last = (header & 1) === 1;
    at += 3 + (type === RLE ? 1 : header >> 3);
  }
  return need(at + ((descriptor & 4) !== 0 ? 4 : 0));
}
