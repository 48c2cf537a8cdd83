import { closeSync, openSync, writeSync } from 'node:fs';
import { copyFile, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { finished } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { cacheDir, cacheFailure } from '../../sdk/lib/cache.ts';
import { errorCode, Failure, ifThere } from '../../sdk/lib/errors.ts';
import { replaceFile, type Sha256, sha256File } from '../../sdk/lib/files.ts';
import { liveness, ownedName, parseOwnedName } from '../graph/owner.ts';
import { recipe } from '../graph/target.ts';
import { get, type Response } from '../net/http.ts';
import type { ArchiveName } from './archives.ts';
import { originsOf, type PoolFile } from './origins.ts';

export type { PoolFile } from './origins.ts';

/** The sources of a download, and its progress. */
export interface FetchDebOptions {
  /** Base URLs in order; default: the mirrors that mirror.ts finds. */
  readonly mirrors?: readonly string[];
  readonly signal?: AbortSignal;
  readonly progress?: (done: number, total: number) => void;
}

/** Number of consecutive attempts at one URL without a byte of progress. */
const ATTEMPTS_PER_URL = 2;

/**
 * The owner of a partial file may be a process that this one cannot see. After this time without a write, the file is
 * taken over: no living download waits so long.
 */
const FOREIGN_PART_MS = 2 * 60_000;

/**
 * Claims the partial download of a file for this process by renaming it to `SHA256.part-OWNER`. The partial file of a
 * dead process is taken over, so a killed download continues. Two processes never write to the same partial file.
 */
async function claimPart(digest: Sha256): Promise<string> {
  const folder = join(cacheDir(), 'downloads');
  await mkdir(folder, { recursive: true });
  const mine = join(folder, `${digest}.part-${ownedName()}`);
  const parts = (await readdir(folder)).filter((name) => name.startsWith(`${digest}.part`)).sort();
  for (const name of parts) {
    try {
      if (await isHeld(join(folder, name))) continue;
      await rename(join(folder, name), mine);
      return mine;
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error; // another process was faster
    }
  }
  return mine;
}

async function isHeld(part: string): Promise<boolean> {
  const owner = parseOwnedName(part.replace(/^.*\.part-?/, ''));
  if (owner === undefined) return false; // released by its process, or written by an earlier version of Draisine
  const state = liveness(owner);
  return state === 'foreign' ? Date.now() - (await stat(part)).mtimeMs < FOREIGN_PART_MS : state === 'alive';
}

async function releasePart(part: string): Promise<void> {
  await ifThere(rename(part, part.replace(/\.part-.*$/, '.part')));
}

async function sizeOf(path: string): Promise<number> {
  return (await ifThere(stat(path)))?.size ?? 0;
}

/**
 * The result of one attempt. `absent`: the server does not have the file. `bad`: the server sent other bytes. `again`:
 * the cause may be the partial file before them, so a new attempt makes sense.
 */
type Outcome = 'complete' | 'absent' | { readonly bad: string; readonly again: boolean };

/**
 * Appends the missing bytes to the partial file and checks the whole file. A connection error is thrown; the partial
 * file stays for the next attempt.
 */
async function attempt(
  url: string,
  part: string,
  file: PoolFile,
  options: FetchDebOptions,
): Promise<Outcome> {
  const have = await sizeOf(part);
  const asked = have < file.size ? have : 0;
  const response = await get(url, {
    from: asked,
    ...(options.signal ? { signal: options.signal } : {}),
  });
  const refused = await judge(response, part, file, asked);
  if (refused !== undefined) {
    response.body.destroy();
    return refused;
  }
  const from = response.status === 206 ? asked : 0; // 200: the server does not support ranges, so start from the beginning
  const done = await receive(response, part, from, file, options);
  if (done < file.size) {
    // Without a Content-Length and without chunked encoding, a truncated body looks like a complete one.
    if (response.headers['content-length'] === undefined && !response.headers['transfer-encoding'])
      throw new Error(`the connection ended after ${done} of ${file.size} bytes`);
    await rm(part, { force: true });
    return { bad: `it has ${done} bytes, the lock says ${file.size}`, again: from > 0 };
  }
  const digest = await sha256File(part); // The digest is of the file on the disk, not of the received bytes: the disk may lose data.
  if (done === file.size && digest === file.sha256) return 'complete';
  await rm(part, { force: true });
  const bad =
    done > file.size
      ? `longer than the ${file.size} bytes in the lock`
      : `SHA-256 is ${digest}, the lock says ${file.sha256}`;
  return { bad, again: from > 0 };
}

/** Finds a fault in the headers of an answer; undefined if the answer may be the right file. */
async function judge(
  { status, headers }: Response,
  part: string,
  file: PoolFile,
  asked: number,
): Promise<Outcome | undefined> {
  if (status === 404 || status === 410) return 'absent';
  const range = headers['content-range'];
  const start = status === 206 && range !== undefined ? /^bytes (\d+)-/.exec(range)?.[1] : String(asked);
  if (status === 416 || start !== String(asked)) {
    await rm(part, { force: true });
    return {
      bad: status === 416 ? 'HTTP 416' : `the server sent another range: ${range}`,
      again: asked > 0,
    };
  }
  if (status !== 200 && status !== 206) return { bad: `HTTP ${status}`, again: false };
  // A login portal, or an error page with the status of a success.
  if (/^text\/html\b/.test(headers['content-type'] ?? ''))
    return { bad: 'an HTML page instead of the file', again: false };
  const whole = Number(headers['content-length'] ?? Number.NaN) + (status === 206 ? asked : 0);
  if (Number.isNaN(whole) || whole === file.size) return undefined;
  return { bad: `${whole} bytes, the lock says ${file.size}`, again: false };
}

/**
 * Writes a body to the partial file from an offset on. Returns the offset of its end, at most one chunk beyond the
 * file's size. Each chunk is written as it arrives: if the connection breaks, a stream throws away what it has buffered.
 */
async function receive(
  { body }: Response,
  part: string,
  from: number,
  file: PoolFile,
  options: FetchDebOptions,
): Promise<number> {
  const handle = openSync(part, from > 0 ? 'r+' : 'w');
  let done = from;
  try {
    body.on('data', (chunk: Buffer) => {
      if (done > file.size) return;
      try {
        // On a nearly full disk, write(2) writes only some of the bytes, and only the next write reports the error.
        for (let at = 0; at < chunk.length; )
          at += writeSync(handle, chunk, at, chunk.length - at, done + at);
        done += chunk.length;
        if (done > file.size) body.destroy();
        else options.progress?.(done, file.size);
      } catch (error) {
        body.destroy(error as Error);
      }
    });
    await finished(body);
  } catch (error) {
    if (done <= file.size) throw error;
  } finally {
    body.removeAllListeners('data').destroy();
    closeSync(handle);
  }
  return done;
}

async function moveTo(part: string, out: string): Promise<void> {
  await mkdir(dirname(out), { recursive: true });
  try {
    await rename(part, out);
  } catch (error) {
    if (errorCode(error) !== 'EXDEV') throw error;
    await replaceFile(out, 0o644, (temporary) => copyFile(part, temporary));
    await rm(part);
  }
}

/**
 * Tries one URL, and tries it again if that may help. Returns undefined if the partial file is complete, else the
 * fault.
 */
async function tryUrl(
  url: string,
  part: string,
  file: PoolFile,
  options: FetchDebOptions,
): Promise<{ absent: boolean; note: string } | undefined> {
  let idle = 0;
  let doubted = false;
  for (;;) {
    options.signal?.throwIfAborted();
    const before = await sizeOf(part);
    try {
      const outcome = await attempt(url, part, file, options);
      if (outcome === 'complete') return undefined;
      if (outcome === 'absent') return { absent: true, note: `${url}: not found (404)` };
      if (!outcome.again || doubted) return { absent: false, note: `${url}: ${outcome.bad}` };
      doubted = true;
    } catch (error) {
      if (options.signal?.aborted) throw error;
      if (cacheFailure(error) !== undefined) throw error; // not the mirror's fault
      const reason = (error instanceof Error ? error.message : String(error)) || errorCode(error);
      idle = (await sizeOf(part)) > before ? 0 : idle + 1;
      if (idle === ATTEMPTS_PER_URL) return { absent: false, note: `${url}: ${reason}` };
    }
  }
}

/** The same as `tryUrl`, for a file in a folder. */
async function tryFolder(
  url: string,
  part: string,
  file: PoolFile,
): Promise<{ absent: boolean; note: string } | undefined> {
  const path = fileURLToPath(url);
  if ((await sizeOf(path)) === 0) return { absent: true, note: `${path}: does not exist` };
  await copyFile(path, part);
  const digest = await sha256File(part);
  if (digest === file.sha256) return undefined;
  await rm(part, { force: true });
  return { absent: false, note: `${path}: SHA-256 is ${digest}, the lock says ${file.sha256}` };
}

/**
 * Downloads a file of the pool to `out`, from the first place that has it with the size and SHA-256 of the lock.
 * Continues the partial file of an earlier attempt. The Failure names the package and every URL that was tried.
 */
export async function fetchDeb(file: PoolFile, out: string, options: FetchDebOptions = {}): Promise<void> {
  const label = basename(file.path);
  const origins = await originsOf(file, options);
  const tried: { absent: boolean; note: string }[] = [];
  try {
    const part = await claimPart(file.sha256);
    try {
      for (const url of origins.urls) {
        const fault = url.startsWith('file:')
          ? await tryFolder(url, part, file)
          : await tryUrl(url, part, file, options);
        if (fault === undefined) return await moveTo(part, out);
        tried.push(fault);
      }
    } finally {
      await releasePart(part);
    }
  } catch (error) {
    throw cacheFailure(error) ?? error;
  }
  const where = tried.map(({ note }) => note).join('\n        ');
  if (tried.every(({ absent }) => absent)) {
    throw new Failure(`no mirror has ${label} any more`, {
      where,
      hint: `the archive has moved on: ${[...origins.unasked, './draisine lock --update pins the present versions'].join('; or ')}`,
    });
  }
  throw new Failure(`cannot fetch ${label}, which is not in the store`, {
    where,
    hint: 'check the network and the proxy, or give another mirror in DRAISINE_MIRROR',
  });
}

/**
 * A .deb, or any other file of the pool, as a target: `deb('deb:bash', {archive, path, size, sha256})`. The lock pins
 * the SHA-256 of the output. So the mirror does not matter, and is no input.
 */
export const deb = recipe<{ archive: ArchiveName; path: string; size: number; sha256: Sha256 }>({
  from: import.meta.url,
  kind: 'file',
  fetch: true,
  run: ({ inputs, out, signal, progress }) => fetchDeb(inputs, out, { signal, progress }),
});
