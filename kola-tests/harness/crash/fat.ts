import { Failure } from '../../../sdk/lib/errors.ts';
import type { View } from './disk.ts';

/** A file or folder of a FAT file system. Its clusters are those of its chain, which may end too soon. */
export interface FatEntry {
  readonly name: string;
  readonly folder: boolean;
  readonly size: number;
  readonly cluster: number;
}

/** A FAT file system, read in the way of firmware: it uses the first copy of the table, and repairs nothing. */
export interface Fat {
  /**
   * The entries of a folder by its path, e.g. `EFI/Linux`; undefined if there is none. The case of names does not
   * count.
   */
  list(path: string): FatEntry[] | undefined;
  find(path: string): FatEntry | undefined;
  read(entry: FatEntry): Buffer;
  /** Equal identities mean equal bytes. */
  identity(entry: FatEntry): string;
}

const ATTRIBUTE_FOLDER = 0x10;
const ATTRIBUTE_LABEL = 0x08;
const LONG_NAME = 0x0f;
const DELETED = 0xe5;
const CHUNK = 64 * 1024;

/** Offsets of the parts, in bytes of the view unless noted. */
interface Geometry {
  /** The first copy of the table of clusters. */
  readonly tableAt: number;
  readonly bits: 12 | 16 | 32;
  /** For FAT12 and FAT16, whose root folder is before the clusters. */
  readonly rootAt: number;
  readonly rootEntries: number;
  /** For FAT32. 0: the root folder is before the clusters. */
  readonly rootCluster: number;
  /** Cluster 2. */
  readonly dataAt: number;
  /** Bytes of a cluster. */
  readonly cluster: number;
  readonly clusters: number;
}

/** Microsoft's FAT32 File System Specification 1.03, chapter 3. Throws a Failure for any other file system. */
function geometryOf(view: View): Geometry {
  const boot = view.read(0, 512);
  const sector = boot.readUInt16LE(11);
  const perCluster = boot.readUInt8(13);
  const reserved = boot.readUInt16LE(14);
  const rootEntries = boot.readUInt16LE(17);
  const fatSectors = boot.readUInt16LE(22) || boot.readUInt32LE(36);
  if (boot.readUInt16LE(510) !== 0xaa55 || sector < 512 || perCluster === 0 || fatSectors === 0)
    throw new Failure('not a FAT file system');
  const tables = boot.readUInt8(16);
  const rootAt = (reserved + tables * fatSectors) * sector;
  const dataAt = rootAt + Math.ceil((rootEntries * 32) / sector) * sector;
  const cluster = perCluster * sector;
  const total = boot.readUInt16LE(19) || boot.readUInt32LE(32);
  const clusters = Math.floor((total * sector - dataAt) / cluster);
  const bits = clusters < 4085 ? 12 : clusters < 65525 ? 16 : 32;
  const rootCluster = bits === 32 ? boot.readUInt32LE(44) : 0;
  return { tableAt: reserved * sector, bits, rootAt, rootEntries, rootCluster, dataAt, cluster, clusters };
}

/** Opens a FAT file system. Throws a Failure for any other file system. */
export function openFat(view: View): Fat {
  const { tableAt, bits, rootAt, rootEntries, rootCluster, dataAt, cluster, clusters } = geometryOf(view);
  const chunks = new Map<number, Buffer>();

  function tableByte(at: number): number {
    const number = Math.floor(at / CHUNK);
    let chunk = chunks.get(number);
    if (!chunk) {
      const from = tableAt + number * CHUNK;
      chunk = view.read(from, Math.min(CHUNK, view.length - from));
      chunks.set(number, chunk);
    }
    return chunk[at - number * CHUNK] ?? 0;
  }

  function next(at: number): number {
    const byte = Math.floor((at * bits) / 8);
    const word = tableByte(byte) | (tableByte(byte + 1) << 8);
    if (bits === 16) return word;
    if (bits === 12) return at & 1 ? word >> 4 : word & 0xfff;
    return (word | (tableByte(byte + 2) << 16) | (tableByte(byte + 3) << 24)) & 0x0fffffff;
  }

  /**
   * The contiguous pieces of a chain of clusters, as offsets in the view. `bytes`: the length of the file, if it is
   * known.
   */
  function extents(first: number, bytes = Number.POSITIVE_INFINITY): { offset: number; length: number }[] {
    const found: { offset: number; length: number }[] = [];
    let left = Math.min(Math.ceil(bytes / cluster), clusters);
    for (let at = first; at >= 2 && at < clusters + 2 && left > 0; at = next(at), left -= 1) {
      const offset = dataAt + (at - 2) * cluster;
      const last = found.at(-1);
      if (last && last.offset + last.length === offset) last.length += cluster;
      else found.push({ offset, length: cluster });
    }
    return found;
  }

  function bytesOf(first: number, size?: number): Buffer {
    const pieces = extents(first, size).map(({ offset, length }) => view.read(offset, length));
    return Buffer.concat(pieces).subarray(0, size);
  }

  const folderBytes = (at: number): Buffer => (at === 0 ? view.read(rootAt, rootEntries * 32) : bytesOf(at));

  function find(path: string): FatEntry | undefined {
    let found: FatEntry | undefined = { name: '', folder: true, size: 0, cluster: rootCluster };
    for (const name of path.split('/').filter(Boolean)) {
      if (!found?.folder) return undefined;
      found = entriesOf(folderBytes(found.cluster)).find(
        (entry) => entry.name.toLowerCase() === name.toLowerCase(),
      );
    }
    return found;
  }

  return {
    find,
    list: (path) => {
      const folder = find(path);
      return folder?.folder ? entriesOf(folderBytes(folder.cluster)) : undefined;
    },
    read: ({ cluster: first, size }) => bytesOf(first, size),
    identity: ({ cluster: first, size }) => {
      const pieces = extents(first, size).map(
        ({ offset, length }) => `${offset}:${runs(view.sources(offset, length))}`,
      );
      return `${size} ${pieces.join(' ')}`;
    },
  };
}

/** `3×8,0×2`: runs of equal numbers, with their lengths. */
function runs(sources: Int32Array): string {
  const told: string[] = [];
  for (let from = 0; from < sources.length; ) {
    let to = from + 1;
    while (to < sources.length && sources[to] === sources[from]) to += 1;
    told.push(`${sources[from]}×${to - from}`);
    from = to;
  }
  return told.join();
}

function entriesOf(bytes: Buffer): FatEntry[] {
  const found: FatEntry[] = [];
  let long = '';
  for (let at = 0; at + 32 <= bytes.length && bytes[at] !== 0; at += 32) {
    const entry = bytes.subarray(at, at + 32);
    const attributes = entry.readUInt8(11);
    if (entry[0] === DELETED) long = '';
    else if (attributes === LONG_NAME) long = longPart(entry) + long;
    else {
      const short = shortName(entry);
      if ((attributes & ATTRIBUTE_LABEL) === 0 && !/^\.{1,2}$/.test(short))
        found.push({
          name: long.replace(/\0.*$/s, '') || short,
          folder: (attributes & ATTRIBUTE_FOLDER) !== 0,
          size: entry.readUInt32LE(28),
          cluster: entry.readUInt16LE(26) | (entry.readUInt16LE(20) << 16),
        });
      long = '';
    }
  }
  return found;
}

function longPart(entry: Buffer): string {
  return (
    entry.toString('utf16le', 1, 11) + entry.toString('utf16le', 14, 26) + entry.toString('utf16le', 28, 32)
  );
}

function shortName(entry: Buffer): string {
  const base = entry.toString('latin1', 0, 8).trimEnd();
  const extension = entry.toString('latin1', 8, 11).trimEnd();
  // Bits 3 and 4 of NTRes: lower case, as Windows and Linux write it.
  const flags = entry.readUInt8(12);
  const named = flags & 8 ? base.toLowerCase() : base;
  return extension === '' ? named : `${named}.${flags & 16 ? extension.toLowerCase() : extension}`;
}
