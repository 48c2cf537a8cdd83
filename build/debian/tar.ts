import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { extract, type Header } from 'tar-stream';
import { Failure } from '../../sdk/lib/errors.ts';
import type { Sha256 } from '../../sdk/lib/files.ts';
import { readExactly } from '../../sdk/lib/read.ts';

/** A member of a tar archive. Its content is bytes `[offset, offset + size)` of the archive. */
export interface TarMember {
  /** The name in the archive, unchanged: `./usr/bin/`. */
  readonly name: string;
  readonly type: Header['type'] | 'unknown';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly linkname: string;
  readonly offset: number;
  readonly size: number;
  /** SHA-256 of the content. */
  readonly sha256: Sha256;
  /** Extended attributes, value in base64. */
  readonly xattrs?: Readonly<Record<string, string>>;
}

/** Fields that tar-stream may set to null, contrary to its types. */
interface NullableParts {
  readonly type: Header['type'] | null;
  readonly linkname: string | null;
}

const BLOCK = 512;
const XATTR = 'SCHILY.xattr.';
/** PAX records without an effect here: entries have no times, and owners are numbers. */
const IGNORED = /^(?:[acm]time|uname|gname|comment|path|linkpath|size)$/;

/**
 * Reads an uncompressed tar archive (ustar, GNU long names, PAX: POSIX.1-2024 pax, "ustar Interchange Format"). A
 * truncated or damaged archive is a Failure. The caller checks the meaning of the members.
 */
export async function readTar(path: string, where: string): Promise<TarMember[]> {
  const members: TarMember[] = [];
  const file = await open(path);
  try {
    const parser = extract();
    const { size: length } = await file.stat();
    const feeding = pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), parser);
    const reading = (async () => {
      let end = 0;
      for await (const entry of parser) {
        const header: Pick<Header, 'name' | 'mode' | 'uid' | 'gid' | 'size'> & NullableParts = entry.header;
        const offset = entry.offset + BLOCK; // entry.offset is where the member's own header begins
        const { size } = header;
        if (offset + size > length) {
          throw new Failure(`truncated tar: ${header.name} has ${size} bytes by its header`, { where });
        }
        // tar-stream never ends the stream of a folder that has content.
        if (header.type === 'directory' && size > 0) {
          throw new Failure(`${header.name} is a folder, but has ${size} bytes by its header`, { where });
        }
        const hash = createHash('sha256');
        let read = 0;
        for await (const chunk of entry as AsyncIterable<Buffer>) {
          hash.update(chunk);
          read += chunk.length;
        }
        if (read !== size) throw new Failure(`${header.name}: ${read} bytes instead of ${size}`, { where });
        const extended = await readExtended(file, end, offset - BLOCK, `${where}: ${header.name}`);
        members.push({
          name: header.name,
          type: header.type ?? 'unknown',
          mode: header.mode & 0o7777,
          uid: extended.uid ?? header.uid,
          gid: extended.gid ?? header.gid,
          linkname: header.linkname ?? '',
          offset,
          size,
          sha256: hash.digest('hex'),
          ...(extended.xattrs ? { xattrs: extended.xattrs } : {}),
        });
        end = offset + Math.ceil(size / BLOCK) * BLOCK;
      }
      if (length - end < 2 * BLOCK) throw new Failure('truncated tar: no end-of-archive marker', { where });
    })();
    const [fed, read] = await Promise.allSettled([feeding, reading]);
    if (read.status === 'rejected') throw asFailure(read.reason, where);
    if (fed.status === 'rejected') throw asFailure(fed.reason, where);
    return members;
  } finally {
    await file.close();
  }
}

function asFailure(error: unknown, where: string): unknown {
  if (error instanceof Failure || !(error instanceof Error) || 'syscall' in error) return error;
  return new Failure(`damaged or truncated tar: ${error.message}`, { where, cause: error });
}

interface Extended {
  uid?: number;
  gid?: number;
  xattrs?: Record<string, string>;
}

/**
 * Reads the extended headers in `[from, to)`: the blocks between the previous member and the header of this one.
 * tar-stream decodes PAX values as UTF-8, but `security.capability` is binary.
 */
async function readExtended(file: FileHandle, from: number, to: number, where: string): Promise<Extended> {
  const result: Extended = {};
  for (let at = from; at < to; ) {
    const header = await readExactly(file, at, BLOCK);
    const type = String.fromCharCode(header[156] ?? 0);
    if (type === '\0') throw new Failure('a member after the end-of-archive marker', { where });
    const size = Number.parseInt(header.toString('latin1', 124, 136), 8);
    if (!(size >= 0)) throw new Failure('an extended header without a size', { where });
    if (type === 'x') readPax(await readExactly(file, at + BLOCK, size), result, where);
    else if (type !== 'L' && type !== 'K')
      throw new Failure(`unsupported tar header of type "${type}"`, { where });
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return result;
}

function readPax(records: Buffer, into: Extended, where: string): void {
  for (let at = 0; at < records.length; ) {
    const space = records.indexOf(0x20, at);
    const length = Number(records.toString('latin1', at, space));
    const equals = records.indexOf(0x3d, space);
    if (space < 0 || !(length > 0) || at + length > records.length || equals < 0 || equals >= at + length) {
      throw new Failure('damaged PAX header', { where });
    }
    const key = records.toString('utf8', space + 1, equals);
    const value = records.subarray(equals + 1, at + length - 1);
    if (key.startsWith(XATTR)) {
      into.xattrs ??= {};
      into.xattrs[key.slice(XATTR.length)] = value.toString('base64');
    } else if (key === 'uid' || key === 'gid') {
      into[key] = Number(value.toString('latin1'));
    } else if (!IGNORED.test(key)) {
      throw new Failure(`unsupported PAX record ${key}`, { where });
    }
    at += length;
  }
}
