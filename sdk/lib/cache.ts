import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { errorCode, Failure } from './errors.ts';

/**
 * Where everything that can be made or fetched again lives: `$DRAISINE_CACHE`, else `$XDG_CACHE_HOME/draisine`, else
 * `~/.cache/draisine`. Absolute; may not exist yet.
 */
export function cacheDir(): string {
  const { DRAISINE_CACHE: own, XDG_CACHE_HOME: xdg } = process.env;
  if (own) return resolve(own);
  return join(xdg ? resolve(xdg) : join(homedir(), '.cache'), 'draisine');
}

/** An error of the disk below the cache, as the user should read it; undefined for any other error. */
export function cacheFailure(error: unknown): Failure | undefined {
  const ofDisk = /^E(ACCES|DQUOT|IO|NOSPC|NOTDIR|PERM|ROFS)$/.test(errorCode(error) ?? '');
  const ofNetwork = error instanceof Error && 'syscall' in error && error.syscall === 'connect';
  if (!ofDisk || ofNetwork || !(error instanceof Error)) return undefined;
  return new Failure(`cannot use the cache: ${error.message}`, {
    where: cacheDir(),
    mend: 'make room there, or point DRAISINE_CACHE at a folder that you may write to',
    cause: error,
  });
}
