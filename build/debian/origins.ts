import { basename, join } from 'node:path';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { badInput, Failure } from '../../sdk/lib/errors.ts';
import type { Sha256 } from '../../sdk/lib/files.ts';
import { remoteBlobUrl } from '../remote/address.ts';
import type { ArchiveName } from './archives.ts';
import { type Lock, readLock } from './lock.ts';
import { archiveUrls, packageBases } from './mirror.ts';

/** A file of an archive's pool, as the lock pins it. */
export interface PoolFile {
  readonly archive: ArchiveName;
  /** Relative to the archive: `pool/main/b/bash/bash_5.2.37-2_amd64.deb`. */
  readonly path: string;
  readonly size: number;
  readonly sha256: Sha256;
}

/** The sources of files of the pool. */
export interface OriginOptions {
  /** Base URLs in order; default: the mirrors that mirror.ts finds. */
  readonly mirrors?: readonly string[];
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** The lock. A snapshot service is asked for the dates of its indexes. */
  readonly lock?: string;
}

/** The places of a file, in order. */
export interface Origins {
  readonly urls: readonly string[];
  /** Hints for sources that may have the file but are not configured, in the imperative. */
  readonly unasked: readonly string[];
}

const locks = new Map<string, Promise<Lock>>();

/**
 * The times of the lock's indexes of an archive, newest first, as a snapshot service writes them: `20261121T091544Z`.
 */
async function snapshotTimes(archive: ArchiveName, path: string): Promise<string[]> {
  // One process fetches many files. So the lock is parsed once.
  const lock = locks.get(path) ?? readLock(path);
  locks.set(path, lock);
  const { indexes } = await lock;
  const dates = indexes.filter((index) => index.archive === archive).map(({ date }) => date);
  return [...new Set(dates)]
    .sort()
    .reverse()
    .map((date) => date.replace(/[-:]/g, '').replace(/\.\d+Z$/, 'Z'));
}

/** URLs on the snapshot service `DRAISINE_ARCHIVE`, in the layout of Debian's snapshot archive: ARCHIVE/TIME/pool/… */
export function snapshotUrls(base: string, { archive, path }: PoolFile, times: readonly string[]): string[] {
  if (!URL.canParse(base) || !/^https?:$/.test(new URL(base).protocol))
    throw badInput(`DRAISINE_ARCHIVE must be an http or https URL, not "${base}"`, {
      hint: 'name a snapshot service, as http://snapshot.example/archive',
    });
  return times.map((time) => `${base.replace(/\/+$/, '')}/${archive}/${time}/${path}`);
}

/** The places of a file: the mirrors, the snapshot service at the dates of the lock's indexes, the remote store. */
export async function originsOf(file: PoolFile, options: OriginOptions = {}): Promise<Origins> {
  const { environment = process.env, lock = join(CHECKOUT, 'packages/lock.json') } = options;
  const { DRAISINE_ARCHIVE: service } = environment;
  const remote = remoteBlobUrl(file.sha256, environment);
  const elsewhere = service || remote;
  const bases = options.mirrors ?? (await mirrorsFor(basename(file.path), elsewhere !== undefined));
  const times = await snapshotTimes(file.archive, lock);
  return {
    urls: [
      ...archiveUrls(bases, file.archive).map((base) => `${base}/${file.path}`),
      ...(service ? snapshotUrls(service, file, times) : []),
      ...(remote === undefined ? [] : [remote]),
    ],
    unasked: [
      ...(service ? [] : [`name a snapshot service in DRAISINE_ARCHIVE: it has the state of ${times[0]}`]),
      ...(bases.some((base) => base.startsWith('file:'))
        ? []
        : ['name a folder that ./draisine mirror made at that time: DRAISINE_MIRROR=file:FOLDER']),
      ...(remote === undefined ? ['name a remote store of people who have built it in DRAISINE_REMOTE'] : []),
    ],
  };
}

/** The mirrors. If there are none, and no other place has the file (`elsewhere`), the error names the file. */
async function mirrorsFor(label: string, elsewhere: boolean): Promise<string[]> {
  try {
    return await packageBases();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (elsewhere && error.exitCode !== 2) return [];
    const { where, hint, exitCode } = error;
    throw new Failure(`${label} is not in the store and must be fetched, but ${error.message}`, {
      ...(where ? { where } : {}),
      ...(hint ? { hint } : {}),
      exitCode,
      cause: error,
    });
  }
}
