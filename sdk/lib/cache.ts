import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { badInput, errorCode, Failure } from './errors.ts';

/**
 * The absolute path of the cache, for everything that can be made or fetched again: `$DRAISINE_CACHE`, else
 * `$XDG_CACHE_HOME/draisine`, else `~/.cache/draisine`. The folder may not exist yet.
 */
export function cacheDir(): string {
  const { DRAISINE_CACHE: own, XDG_CACHE_HOME: xdg } = process.env;
  // By the XDG Base Directory specification, a relative path must be ignored.
  const base = () => (xdg && isAbsolute(xdg) ? xdg : join(home(), '.cache'));
  const folder = own ? resolve(own) : join(base(), 'draisine');
  // The tools run from there. Their dynamic linker splits its list of folders at these characters, and expands $ORIGIN.
  if (/[:;$\n]/.test(folder))
    throw badInput(`the tools of the cache cannot run from a path with a colon, a semicolon or a $`, {
      where: folder,
      hint: 'set DRAISINE_CACHE to another folder',
    });
  return folder;
}

function home(): string {
  const folder = homedir();
  if (isAbsolute(folder)) return folder;
  throw badInput(`HOME is not an absolute path: ${JSON.stringify(folder)}`, {
    hint: 'set HOME to your home folder, or DRAISINE_CACHE to a folder for the cache',
  });
}

/** The message for a disk error below the cache; undefined for any other error. */
export function cacheFailure(error: unknown): Failure | undefined {
  const ofDisk = /^E(ACCES|DQUOT|IO|NOSPC|NOTDIR|PERM|ROFS)$/.test(errorCode(error) ?? '');
  const ofNetwork = error instanceof Error && 'syscall' in error && error.syscall === 'connect';
  if (!ofDisk || ofNetwork || !(error instanceof Error)) return undefined;
  return new Failure(`cannot use the cache: ${error.message}`, {
    where: cacheDir(),
    hint: 'make room there, or set DRAISINE_CACHE to a folder that you may write to',
    cause: error,
  });
}
