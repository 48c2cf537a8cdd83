import type { Release } from '../../../build/release/format/types.ts';
import { sha256Of } from '../disk/esp.ts';
import type { UkiContent } from '../disk/model.ts';
import { peSections } from '../disk/pe.ts';
import { type Box, BoxError, describeError, folderOf, mustRun, type RandomAccess } from '../io/box.ts';
import { decodeUtf8 } from '../io/utf8.ts';
import { fetchRanges, fetchWhole, NoRanges, type Origin, type Range } from '../update/fetch.ts';
import { BATCH, batchesOf } from './plan.ts';
import type { Traffic } from './slot.ts';

/** The headers of a PE file are in its first `HEADERS` bytes. */
const HEADERS = 4096;
/** The section that names the pieces of a UKI, and the size limit for it (build/boot/uki-index.ts). */
const INDEX = '.pieces';
const MOST_INDEX = 64 << 10;
const CHUNK = 1 << 20;

/** The UKI to fetch, and the installed one. */
export interface UkiOptions {
  readonly origin: Origin;
  readonly folder: string;
  readonly release: Release;
  /** File name of the running UKI, in the folder of the new UKI; undefined: there is no running UKI in it. */
  readonly installed: string | undefined;
  readonly traffic: Traffic;
}

/**
 * The UKI of a release. Pieces that are in the indexes of both UKIs are copied from the installed UKI, at whatever
 * offset they are. The indexes are only hints: if the SHA-256 of the result is wrong, the whole UKI is fetched.
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
          const copied = writeDelta(box, options, `${folderOf(path)}/${options.installed}`, path, size);
          if (sha256Of(box, path) === sha256) {
            options.traffic.copied += copied;
            return;
          }
          box.log('notice', 'the content of the UKI does not match its index; all of it is fetched');
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

/** A part of a UKI whose content is known by its digest. */
interface Piece extends Range {
  readonly sha256: string;
}

/** Fills the file at `path`. Returns the bytes that came from the installed UKI. */
function writeDelta(box: Box, options: UkiOptions, installed: string, path: string, size: number): number {
  box.writeFile(path, new Uint8Array(0), { durable: false });
  const old = box.open(installed, 'read');
  const target = box.open(path, 'write');
  try {
    const fetch = (ranges: readonly Range[]) => {
      const parts = ranges.flatMap(({ from, length }) => cut(from, length));
      for (const batch of batchesOf(parts, ({ length }) => length))
        fetchRanges(box, options.origin, `${options.folder}/uki.efi`, batch, ({ from }, bytes) => {
          target.write(from, bytes);
          options.traffic.fetched += bytes.length;
        });
    };
    target.write(size - 1, new Uint8Array(1)); // gives the file its full length, so that peSections can read it
    fetch([{ from: 0, length: HEADERS }]);
    const next = { ...target, size };
    fetch(indexOf(next));
    const pieces = piecesIn(next) ?? [];
    const sources = new Map(
      (piecesIn(old) ?? wholeSections(box, installed, old, pieces)).map((piece) => [
        keyOf(piece),
        piece.from,
      ]),
    );
    let at = HEADERS;
    let copied = 0;
    const missing: Range[] = [];
    for (const piece of [...pieces].sort((a, b) => a.from - b.from)) {
      const source = sources.get(keyOf(piece));
      if (source === undefined || piece.from < at) continue;
      copy(old, source, target, piece.from, piece.length);
      copied += piece.length;
      if (piece.from > at) missing.push({ from: at, length: piece.from - at });
      at = piece.from + piece.length;
    }
    if (at < size) missing.push({ from: at, length: size - at });
    fetch(missing);
    return copied;
  } finally {
    target.close();
    old.close();
  }
}

const keyOf = ({ length, sha256 }: Piece) => `${length} ${sha256}`;

function cut(from: number, length: number): Range[] {
  const batches: Range[] = [];
  for (let at = 0; at < length; at += BATCH)
    batches.push({ from: from + at, length: Math.min(BATCH, length - at) });
  return batches;
}

function copy(old: RandomAccess, source: number, target: RandomAccess, from: number, length: number): void {
  for (let at = 0; at < length; at += CHUNK)
    target.write(from + at, old.read(source + at, Math.min(CHUNK, length - at)));
}

/** The place of a UKI's index: one range, or none if there is no index or it is too large. */
function indexOf(uki: RandomAccess): Range[] {
  return peSections(uki)
    .filter(({ name, size }) => name === INDEX && size > 0 && size <= MOST_INDEX)
    .slice(0, 1)
    .map(({ offset, size }) => ({ from: offset, length: size }));
}

/** The pieces in a UKI's index; undefined: there is no index. Malformed lines are skipped. */
function piecesIn(uki: RandomAccess): Piece[] | undefined {
  const [index] = indexOf(uki);
  if (!index) return undefined;
  const sections = peSections(uki);
  const lines = decodeUtf8(uki.read(index.from, index.length)).split('\n');
  return lines.flatMap((line) => {
    const [, name, start, count, sha256 = ''] = /^(\S+) (\d+) (\d+) ([0-9a-f]{64})$/.exec(line) ?? [];
    const section = sections.find((each) => each.name === name);
    const [offset, length] = [Number(start), Number(count)];
    if (!section || length === 0 || offset + length > section.size) return [];
    return [{ from: section.offset + offset, length, sha256 }];
  });
}

/** For a UKI without an index: its sections that are as long as a wanted piece. */
function wholeSections(
  box: Box,
  path: string,
  uki: RandomAccess,
  wanted: readonly Piece[],
): readonly Piece[] {
  const lengths = new Set(wanted.map(({ length }) => length));
  return peSections(uki)
    .filter(({ size }) => lengths.has(size))
    .map(({ offset, size }) => {
      const part = 'tail -c "+$(($2 + 1))" "$1" | head -c "$3" | sha256sum';
      const words = ['sh', '-c', part, 'sha256', path, String(offset), String(size)];
      const sha256 = mustRun(box, 'cannot read', words).slice(0, 64);
      return { from: offset, length: size, sha256 };
    });
}
