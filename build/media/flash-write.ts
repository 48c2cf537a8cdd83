import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { errorCode, Failure } from '../../sdk/lib/errors.ts';
import type { Sha256 } from '../../sdk/lib/files.ts';
import { type Range, readAt } from './image-map.ts';

/** The number of bytes that are written, synced and read back at once. So the shown rate is that of the medium. */
const PIECE = 4 << 20;
/** The size of the beginning with the partition table, in bytes. It is written last. */
const HEAD = 1 << 20;
/** The size in bytes of the medium's end, which may hold a backup partition table or labels of an old pool or array. */
const TAIL = 1 << 20;

/** What is written, and which parts of it. */
export interface Writing {
  readonly image: FileHandle;
  readonly imageSize: number;
  /** The ranges of the image that must be written, in order. */
  readonly ranges: readonly Range[];
  readonly target: FileHandle;
  /** Bytes. */
  readonly targetSize: number;
  /** Reads from the medium itself, past all caches. */
  readonly readBack: (range: Range) => Promise<Buffer>;
  readonly signal: AbortSignal;
  readonly onProgress: (stage: 'writing' | 'verifying', done: number, total: number) => void;
}

interface Piece extends Range {
  readonly sha256: Sha256;
}

/**
 * Writes an image so that an unfinished medium never looks complete. It erases the old partition table and its backup,
 * writes everything but the first mebibyte and reads it back, and then does the same with the first mebibyte. Resolves to
 * the number of bytes written. Throws a Failure if the medium returns other bytes; an abort throws `signal.reason`.
 */
export async function writeImage(writing: Writing): Promise<number> {
  const { image, target, targetSize, signal, onProgress } = writing;
  const tail: Range = { offset: targetSize - Math.min(TAIL, targetSize), length: Math.min(TAIL, targetSize) };
  const { head, body } = split(writing.ranges);
  const wiped = behind(tail, writing.imageSize);
  const total = [...head, ...body, ...wiped].reduce((sum, { length }) => sum + length, 0);
  let done = 0;

  const put = async (range: Range, data: Buffer): Promise<Piece> => {
    signal.throwIfAborted();
    await written(target, range, data);
    done += range.length;
    onProgress('writing', done, total);
    return { ...range, sha256: digest(data) };
  };
  const copy = async (ranges: readonly Range[]): Promise<Piece[]> => {
    const pieces: Piece[] = [];
    for (const range of ranges)
      pieces.push(await put(range, await readAt(image, range.offset, range.length)));
    return pieces;
  };
  let verified = 0;
  const verify = async (pieces: readonly Piece[]): Promise<void> => {
    for (const piece of pieces) {
      signal.throwIfAborted();
      const data = await writing.readBack(piece);
      if (data.length !== piece.length || digest(data) !== piece.sha256) {
        throw new Failure(`the medium returns other data than was written to it, at byte ${piece.offset}`, {
          hint: 'it is worn out, or smaller than it claims: use another one',
        });
      }
      verified += piece.length;
      onProgress('verifying', verified, total);
    }
  };

  const first = { offset: 0, length: Math.min(HEAD, targetSize) };
  await written(target, first, Buffer.alloc(first.length));
  const pieces: Piece[] = [];
  for (const range of wiped) pieces.push(await put(range, Buffer.alloc(range.length)));
  pieces.push(...(await copy(body)));
  await verify(pieces);
  await verify(await copy(head));
  return total;
}

async function written(target: FileHandle, { offset, length }: Range, data: Buffer): Promise<void> {
  try {
    for (let at = 0; at < length; )
      at += (await target.write(data, at, length - at, offset + at)).bytesWritten;
    await target.sync();
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined || !/^E(IO|NXIO|NODEV|NOSPC|REMOTEIO|ROFS|PERM|ACCES|FBIG)$/.test(code))
      throw error;
    throw new Failure(`cannot write to the medium at byte ${offset} (${code})`, {
      hint: 'if it was not pulled out, it is worn out: use another one',
      cause: error,
    });
  }
}

/** Splits the ranges into pieces: those of the beginning, and the others. */
function split(ranges: readonly Range[]): { head: Range[]; body: Range[] } {
  const head: Range[] = [];
  const body: Range[] = [];
  for (const { offset, length } of ranges) {
    for (let at = offset; at < offset + length; ) {
      const until = at < HEAD ? HEAD : at + PIECE;
      const end = Math.min(until, offset + length);
      (at < HEAD ? head : body).push({ offset: at, length: end - at });
      at = end;
    }
  }
  return { head, body };
}

/** The part of a range behind `end`. */
function behind({ offset, length }: Range, end: number): readonly Range[] {
  const from = Math.max(offset, end);
  return from < offset + length ? [{ offset: from, length: offset + length - from }] : [];
}

function digest(data: Buffer): Sha256 {
  return createHash('sha256').update(data).digest('hex');
}
