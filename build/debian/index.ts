import { readFile, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { PublicKey } from 'openpgp';
import { cacheDir, cacheFailure } from '../../sdk/lib/cache.ts';
import { errorCode, Failure, ifThere } from '../../sdk/lib/errors.ts';
import { type Sha256, sha256, writeAtomic } from '../../sdk/lib/files.ts';
import { log, startProgress, warn } from '../../sdk/lib/log.ts';
import { getBytes } from '../net/http.ts';
import { type ArchiveName, architecture, type Suite } from './archives.ts';
import { readArchiveKeys } from './keys.ts';
import { archiveUrls } from './mirror.ts';
import { type PackageIndex, readPackages } from './packages-index.ts';
import { type Release, type ReleaseChecks, verifyRelease } from './release.ts';
import { readSources, type SourceIndex } from './sources.ts';
import { unxz } from './xz.ts';

/** The packages of one component of a suite, verified by the hash chain from a signed InRelease. */
export interface Index {
  /** `ARCHIVE/SUITE/COMPONENT`: its name in the lock. */
  readonly id: string;
  readonly archive: ArchiveName;
  readonly suite: string;
  readonly component: string;
  readonly onRequest: boolean;
  /** SHA-256 of the uncompressed Packages file. */
  readonly sha256: Sha256;
  readonly packages: PackageIndex;
}

/** A suite with its verified release and the indexes of its components. */
export interface SuiteIndexes {
  readonly suite: Suite;
  readonly release: Release;
  readonly indexes: readonly Index[];
}

/** How fresh indexes must be, and which keys to trust. */
export interface FetchOptions {
  /** Gives the base URLs. It is called only if the network is needed, so that work offline needs no mirror. */
  readonly bases: () => Promise<readonly string[]>;
  /**
   * `newest`: ask the mirror. `cached`: ask the mirror only if the InRelease in the cache is older than a day, and use
   * the old one if no mirror answers.
   */
  readonly freshness: 'cached' | 'newest';
  /** Date of a suite's index in the existing lock, seconds since the epoch. */
  readonly notBefore?: (suite: string) => number | undefined;
  /** Seconds since the epoch. */
  readonly now: number;
  /** Keys to trust; default: Debian's, as pinned in keys.ts. */
  readonly keys?: readonly PublicKey[];
}

const MAX_RELEASE_BYTES = 16 << 20;
const CACHE_SECONDS = 86_400;

function indexFolder(): string {
  return join(cacheDir(), 'indexes');
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  return await ifThere(readFile(path));
}

/** Calls `attempt` with each URL in order until one succeeds. The error names the fault of each URL. */
async function firstOf<T>(
  what: string,
  urls: readonly string[],
  attempt: (url: string) => Promise<T | undefined>,
): Promise<T> {
  const failures: { url: string; error: unknown }[] = [];
  for (const url of urls) {
    try {
      const result = await attempt(url);
      if (result !== undefined) return result;
      failures.push({ url, error: new Error('not found (404)') });
    } catch (error) {
      const ofDisk = cacheFailure(error);
      if (ofDisk !== undefined) throw ofDisk; // a full disk, or an interruption: another mirror does not help
      failures.push({ url, error });
    }
  }
  const [only] = failures;
  if (failures.length === 1 && only?.error instanceof Failure) throw only.error;
  const list = failures.map(
    ({ url, error }) => `${url}: ${error instanceof Error ? error.message : String(error)}`,
  );
  throw new Failure(`cannot get ${what} from any mirror`, {
    where: list.join('\n        '),
    hint: 'check the network and the proxy; give a mirror with --mirror URL or DRAISINE_MIRROR',
  });
}

/** The InRelease in the cache, if it is valid, and its age in seconds. */
async function cachedRelease(
  path: string,
  checks: ReleaseChecks,
): Promise<{ release: Release; age: number } | undefined> {
  const text = (await readIfThere(path))?.toString('utf8');
  const mtimeMs = (await ifThere(stat(path)))?.mtimeMs; // `clean` may remove it at any moment
  if (text === undefined || mtimeMs === undefined) return undefined;
  try {
    return {
      release: await verifyRelease(text, { ...checks, where: path }),
      age: checks.now - mtimeMs / 1000,
    };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    log(`${checks.suite}: the index in the cache is not usable (${error.message}), fetching a new one`);
    return undefined;
  }
}

/** Gets the verified InRelease of a suite, from the cache or from the first mirror with a valid one. */
async function fetchRelease(suite: Suite, options: FetchOptions): Promise<Release> {
  const keys = options.keys ?? (await readArchiveKeys());
  const path = join(indexFolder(), `${suite.suite}.InRelease`);
  const checks = {
    suite: suite.suite,
    keys,
    now: options.now,
    notBefore: options.notBefore?.(suite.suite),
    where: path,
  };
  const cached = options.freshness === 'cached' ? await cachedRelease(path, checks) : undefined;
  // After the clock was set back, the age is negative, and says nothing.
  if (cached !== undefined && cached.age >= 0 && cached.age < CACHE_SECONDS) return cached.release;
  try {
    const urls = archiveUrls(await options.bases(), suite.archive).map(
      (base) => `${base}/dists/${suite.suite}/InRelease`,
    );
    return await firstOf(`the index of ${suite.suite}`, urls, async (url) => {
      const bytes = await getBytes(url, MAX_RELEASE_BYTES);
      if (bytes === undefined) return undefined;
      const release = await verifyRelease(bytes.toString('utf8'), { ...checks, where: url });
      await writeAtomic(path, bytes);
      return release;
    });
  } catch (error) {
    if (cached === undefined || !(error instanceof Failure)) throw error;
    warn(`${suite.suite}: using the index in the cache, because ${error.message}`);
    return cached.release;
  }
}

/** `clean` removes indexes that were not used for a while. On a read-only medium it removes nothing. */
async function noteUse(path: string): Promise<void> {
  const now = new Date();
  await ifThere(utimes(path, now, now)).catch((error: unknown) => {
    if (!['EROFS', 'EACCES', 'EPERM'].includes(errorCode(error) ?? '')) throw error;
  });
}

/**
 * The text of the file `path` of a suite. The cache has the compressed file. The suite's InRelease has the SHA-256 of
 * the compressed and of the uncompressed file.
 */
async function readListed(
  suite: Suite,
  release: Release,
  path: string,
  options: FetchOptions,
): Promise<string> {
  const plain = listed(release, path);
  const packed = listed(release, `${path}.xz`);
  const kept = join(indexFolder(), `${packed.sha256}.xz`);
  const cached = await readIfThere(kept);
  if (cached && sha256(cached) === packed.sha256) {
    await noteUse(kept);
    return await unpacked(cached, plain.sha256);
  }
  const folder = path.slice(0, path.lastIndexOf('/'));
  const names = [...(release.byHash ? [`${folder}/by-hash/SHA256/${packed.sha256}`] : []), `${path}.xz`];
  const urls = archiveUrls(await options.bases(), suite.archive).flatMap((base) =>
    names.map((name) => `${base}/dists/${suite.suite}/${name}`),
  );
  const progress = startProgress(`index ${suite.suite}/${path.split('/')[0]}`, packed.size);
  try {
    return await firstOf(`${path}.xz of ${suite.suite}`, urls, async (url) => {
      const bytes = await getBytes(url, packed.size);
      if (bytes === undefined) return undefined;
      if (sha256(bytes) !== packed.sha256)
        throw new Error(`its SHA-256 is ${sha256(bytes)}, InRelease says ${packed.sha256}`);
      progress.update(packed.size, 'unpacking');
      const text = await unpacked(bytes, plain.sha256);
      await writeAtomic(kept, bytes);
      return text;
    });
  } finally {
    progress.done(`${(packed.size / 1e6).toFixed(1)} MB`);
  }
}

async function unpacked(bytes: Buffer, digest: Sha256): Promise<string> {
  const text = await unxz(bytes);
  if (sha256(text) !== digest)
    throw new Error('its decompressed content has another SHA-256 than InRelease says');
  return text.toString('latin1');
}

function listed(release: Release, path: string): { sha256: Sha256; size: number } {
  const file = release.files.get(path);
  if (file !== undefined) return file;
  throw new Failure(`the InRelease of ${release.suite} does not list ${path}`, {
    hint: 'correct the components in archives.ts',
  });
}

/** Opens the Packages indexes of a suite, verified by Debian's signature. */
export async function openSuite(suite: Suite, options: FetchOptions): Promise<SuiteIndexes> {
  try {
    return await readSuite(suite, options);
  } catch (error) {
    throw cacheFailure(error) ?? error;
  }
}

async function readSuite(suite: Suite, options: FetchOptions): Promise<SuiteIndexes> {
  const release = await fetchRelease(suite, options);
  const indexes: Index[] = [];
  for (const component of suite.components) {
    const path = `${component}/binary-${architecture}/Packages`;
    const { archive, onRequest } = suite;
    const id = `${archive}/${suite.suite}/${component}`;
    const { sha256 } = listed(release, path);
    const text = await readListed(suite, release, path, options);
    const packages = readPackages(text, `${path} of ${suite.suite}`);
    indexes.push({ id, archive, suite: suite.suite, component, onRequest, sha256, packages });
  }
  return { suite, release, indexes };
}

/** Opens the Sources indexes of a suite with a verified release, in the order of its components. */
export async function openSuiteSources(
  { suite, release }: SuiteIndexes,
  options: FetchOptions,
): Promise<{ component: string; sha256: Sha256; sources: SourceIndex }[]> {
  const result: { component: string; sha256: Sha256; sources: SourceIndex }[] = [];
  for (const component of suite.components) {
    const path = `${component}/source/Sources`;
    const { sha256 } = listed(release, path);
    const text = await readListed(suite, release, path, options);
    result.push({ component, sha256, sources: readSources(text, `${path} of ${suite.suite}`) });
  }
  return result;
}
