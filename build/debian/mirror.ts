import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { badInput, errorCode, Failure } from '../../sdk/lib/errors.ts';
import { byteOrder } from '../../sdk/lib/files.ts';
import type { ArchiveName } from './archives.ts';
import { parseStanzas } from './control.ts';

/** The addresses of the archives. Any server is good enough, because every file is checked by signature or hash. */

/** The sources of mirror addresses. */
export interface MirrorOptions {
  /** Base URLs from the command line. If there are some, no others are used. */
  readonly flags?: readonly string[];
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** The configuration of APT, `/etc/apt`. */
  readonly aptDir?: string;
}

const NO_MIRROR_HINT =
  'set DRAISINE_MIRROR (`lock` and `resolve` also take --mirror URL), for example http://mirror.example/debian';

function checkBase(url: string, where: string): string {
  if (!URL.canParse(url) || !/^(https?|file):$/.test(new URL(url).protocol)) {
    throw badInput(`a mirror must be an http or https URL, or file:FOLDER, not "${url}"`, {
      where,
      hint: NO_MIRROR_HINT,
    });
  }
  if (isFolder(url) && where === '--mirror')
    throw badInput('a folder of packages has no indexes, and a lock is made from indexes', {
      where: `${where} ${url}`,
      hint: 'name a mirror here; builds use DRAISINE_MIRROR=file:FOLDER',
    });
  return url.replace(/\/+$/, '');
}

/** Whether a base is a folder made by `./draisine mirror`. Such a folder has packages, but no indexes. */
function isFolder(base: string): boolean {
  return base.startsWith('file:');
}

/** URLs of binary repositories in one-line style (sources.list(5)): `deb [options] URI suite component…`. */
function fromList(text: string): string[] {
  const uris: string[] = [];
  for (const line of text.split('\n')) {
    const match = /^\s*deb\s+(?:\[[^\]]*\]\s*)?(\S+)\s+\S/.exec(line);
    if (match) uris.push(match[1]!);
  }
  return uris;
}

/** URLs of binary repositories in deb822 style (sources.list(5)). */
function fromSources(text: string, where: string): string[] {
  return parseStanzas(text, where)
    .filter((stanza) => !/^(no|false|0|off|without|disable)$/i.test(stanza.get('enabled') ?? 'yes'))
    .filter((stanza) => (stanza.get('types') ?? '').split(/\s+/).includes('deb'))
    .flatMap((stanza) => (stanza.get('uris') ?? '').split(/\s+/));
}

/**
 * Reads a file of APT's configuration; undefined if it does not exist. If it may not be read, the error says so, and
 * not that the cache has a fault.
 */
async function ofApt<T>(path: string, read: (path: string) => Promise<T>): Promise<T | undefined> {
  try {
    return await read(path);
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return undefined;
    const what = cause instanceof Error ? cause.message : String(cause);
    throw badInput(`cannot read APT's list of mirrors: ${what}`, {
      where: path,
      hint: NO_MIRROR_HINT,
      cause,
    });
  }
}

/** The URLs in APT's configuration, in the order in which APT reads them: sources.list, then sources.list.d by name. */
async function aptMirrors(aptDir: string): Promise<string[]> {
  const names = (await ofApt(join(aptDir, 'sources.list.d'), (path) => readdir(path))) ?? [];
  const files = ['sources.list', ...names.sort(byteOrder).map((name) => join('sources.list.d', name))];
  const urls: string[] = [];
  for (const file of files) {
    if (!/\.(list|sources)$/.test(file)) continue;
    const path = join(aptDir, file);
    const text = (await ofApt(path, (file) => readFile(file, 'utf8'))) ?? '';
    urls.push(...(file.endsWith('.list') ? fromList(text) : fromSources(text, path)));
  }
  return urls.filter((url) => /^https?:\/\//.test(url)).map((url) => url.replace(/\/+$/, ''));
}

/** Base URLs of indexes: those of `packageBases` without folders, because folders have no indexes. */
export async function mirrorBases(options: MirrorOptions = {}): Promise<string[]> {
  const bases = (await packageBases(options)).filter((base) => !isFolder(base));
  if (bases.length > 0) return bases;
  throw new Failure('no Debian mirror is known', {
    where: 'DRAISINE_MIRROR names folders only, which have packages and no indexes',
    hint: NO_MIRROR_HINT,
  });
}

/** Base URLs to try, in order: the flags, else `DRAISINE_MIRROR`, else the mirrors of APT on this host. */
export async function packageBases(options: MirrorOptions = {}): Promise<string[]> {
  const { flags = [], environment = process.env, aptDir = '/etc/apt' } = options;
  if (flags.length > 0) return flags.map((url) => checkBase(url, '--mirror'));
  const fromEnvironment = (environment.DRAISINE_MIRROR ?? '').split(/\s+/).filter((url) => url !== '');
  if (fromEnvironment.length > 0) return fromEnvironment.map((url) => checkBase(url, 'DRAISINE_MIRROR'));
  const found = await aptMirrors(aptDir);
  if (found.length === 0) {
    throw new Failure('no Debian mirror is known', {
      where: `DRAISINE_MIRROR is unset, ${aptDir} names none`,
      hint: NO_MIRROR_HINT,
    });
  }
  return [...new Set(found)];
}

/**
 * The URLs at which an archive may be, the likeliest first. Mirrors usually have `debian-security` beside `debian`. A
 * base with any other name is used unchanged.
 */
export function archiveUrls(bases: readonly string[], archive: ArchiveName): string[] {
  const urls = bases.flatMap((base) => {
    if (isFolder(base)) return [`${base}/${archive}`];
    const sibling = base.replace(/\/debian(-security)?$/, `/${archive}`);
    return sibling === base ? [base] : [sibling];
  });
  return [...new Set(urls)];
}
