import type { ContentReader } from './content.ts';
import type { Content } from './entry.ts';

const CHUNK = 1 << 20;

/**
 * Collects headers and contents of an archive in chunks of one megabyte, each a new buffer. A stream chunk for each of
 * fifteen thousand small entries would cost more time than copying their bytes.
 */
export interface Chunks {
  /** Appends bytes; yields each chunk that becomes full. */
  bytes(data: Buffer): Generator<Buffer>;
  content(content: Content, reader: ContentReader): Generator<Buffer>;
  /** Zero bytes up to the next multiple of `unit` of the whole archive. */
  pad(unit: number): Generator<Buffer>;
  /** The last, partly filled chunk. */
  rest(): Generator<Buffer>;
  /** Bytes appended so far. */
  readonly length: number;
}

export function gatherChunks(): Chunks {
  let chunk = Buffer.allocUnsafe(CHUNK);
  let used = 0;
  let length = 0;

  /** Free space in the current chunk: at least one byte, at most `wanted`. */
  function* take(
    wanted: number,
    fill: (target: Buffer, at: number, done: number, count: number) => void,
  ): Generator<Buffer> {
    for (let done = 0; done < wanted; ) {
      const count = Math.min(wanted - done, CHUNK - used);
      fill(chunk, used, done, count);
      done += count;
      used += count;
      length += count;
      if (used === CHUNK) {
        yield chunk;
        chunk = Buffer.allocUnsafe(CHUNK);
        used = 0;
      }
    }
  }

  return {
    get length() {
      return length;
    },
    bytes: (data) =>
      take(data.length, (target, at, done, count) => data.copy(target, at, done, done + count)),
    content: (content, reader) =>
      take(content.size, (target, at, done, count) => reader.copy(content, done, count, target, at)),
    pad: (unit) =>
      take((unit - (length % unit)) % unit, (target, at, _done, count) => target.fill(0, at, at + count)),
    rest: function* () {
      if (used > 0) yield chunk.subarray(0, used);
    },
  };
}
