import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { badInput, errorCode, Failure } from '../../sdk/lib/errors.ts';
import type { Sha256 } from '../../sdk/lib/files.ts';
import { brokeOff, get, readBody } from '../net/http.ts';

/** A folder of files to read, on this host or on a web server. */
export interface Place {
  /** Path or URL. */
  readonly where: string;
  /** The path or URL of a file of it, for errors. */
  at(path: string): string;
  /** A file of at most `limit` bytes; undefined if it does not exist. */
  bytes(path: string, limit: number): Promise<Buffer | undefined>;
  /** Size and SHA-256 of a file of any size; undefined if it does not exist. */
  digest(path: string): Promise<{ size: number; sha256: Sha256 } | undefined>;
  /** A folder in it, as a place. */
  below(path: string): Place;
}

/** Limit for documents, in bytes. Signed files and manifests are far smaller. */
const DOCUMENT_LIMIT = 32 << 20;

/** Whether a place is on a web server, not in a folder. */
export function isUrl(where: string): boolean {
  return /^https?:\/\//.test(where);
}

/** The place at a URL or the path of a folder. */
export function placeOf(where: string): Place {
  return isUrl(where) ? webPlace(where.replace(/\/+$/, '')) : folderPlace(where);
}

function tooLarge(where: string, limit: number): Failure {
  return badInput(`the file is larger than ${limit} bytes`, {
    where,
    hint: 'this is not a file of a release; check the address',
  });
}

async function hashOf(chunks: AsyncIterable<Buffer>): Promise<{ size: number; sha256: Sha256 }> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of chunks) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { size, sha256: hash.digest('hex') };
}

function folderPlace(folder: string): Place {
  const at = (path: string) => join(folder, path);
  const found = async (path: string) =>
    await stat(at(path)).catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
      throw error;
    });
  return {
    where: folder,
    at,
    below: (path) => folderPlace(at(path)),
    async bytes(path, limit) {
      const status = await found(path);
      if (!status?.isFile()) return undefined;
      if (status.size > limit) throw tooLarge(at(path), limit);
      const handle = await open(at(path));
      try {
        return await handle.readFile();
      } finally {
        await handle.close();
      }
    },
    async digest(path) {
      if (!(await found(path))?.isFile()) return undefined;
      return await hashOf(createReadStream(at(path), { highWaterMark: 1 << 20 }));
    },
  };
}

function webPlace(base: string): Place {
  const at = (path: string) => `${base}/${path.split('/').map(encodeURIComponent).join('/')}`;
  const ask = async (path: string) => {
    const response = await get(at(path)).catch((cause: unknown) => {
      const what = cause instanceof Error ? cause.message : String(cause);
      throw new Failure(`cannot fetch: ${what}`, { where: at(path), hint: 'check the address', cause });
    });
    if (response.status === 200) return response.body;
    response.body.destroy();
    if (response.status === 404 || response.status === 410) return undefined;
    throw new Failure(`cannot fetch: HTTP ${response.status}`, { where: at(path) });
  };
  const whole = async <T>(path: string, reading: Promise<T>): Promise<T> =>
    await reading.catch((cause: unknown) => {
      throw brokeOff('the server', at(path), cause);
    });
  return {
    where: base,
    at,
    below: (path) => webPlace(at(path)),
    async bytes(path, limit) {
      const body = await ask(path);
      if (!body) return undefined;
      return await whole(
        path,
        readBody(body, limit, () => tooLarge(at(path), limit)),
      );
    },
    async digest(path) {
      const body = await ask(path);
      return body ? await whole(path, hashOf(body)) : undefined;
    },
  };
}

/**
 * A document of a place.
 * @throws badInput if it does not exist
 */
export async function readText(place: Place, path: string, hint: string): Promise<string> {
  const bytes = await place.bytes(path, DOCUMENT_LIMIT);
  if (!bytes) throw badInput(`there is no ${path}`, { where: place.at(path), hint });
  return bytes.toString('utf8');
}
