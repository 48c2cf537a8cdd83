import type { Release } from '../../../build/release/format/types.ts';
import { sha256Of } from '../disk/esp.ts';
import type { UkiContent } from '../disk/model.ts';
import { type PeSection, peSections } from '../disk/pe.ts';
import { type Box, BoxError, describeError, folderOf, type RandomAccess } from '../io/box.ts';
import { fetchRanges, fetchWhole, NoRanges, type Origin, type Range } from '../update/fetch.ts';
import type { Traffic } from './slot.ts';

/** The headers of a PE file are in its first bytes, up to here. */
const HEADERS = 4096;
/** Smaller sections are always fetched: mostly they differ. */
const SMALL = 64 << 10;
const CHUNK = 1 << 20;
const PIECE = 4 << 20;

/** The UKI to fetch, and the installed one. */
export interface UkiOptions {
  readonly origin: Origin;
  readonly folder: string;
  readonly release: Release;
  /** Name of the running UKI in the folder of the new one; undefined if it is not there. */
  readonly installed: string | undefined;
  readonly traffic: Traffic;
}

/**
 * The UKI of a release. Large sections with the same name and size come from the installed one. If the
 * SHA-256 of the result is wrong, these sections are fetched one after the other, the kernel last, until it
 * is right.
 */
export function ukiContent(box: Box, options: UkiOptions): UkiContent {
  const { release } = options;
  const file = release.files['uki.efi'];
  if (!file) throw new BoxError(`${release.version} has no uki.efi`, { where: 'release.json' });
  const { size, sha256 } = file;
  return {
    version: release.version,
    size,
    sha256,
    write(path) {
      if (options.installed !== undefined && size > HEADERS) {
        try {
          if (writeDelta(box, options, `${folderOf(path)}/${options.installed}`, path, file)) return;
          box.log('notice', 'the sections of the UKI are others than its release says; all of it is fetched');
        } catch (error) {
          if (!(error instanceof NoRanges)) throw error;
          box.log('notice', `${describeError(error)}; all of the UKI is fetched`);
        }
      }
      box.writeFile(path, new Uint8Array(0), { durable: false });
      fetchWhole(box, options.origin, `${options.folder}/uki.efi`, [{ length: size, to: path }]);
      options.traffic.fetched += size;
      if (sha256Of(box, path) === sha256) return;
      box.remove(path);
      throw new BoxError(`uki.efi is not the one that ${release.version} names`, { where: options.folder });
    },
  };
}

/** A part of the new file: its place in the installed file, or undefined if it comes from the server. */
interface Part extends Range {
  readonly section: string;
  readonly source: number | undefined;
}

function writeDelta(
  box: Box,
  options: UkiOptions,
  installed: string,
  path: string,
  { size, sha256 }: { readonly size: number; readonly sha256: string },
): boolean {
  box.writeFile(path, new Uint8Array(0), { durable: false });
  const old = box.open(installed, 'read');
  const target = box.open(path, 'write');
  try {
    const fetch = (ranges: readonly Range[]) => {
      const pieces = ranges.flatMap(({ from, length }) => cut(from, length));
      if (pieces.length === 0) return;
      fetchRanges(box, options.origin, `${options.folder}/uki.efi`, pieces, ({ from }, bytes) => {
        target.write(from, bytes);
        options.traffic.fetched += bytes.length;
      });
    };
    fetch([{ from: 0, length: HEADERS }]);
    const parts = partsOf(peSections(headersOf(box, path, size)), peSections(old), size);
    for (const { from, length, source } of parts)
      if (source !== undefined) copy(old, source, target, from, length);
    fetch(parts.filter(({ source }) => source === undefined));
    const guessed = parts
      .filter(({ source }) => source !== undefined)
      .sort((a, b) => Number(a.section === '.linux') - Number(b.section === '.linux') || a.length - b.length);
    for (;;) {
      if (sha256Of(box, path) === sha256) {
        options.traffic.copied += guessed.reduce((sum, { length }) => sum + length, 0);
        return true;
      }
      const wrong = guessed.shift();
      if (!wrong) return false;
      fetch([wrong]);
    }
  } finally {
    target.close();
    old.close();
  }
}

function cut(from: number, length: number): Range[] {
  const pieces: Range[] = [];
  for (let at = 0; at < length; at += PIECE)
    pieces.push({ from: from + at, length: Math.min(PIECE, length - at) });
  return pieces;
}

function copy(old: RandomAccess, source: number, target: RandomAccess, from: number, length: number): void {
  for (let at = 0; at < length; at += CHUNK)
    target.write(from + at, old.read(source + at, Math.min(CHUNK, length - at)));
}

/** The first bytes of a file of length `size`; a range must not go beyond its end. */
function headersOf(box: Box, path: string, size: number): RandomAccess {
  const file = box.open(path, 'read');
  try {
    const bytes = file.read(0, HEADERS);
    return {
      size,
      read: (offset, length) => bytes.slice(offset, offset + length),
      write: () => {
        throw new BoxError('only read', { where: path });
      },
      sync: () => {},
      close: () => {},
    };
  } finally {
    file.close();
  }
}

/**
 * All bytes of the new file after its headers, in order. Sections with the same name are matched in their
 * order.
 */
function partsOf(next: readonly PeSection[], old: readonly PeSection[], size: number): Part[] {
  const numbered = (sections: readonly PeSection[]) =>
    sections.map((section, index) => ({
      ...section,
      id: `${section.name} ${sections.slice(0, index).filter(({ name }) => name === section.name).length}`,
    }));
  const sources = new Map(numbered(old).map((section) => [section.id, section]));
  const parts: Part[] = [];
  let at = HEADERS;
  for (const { id, name, offset, size: length } of numbered(next).sort((a, b) => a.offset - b.offset)) {
    const source = sources.get(id);
    if (length < SMALL || source?.size !== length || offset < at) continue;
    if (offset > at) parts.push({ section: '', from: at, length: offset - at, source: undefined });
    parts.push({ section: name, from: offset, length, source: source.offset });
    at = offset + length;
  }
  if (at < size) parts.push({ section: '', from: at, length: size - at, source: undefined });
  return parts;
}
