import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { cacheDir, cacheFailure } from '../../sdk/lib/cache.ts';
import { errorCode, Failure } from '../../sdk/lib/errors.ts';
import { replaceFile, type Sha256, temporaryName } from '../../sdk/lib/files.ts';
import { recipe } from '../graph/target.ts';
import type { ArchiveName } from './archives.ts';
import { get } from './http.ts';
import { archiveUrls, mirrorBases } from './mirror.ts';

/** A file of an archive's pool, as the lock pins it. */
export interface PoolFile {
  readonly archive: ArchiveName;
  /** Relative to the archive: `pool/main/b/bash/bash_5.2.37-2_amd64.deb`. */
  readonly path: string;
  readonly size: number;
  readonly sha256: Sha256;
}

export interface FetchDebOptions {
  /** Base URLs in order; default: what mirror.ts finds. */
  readonly mirrors?: readonly string[];
  readonly signal?: AbortSignal;
  readonly progress?: (done: number, total: number) => void;
}

const ATTEMPTS_PER_URL = 2;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

/**
 * The partial download of a file, claimed for this process by its name: `SHA256.part-PID-…`. A part whose process is
 * gone is taken over, so that a killed download goes on where it was; two processes never write to one part.
 */
async function claimPart(digest: Sha256): Promise<string> {
  const folder = join(cacheDir(), 'downloads');
  await mkdir(folder, { recursive: true });
  const mine = temporaryName(join(folder, `${digest}.part`)).replace('.part.tmp-', '.part-');
  const parts = (await readdir(folder)).filter((name) => name.startsWith(`${digest}.part`)).sort();
  for (const name of parts) {
    const pid = Number(/\.part-(\d+)-/.exec(name)?.[1] ?? Number.NaN);
    if (!Number.isNaN(pid) && isAlive(pid)) continue;
    try {
      await rename(join(folder, name), mine);
      return mine;
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error; // another process was faster
    }
  }
  return mine;
}

async function releasePart(part: string): Promise<void> {
  await rename(part, part.replace(/\.part-.*$/, '.part')).catch((error: unknown) => {
    if (errorCode(error) !== 'ENOENT') throw error;
  });
}

async function sizeOf(path: string): Promise<number> {
  return await stat(path).then(
    ({ size }) => size,
    (error: unknown) => {
      if (errorCode(error) === 'ENOENT') return 0;
      throw error;
    },
  );
}

/**
 * What one attempt came to. `absent`: the server does not have it. `bad`: it served something else; `again` when
 * that may be the fault of the part it was appended to.
 */
type Outcome = 'complete' | 'absent' | { readonly bad: string; readonly again: boolean };

/** Appends what is missing to the part and checks the whole. Connection errors throw; the part stays for the next. */
async function attempt(
  url: string,
  part: string,
  file: PoolFile,
  options: FetchDebOptions,
): Promise<Outcome> {
  const have = await sizeOf(part);
  let from = have < file.size ? have : 0;
  const { status, body } = await get(url, { from, ...(options.signal ? { signal: options.signal } : {}) });
  if (status !== 200 && status !== 206) {
    body.destroy();
    if (status === 404 || status === 410) return 'absent';
    if (status === 416) await rm(part, { force: true });
    return { bad: `HTTP ${status}`, again: status === 416 };
  }
  if (status === 200) from = 0; // no ranges here: from the start
  const hash = createHash('sha256');
  if (from > 0)
    for await (const chunk of createReadStream(part, { end: from - 1 })) hash.update(chunk as Buffer);
  const handle = await open(part, from > 0 ? 'r+' : 'w');
  let done = from;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      hash.update(chunk);
      await handle.write(chunk, 0, chunk.length, done);
      done += chunk.length;
      if (done > file.size) break;
      options.progress?.(done, file.size);
    }
  } finally {
    body.destroy();
    await handle.close();
  }
  if (done < file.size) throw new Error(`the connection ended after ${done} of ${file.size} bytes`);
  const digest = hash.digest('hex');
  if (done === file.size && digest === file.sha256) return 'complete';
  await rm(part, { force: true });
  const bad =
    done > file.size
      ? `longer than the ${file.size} bytes in the lock`
      : `SHA-256 is ${digest}, the lock says ${file.sha256}`;
  return { bad, again: from > 0 };
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

/** Attempts one URL, a second time where that may help. Returns undefined when the part is complete, else what is wrong. */
async function tryUrl(
  url: string,
  part: string,
  file: PoolFile,
  options: FetchDebOptions,
): Promise<{ absent: boolean; note: string } | undefined> {
  for (let turn = 1; ; turn++) {
    options.signal?.throwIfAborted();
    try {
      const outcome = await attempt(url, part, file, options);
      if (outcome === 'complete') return undefined;
      if (outcome === 'absent') return { absent: true, note: `${url}: not found (404)` };
      if (!outcome.again || turn === ATTEMPTS_PER_URL)
        return { absent: false, note: `${url}: ${outcome.bad}` };
    } catch (error) {
      if (options.signal?.aborted) throw error;
      const ofDisk = cacheFailure(error);
      if (ofDisk !== undefined) throw ofDisk;
      const reason = (error instanceof Error ? error.message : String(error)) || errorCode(error);
      if (turn === ATTEMPTS_PER_URL) return { absent: false, note: `${url}: ${reason}` };
    }
  }
}

/** The mirrors for a file; without any, an error that names the file. */
async function mirrorsFor(label: string): Promise<string[]> {
  try {
    return await mirrorBases();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const { where, mend, exitCode } = error;
    throw new Failure(`${label} is not in the store and would have to be fetched, but ${error.message}`, {
      ...(where ? { where } : {}),
      ...(mend ? { mend } : {}),
      exitCode,
      cause: error,
    });
  }
}

/**
 * Downloads a file of the pool to `out`, from the first mirror that has it with the size and SHA-256 of the lock.
 * Resumes what an earlier try left in the cache. Throws one Failure that names the package and every URL tried.
 */
export async function fetchDeb(file: PoolFile, out: string, options: FetchDebOptions = {}): Promise<void> {
  const label = basename(file.path);
  const bases = options.mirrors ?? (await mirrorsFor(label));
  const part = await claimPart(file.sha256).catch((error: unknown) => {
    throw cacheFailure(error) ?? error;
  });
  const tried: { absent: boolean; note: string }[] = [];
  try {
    for (const base of archiveUrls(bases, file.archive)) {
      const fault = await tryUrl(`${base}/${file.path}`, part, file, options);
      if (fault === undefined) return await moveTo(part, out);
      tried.push(fault);
    }
  } finally {
    await releasePart(part);
  }
  const where = tried.map(({ note }) => note).join('\n        ');
  if (tried.every(({ absent }) => absent)) {
    throw new Failure(`no mirror has ${label} any more`, {
      where,
      mend: 'the archive has moved on: ./draisine lock --update',
    });
  }
  throw new Failure(`cannot fetch ${label}, which is not in the store`, {
    where,
    mend: 'check the network and the proxy, or give another mirror in DRAISINE_MIRROR',
  });
}

/**
 * A .deb (or any file of the pool) as a target: `deb('deb:bash', {archive, path, size, sha256})`. The SHA-256 of the
 * output is the one of the lock, so it does not matter which mirror it came from, and mirrors are no input.
 */
export const deb = recipe<{ archive: ArchiveName; path: string; size: number; sha256: Sha256 }>({
  from: import.meta.url,
  kind: 'file',
  fetch: true,
  run: ({ inputs, out, signal, progress }) => fetchDeb(inputs, out, { signal, progress }),
});
