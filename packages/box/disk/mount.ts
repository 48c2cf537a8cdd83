import { type Box, BoxError, mustRun, nameOf, whyFailed } from '../io/box.ts';

const MOUNTS = '/run/draisine/mounts';

/** Number of attempts, and milliseconds between them, if another process is reading the file system. */
const TRIES = 20;
const PAUSE = 500;

/** Mounts a FAT file system, and unmounts it in any case. `use` gets the folder. */
export function withMounted<T>(
  box: Box,
  device: string,
  mode: 'read' | 'write',
  use: (folder: string) => T,
): T {
  const folder = mountFolder(box, device);
  const command = ['mount', '-t', 'vfat', '-o', mode === 'read' ? 'ro' : WRITABLE, device, folder];
  let ran = box.run(command);
  for (let tried = 1; ran.code !== 0 && tried < TRIES; tried++) {
    // A file system can be mounted for writing only if nobody reads it. Readers are done soon.
    if (mode === 'read') ran = box.run(command.with(4, WRITABLE));
    if (ran.code === 0) break;
    // Another process may be repairing it.
    box.sleep(PAUSE);
    ran = box.run(command);
  }
  if (ran.code !== 0) throw new BoxError(`cannot mount ${device}: ${whyFailed(command, ran)}`);
  return andUnmount(box, folder, use);
}

/** Without dirsync, a rename reaches the disk at the following flush, in one step. */
const WRITABLE = 'umask=0077';

/** Mounts it for reading. If another process has the disk exclusively, the folder is undefined. */
export function withMountable<T>(box: Box, device: string, use: (folder: string | undefined) => T): T {
  const folder = mountFolder(box, device);
  const { code } = box.run(['mount', '-t', 'vfat', '-o', 'ro', device, folder]);
  return code === 0 ? andUnmount(box, folder, use) : use(undefined);
}

/**
 * Mounts any file system for reading. If it is mounted for writing elsewhere, it must be mounted for writing
 * here as well.
 */
export function withReadable<T>(box: Box, device: string, use: (folder: string) => T): T {
  const folder = mountFolder(box, device);
  const command = ['mount', '-o', 'ro', device, folder];
  let ran = box.run(command);
  if (ran.code !== 0 && box.run(['findmnt', '--noheadings', '--source', device]).code === 0)
    ran = box.run(['mount', device, folder]);
  if (ran.code !== 0) throw new BoxError(`cannot mount ${device}: ${whyFailed(command, ran)}`);
  return andUnmount(box, folder, use);
}

/** Folders where this process has mounted something, by box. A real process has one box. */
const inUse = new WeakMap<Box, string[]>();

function usedBy(box: Box): string[] {
  const used = inUse.get(box) ?? [];
  inUse.set(box, used);
  return used;
}

/**
 * Folders of this process. Mounts of killed processes are removed, also those of a process with the same
 * number.
 */
function mountFolder(box: Box, device: string): string {
  box.makeFolder(MOUNTS, 0o700);
  const [own, name] = [box.processId(), nameOf(device)];
  for (const folder of box.list(MOUNTS)) {
    const process = folder.slice(folder.lastIndexOf('.') + 1);
    const left = `${MOUNTS}/${folder}`;
    const alive = process === own ? usedBy(box).includes(left) : box.stat(`/proc/${process}`) !== undefined;
    if (alive) continue;
    // Another process may be removing it at the same time.
    if (isMounted(box, left) && box.run(['umount', left]).code !== 0 && isMounted(box, left))
      unmount(box, left);
    if (process !== own) box.remove(left);
  }
  const folder = `${MOUNTS}/${name}.${own}`;
  box.makeFolder(folder, 0o700);
  return folder;
}

const isMounted = (box: Box, folder: string): boolean =>
  box.run(['mountpoint', '--quiet', folder]).code === 0;

function andUnmount<T>(box: Box, folder: string, use: (folder: string) => T): T {
  const used = usedBy(box);
  used.push(folder);
  try {
    return use(folder);
  } finally {
    used.splice(used.lastIndexOf(folder), 1);
    unmount(box, folder);
  }
}

function unmount(box: Box, folder: string): void {
  mustRun(box, 'cannot unmount', ['umount', folder]);
}
