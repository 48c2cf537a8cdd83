import { type Box, mustRun } from '../io/box.ts';

/*
 * Keeps /etc as it was before a trial: the machine's own files, below the overlay. The initrd
 * (usr/lib/draisine/root) notes that another release was booted, and restores these files when their release
 * boots again.
 */

/** On the file system of the state partition, beside /etc. */
const SAVED = '/.etc-trial';
const FRESH = '/.etc-trial.new';
const VIEW = '/run/draisine/state';

/** Saves /etc for the running release. `rootHash`: that of the release. */
export function saveEtc(box: Box, rootHash: string): void {
  box.makeFolder(VIEW, 0o700);
  mustRun(box, 'cannot mount the state below /etc', ['mount', '--bind', '/', VIEW]);
  try {
    const folder = `${VIEW}${FRESH}`;
    mustRun(box, 'cannot remove', ['rm', '-rf', folder]);
    box.makeFolder(folder, 0o700);
    // Includes whiteouts, and the attributes of overlayfs.
    mustRun(box, 'cannot keep a copy of /etc', ['cp', '-a', `${VIEW}/etc`, `${folder}/etc`]);
    box.writeFile(`${folder}/usrhash`, `${rootHash}\n`, { durable: false });
    mustRun(box, 'cannot flush', ['sync', '--file-system', folder]);
    const saved = `${VIEW}${SAVED}`;
    // The copy is replaced in one step, so that a power cut leaves the older copy or the new one. Without
    // --no-target-directory, mv(1) would look for a folder inside the older copy.
    if (box.stat(saved) === undefined) box.rename(folder, saved);
    else {
      const exchange = ['mv', '--exchange', '--no-target-directory', folder, saved];
      mustRun(box, 'cannot replace the older copy of /etc', exchange);
    }
    mustRun(box, 'cannot flush', ['sync', '--file-system', VIEW]);
    mustRun(box, 'cannot remove', ['rm', '-rf', folder]);
  } finally {
    mustRun(box, 'cannot unmount', ['umount', VIEW]);
  }
}

/**
 * Removes the copy: the release was committed, or never booted. It loses its name first, so that a power cut does not
 * leave a part of it, which the initrd would put back.
 */
export function dropEtc(box: Box): void {
  mustRun(box, 'cannot remove', ['rm', '-rf', FRESH]);
  if (box.stat(SAVED) === undefined) return;
  box.rename(SAVED, FRESH);
  mustRun(box, 'cannot remove', ['rm', '-rf', FRESH]);
}
