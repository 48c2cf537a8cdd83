import { crc32, gzipSync } from 'node:zlib';

/** For tests: makers of .deb parts. Every field can be set, also to a wrong value. */

export interface ArPart {
  readonly name: string;
  readonly data: Uint8Array | string;
  /** The size in the header; default: the real size. */
  readonly size?: string;
}

/** Makes an ar archive. */
export function makeAr(parts: readonly ArPart[]): Buffer {
  const pieces: Buffer[] = [Buffer.from('!<arch>\n')];
  for (const { name, data, size } of parts) {
    const bytes = Buffer.from(data);
    const fields = [name.padEnd(16), '0'.padEnd(12), '0'.padEnd(6), '0'.padEnd(6), '100644'.padEnd(8)];
    pieces.push(Buffer.from(`${fields.join('')}${(size ?? String(bytes.length)).padEnd(10)}\`\n`), bytes);
    if (bytes.length % 2 === 1) pieces.push(Buffer.from('\n'));
  }
  return Buffer.concat(pieces);
}

/** A member of a tar archive; headers may be wrong on purpose. */
export interface TarPart {
  readonly name: string;
  /** Type flag: `0` file (default), `1` hard link, `2` symlink, `3` character device, `5` folder, `6` FIFO. */
  readonly type?: string;
  readonly data?: Uint8Array | string;
  readonly link?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** PAX records in front of the member. */
  readonly pax?: Readonly<Record<string, string | Uint8Array>>;
  /** The size in the header; default: the real size. */
  readonly size?: number;
}

const BLOCK = 512;

/** Makes a ustar archive. `end: false` leaves out the end-of-archive marker. */
export function makeTar(parts: readonly TarPart[], { end = true } = {}): Buffer {
  const pieces: Buffer[] = [];
  for (const part of parts) {
    if (part.pax) pieces.push(...tarMember({ name: 'pax', type: 'x', data: paxRecords(part.pax) }));
    pieces.push(...tarMember(part));
  }
  if (end) pieces.push(Buffer.alloc(2 * BLOCK));
  return Buffer.concat(pieces);
}

function tarMember(part: TarPart): Buffer[] {
  const data = Buffer.from(part.data ?? '');
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, digits: number) =>
    header.write(`${value.toString(8).padStart(digits, '0')}\0`, at, 'latin1');
  header.write(part.name, 0, 100);
  octal(part.mode ?? (part.type === '5' ? 0o755 : 0o644), 100, 7);
  octal(part.uid ?? 0, 108, 7);
  octal(part.gid ?? 0, 116, 7);
  octal(part.size ?? data.length, 124, 11);
  octal(0, 136, 11);
  header.write('        ', 148);
  header.write(part.type ?? '0', 156);
  header.write(part.link ?? '', 157, 100);
  header.write('ustar\x0000', 257, 'latin1');
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    6,
  );
  return [header, data, Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK)];
}

function paxRecords(records: Readonly<Record<string, string | Uint8Array>>): Buffer {
  return Buffer.concat(
    Object.entries(records).map(([key, value]) => {
      const body = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from('\n')]);
      let length = body.length + 1;
      while (String(length).length + body.length !== length) length += 1;
      return Buffer.concat([Buffer.from(String(length)), body]);
    }),
  );
}

/** Makes an .xz file with one block of stored LZMA2 chunks (The .xz File Format 1.2). */
export function storeXz(data: Uint8Array): Buffer {
  const little = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value >>> 0);
    return bytes;
  };
  const withCrc = (bytes: Buffer) => Buffer.concat([bytes, little(crc32(bytes))]);
  const padded = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
  const flags = Buffer.from([0, 1]); // check: CRC32
  const start = Buffer.concat([Buffer.from('fd377a585a00', 'hex'), flags, little(crc32(flags))]);
  const blockHeader = withCrc(Buffer.from([2, 0, 0x21, 1, 0x16, 0, 0, 0])); // LZMA2, 8 MiB dictionary
  const chunks: Buffer[] = [];
  for (let at = 0; at < data.length; at += 65536) {
    const chunk = data.subarray(at, at + 65536);
    const size = chunk.length - 1;
    chunks.push(Buffer.from([at === 0 ? 1 : 2, size >> 8, size & 255]), Buffer.from(chunk));
  }
  const body = Buffer.concat([...chunks, Buffer.from([0])]);
  const block = Buffer.concat([blockHeader, padded(body), little(crc32(data))]);
  const unpadded = blockHeader.length + body.length + 4;
  const index = withCrc(padded(Buffer.from([0, 1, ...variable(unpadded), ...variable(data.length)])));
  const tail = Buffer.concat([little(index.length / 4 - 1), flags]);
  return Buffer.concat([start, block, index, little(crc32(tail)), tail, Buffer.from('YZ')]);
}

function variable(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest & 0x7f) | 0x80);
  return [...bytes, rest];
}

/** How a member of a .deb is compressed. */
export type Packing = 'none' | 'gz' | 'xz';

/** The parts of a .deb. */
export interface DebParts {
  readonly control?: string;
  /** Further files of the control archive. */
  readonly scripts?: Readonly<Record<string, string>>;
  readonly data?: readonly TarPart[];
  readonly format?: string;
  readonly packing?: Packing;
}

/** A control file with all required fields. */
export const SOUND_CONTROL = 'Package: sound\nVersion: 1.2-3\nArchitecture: amd64\nDescription: a\n b\n';

/** Makes a .deb; by default a valid one without files. */
export function makeDeb({
  control = SOUND_CONTROL,
  scripts = {},
  data = [],
  format = '2.0\n',
  packing = 'gz',
}: DebParts = {}): Buffer {
  const files = Object.entries({ control, ...scripts }).map(([name, text]) => ({
    name: `./${name}`,
    data: text,
  }));
  const controlTar = makeTar([{ name: './', type: '5' }, ...files]);
  const dataTar = makeTar([{ name: './', type: '5' }, ...data]);
  return makeAr([
    { name: 'debian-binary', data: format },
    { name: `control.tar${SUFFIX[packing]}`, data: PACK[packing](controlTar) },
    { name: `data.tar${SUFFIX[packing]}`, data: PACK[packing](dataTar) },
  ]);
}

/** The suffix of a member's name, by packing. */
const SUFFIX: Readonly<Record<Packing, string>> = { none: '', gz: '.gz', xz: '.xz' };
/** The function that compresses, by packing. */
const PACK: Readonly<Record<Packing, (data: Buffer) => Buffer>> = {
  none: (data) => data,
  gz: (data) => gzipSync(data),
  xz: storeXz,
};
