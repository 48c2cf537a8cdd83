import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { badInput, errorCode, Failure } from './errors.ts';

/**
 * Where everything that can be made or fetched again lives: `$DRAISINE_CACHE`, else `$XDG_CACHE_HOME/draisine`, else
 * `~/.cache/draisine`. Absolute; may not exist yet.
 */
export function cacheDir(): string {
  const { DRAISINE_CACHE: own, XDG_CACHE_HOME: xdg } = process.env;
  if (own) return resolve(own);
  // The XDG Base Directory specification: a relative path is to be ignored.
  return join(xdg && isAbsolute(xdg) ? xdg : join(home(), '.cache'), 'draisine');
}

function home(): string {
  const folder = homedir();
  if (isAbsolute(folder)) return folder;
  throw badInput(`HOME is no absolute path: ${JSON.stringify(folder)}`, {
    hint: 'set HOME to your home, or DRAISINE_CACHE to a folder for the cache',
  });
}

/** An error of the disk below the cache, as the user should read it; undefined for any other error. */
export function cacheFailure(error: unknown): Failure | undefined {
  const ofDisk = /^E(ACCES|DQUOT|IO|NOSPC|NOTDIR|PERM|ROFS)$/.test(errorCode(error) ?? '');
  const ofNetwork = error instanceof Error && 'syscall' in error && error.syscall === 'connect';
  if (!ofDisk || ofNetwork || !(error instanceof Error)) return undefined;
  return new Failure(`cannot use the cache: ${error.message}`, {
    where: cacheDir(),
    hint: 'make room there, or point DRAISINE_CACHE at a folder that you may write to',
    cause: error,
  });
}
