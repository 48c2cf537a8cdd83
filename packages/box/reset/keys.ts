import { type Box, BoxError, mustRun, orLog, readTextIfThere } from '../io/box.ts';
import { hasZfs } from '../zfs/pools.ts';
import { onStatePartition } from './keep.ts';

/** The file with the key of encrypted data. */
export interface KeyFile {
  readonly path: string;
  /** `dataset tank/a`, `volume vault`. */
  readonly of: string;
}

/**
 * Files with keys that a reset would erase: on the state partition, not below a kept path, and not written by the config
 * again. `files`: paths that the config writes; undefined: not known.
 */
export function lostKeys(box: Box, kept: readonly string[], files: readonly string[] | undefined): KeyFile[] {
  return [...keysOfDatasets(box), ...keysOfVolumes(box)].filter(
    ({ path }) =>
      !kept.some((each) => path === each || path.startsWith(`${each}/`)) &&
      // A config that is not known was the source of these, and is so again.
      !(files?.includes(path) ?? /^\/etc\/(draisine\/keys|luks)\//.test(path)) &&
      isOnState(box, path),
  );
}

/** Keys of the imported pools (zfsprops(7), keylocation). A pool that hangs must not prevent a reset. */
function keysOfDatasets(box: Box): KeyFile[] {
  if (!hasZfs(box)) return [];
  const columns = 'name,encryptionroot,keylocation';
  const list = ['zfs', 'list', '-H', '-o', columns, '-t', 'filesystem,volume'];
  const told = orLog(box, 'warning', 'the keys of datasets are not known', () =>
    mustRun(box, 'cannot list datasets', list, { timeoutSeconds: 60 }),
  );
  return (told ?? '').split('\n').flatMap((line) => {
    const [name, root, location = ''] = line.split('\t');
    const path = /^file:\/\/(\/.*)$/.exec(location)?.[1];
    return path !== undefined && name === root ? [{ path, of: `dataset ${name}` }] : [];
  });
}

/** Keys of volumes that are opened at boot (crypttab(5)). */
function keysOfVolumes(box: Box): KeyFile[] {
  const lines = (readTextIfThere(box, '/etc/crypttab') ?? '').split('\n');
  return lines.flatMap((line) => {
    const [name = '', , path = ''] = line.trim().split(/\s+/);
    return !name.startsWith('#') && path.startsWith('/') ? [{ path, of: `volume ${name}` }] : [];
  });
}

function isOnState(box: Box, path: string): boolean {
  if (box.stat(path)?.type !== 'file') return false;
  try {
    return onStatePartition(box, mustRun(box, `cannot find ${path}`, ['readlink', '-f', path]).trim());
  } catch (error) {
    if (!(error instanceof BoxError)) throw error;
    return false; // /run is empty after each restart
  }
}
