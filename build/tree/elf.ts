import { Failure } from '../../sdk/lib/errors.ts';

/** A library that a program opens with dlopen(3), from a note in its ELF file (systemd.io/ELF_DLOPEN_METADATA). */
export interface DlopenNote {
  /** Alternatives, in order of preference. */
  readonly soname: readonly string[];
  readonly feature?: string;
  readonly description?: string;
  readonly priority: 'required' | 'recommended' | 'suggested';
}

/** The part of an ELF file that says which other files it needs (elf(5), gABI chapter 5). */
export interface ElfNeeds {
  /** PT_INTERP: absolute path of the dynamic linker. */
  readonly interpreter?: string;
  /** DT_NEEDED, in order. */
  readonly needed: readonly string[];
  /** DT_RUNPATH, else DT_RPATH, split at colons; `$ORIGIN` not yet replaced. */
  readonly runpath: readonly string[];
  readonly soname?: string;
  readonly dlopen: readonly DlopenNote[];
}

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
  readonly align: number;
}

const PT = { load: 1, dynamic: 2, interp: 3, note: 4 } as const;
const DT = { needed: 1, strtab: 5, strsz: 10, soname: 14, rpath: 15, runpath: 29 } as const;
const NOTE_DLOPEN = 0x407c0c0a;

export function isElf(data: Buffer): boolean {
  return data.length >= 4 && data.readUInt32BE(0) === 0x7f454c46;
}

/** Reads a 64-bit little-endian ELF file. Any other file, or a damaged one, is a Failure. */
export function readElf(data: Buffer, where: string): ElfNeeds {
  if (!isElf(data)) throw new Failure('not an ELF file', { where });
  if (data.length < 64 || data[4] !== 2 || data[5] !== 1)
    throw new Failure('not a 64-bit little-endian ELF file', { where });
  try {
    return needsOf(data);
  } catch (error) {
    if (error instanceof RangeError || error instanceof SyntaxError) {
      throw new Failure(`damaged ELF file: ${error.message}`, { where, cause: error });
    }
    throw error;
  }
}

function needsOf(data: Buffer): ElfNeeds {
  const segments = readSegments(data);
  const interp = segments.find(({ type }) => type === PT.interp);
  const interpreter = interp && cString(data, interp.offset);
  const dlopen = segments
    .filter(({ type }) => type === PT.note)
    .flatMap((segment) => readNotes(data, segment));
  const dynamic = segments.find(({ type }) => type === PT.dynamic);
  const tags = dynamic ? readDynamic(data, dynamic) : [];
  const tag = (wanted: number) => tags.find(([name]) => name === wanted)?.[1];
  const table = fileOffset(segments, tag(DT.strtab));
  const text = (offset: number) => {
    if (table === undefined || offset >= (tag(DT.strsz) ?? 0))
      throw new RangeError('a dynamic string outside the string table');
    return cString(data, table + offset);
  };
  const soname = tag(DT.soname);
  const runpath = tag(DT.runpath) ?? tag(DT.rpath);
  return {
    ...(interpreter === undefined ? {} : { interpreter }),
    ...(soname === undefined ? {} : { soname: text(soname) }),
    needed: tags.filter(([name]) => name === DT.needed).map(([, value]) => text(value)),
    runpath: runpath === undefined ? [] : text(runpath).split(':').filter(Boolean),
    dlopen,
  };
}

function readSegments(data: Buffer): Segment[] {
  const table = number64(data, 32);
  const entrySize = data.readUInt16LE(54);
  const count = data.readUInt16LE(56);
  return Array.from({ length: count }, (_, index) => {
    const at = table + index * entrySize;
    return {
      type: data.readUInt32LE(at),
      offset: number64(data, at + 8),
      address: number64(data, at + 16),
      size: number64(data, at + 32),
      align: number64(data, at + 48),
    };
  });
}

function readDynamic(data: Buffer, { offset, size }: Segment): [tag: number, value: number][] {
  const tags: [number, number][] = [];
  for (let at = offset; at < offset + size; at += 16) {
    const tag = data.readBigInt64LE(at);
    if (tag === 0n) break;
    // Values of processor-specific and system-specific tags may exceed a double. The tags that we read do not.
    if (tag > 0n && tag < 64n) tags.push([Number(tag), number64(data, at + 8)]);
  }
  return tags;
}

function fileOffset(segments: readonly Segment[], address: number | undefined): number | undefined {
  if (address === undefined) return undefined;
  const load = segments.find(
    (segment) =>
      segment.type === PT.load && address >= segment.address && address < segment.address + segment.size,
  );
  return load && address - load.address + load.offset;
}

function readNotes(data: Buffer, { offset, size, align }: Segment): DlopenNote[] {
  const notes: DlopenNote[] = [];
  const unit = align === 8 ? 8 : 4;
  const padded = (length: number) => Math.ceil(length / unit) * unit;
  for (let at = offset; at + 12 <= offset + size; ) {
    const nameSize = data.readUInt32LE(at);
    const bodySize = data.readUInt32LE(at + 4);
    const type = data.readUInt32LE(at + 8);
    const body = offset + padded(at + 12 + nameSize - offset);
    if (type === NOTE_DLOPEN && data.toString('latin1', at + 12, at + 12 + nameSize) === 'FDO\0') {
      if (body + bodySize > data.length) throw new RangeError('a note beyond the end of the file');
      notes.push(...dlopenNotes(data.toString('utf8', body, body + bodySize)));
    }
    at = offset + padded(body + bodySize - offset);
  }
  return notes;
}

function dlopenNotes(text: string): DlopenNote[] {
  const list: unknown = JSON.parse(text.replace(/\0+$/, ''));
  if (!Array.isArray(list)) throw new SyntaxError('a dlopen note that is no JSON array');
  return list.map((item: Partial<DlopenNote>) => {
    if (!Array.isArray(item.soname)) throw new SyntaxError('a dlopen note without soname');
    return { ...item, soname: item.soname, priority: item.priority ?? 'recommended' };
  });
}

function cString(data: Buffer, offset: number): string {
  const end = data.indexOf(0, offset);
  if (offset >= data.length || end < 0) throw new RangeError('an unterminated string');
  return data.toString('utf8', offset, end);
}

function number64(data: Buffer, offset: number): number {
  const value = data.readBigUInt64LE(offset);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError('an offset beyond all files');
  return Number(value);
}
