import { type Box, BoxError, folderOf, mustRun, nameOf, whyFailed } from '../io/box.ts';
import type { InstalledUki } from './model.ts';
import { ukiRootHash } from './pe.ts';

/** Where UKIs are on the ESP (Boot Loader Specification, type 2). */
export const UKI_FOLDER = 'EFI/Linux';
/** Of a file that is not whole yet: no boot loader reads it. */
const TEMPORARY = '.new';
const MOUNTS = '/run/draisine/mounts';

/** How often, and how long apart in milliseconds, a file system is tried that another process reads at the moment. */
const TRIES = 20;
const PAUSE = 500;

/** Mounts a FAT file system, and unmounts it whatever happens. `use` is given the folder. */
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
    // Who has it mounted to write has it so for all; who reads is done soon.
    if (mode === 'read') ran = box.run(command.with(4, WRITABLE));
    else box.sleep(PAUSE);
    if (ran.code !== 0) ran = box.run(command);
  }
  if (ran.code !== 0) throw new BoxError(`cannot mount ${device}: ${whyFailed(command, ran)}`);
  return andUnmount(box, folder, use);
}

/** dirsync: what a folder says is on the disk when the call returns. */
const WRITABLE = 'dirsync,umask=0077';

/** To read; what cannot be mounted, as somebody has the whole disk for himself, is no folder. */
export function withMountable<T>(box: Box, device: string, use: (folder: string | undefined) => T): T {
  const folder = mountFolder(box, device);
  const { code } = box.run(['mount', '-t', 'vfat', '-o', 'ro', device, folder]);
  return code === 0 ? andUnmount(box, folder, use) : use(undefined);
}

/** One of this process. Those of processes that were killed are unmounted. */
function mountFolder(box: Box, device: string): string {
  box.makeFolder(MOUNTS, 0o700);
  const [own, name] = [box.readLink('/proc/self'), nameOf(device)];
  for (const folder of box.list(MOUNTS)) {
    const process = folder.slice(folder.lastIndexOf('.') + 1);
    if (process !== own && box.stat(`/proc/${process}`) !== undefined) continue;
    const left = `${MOUNTS}/${folder}`;
    if (box.run(['mountpoint', '--quiet', left]).code === 0) unmount(box, left);
    if (process !== own) box.remove(left);
  }
  const folder = `${MOUNTS}/${name}.${own}`;
  box.makeFolder(folder, 0o700);
  return folder;
}

function andUnmount<T>(box: Box, folder: string, use: (folder: string) => T): T {
  try {
    return use(folder);
  } finally {
    unmount(box, folder);
  }
}

function unmount(box: Box, folder: string): void {
  mustRun(box, 'cannot unmount', ['umount', folder]);
}

/** As `withMounted`, after what a power cut left has been put in order: room that no file has is free again. */
export function withEsp<T>(box: Box, device: string, use: (folder: string) => T): T {
  mendFat(box, device);
  return withMounted(box, device, 'write', (folder) => {
    removeSalvaged(box, folder);
    return use(folder);
  });
}

/** fsck.fat(8): 1 means that it has found and mended something. Nobody else must have the file system. */
function mendFat(box: Box, device: string): void {
  if (box.run(['findmnt', '--noheadings', '--source', device]).code === 0) return;
  const command = ['fsck.fat', '-a', device];
  const ran = box.run(command);
  if (ran.code > 1) box.log('warning', `the ESP ${device} could not be checked: ${whyFailed(command, ran)}`);
}

/** Clusters without a file come back as FSCK0000.REC and so on. */
function removeSalvaged(box: Box, folder: string): void {
  for (const name of box.list(folder)) if (/^FSCK\d{4}\.REC$/i.test(name)) box.remove(`${folder}/${name}`);
}

const NAME = /^draisine_([0-9A-Za-z.~^-]+?)(?:\+(\d{1,4})(?:-(\d{1,4}))?)?\.efi$/i;

/** Version and counters of the name of a UKI (Boot Loader Specification, "Boot counting"); undefined: not one of ours. */
export function parseUkiName(
  file: string,
): Pick<InstalledUki, 'file' | 'version' | 'left' | 'done'> | undefined {
  const [, version, left, done] = NAME.exec(file) ?? [];
  if (version === undefined) return undefined;
  const number = (text: string | undefined) => (text === undefined ? undefined : Number(text));
  return { file, version, left: number(left), done: number(done) };
}

/** `draisine_VERSION+LEFT-DONE.efi`. */
export function ukiName(version: string, left?: number, done?: number): string {
  const counted = left === undefined ? '' : `+${left}${done === undefined ? '' : `-${done}`}`;
  return `draisine_${version}${counted}.efi`;
}

/** The UKIs on a mounted ESP. */
export function listUkis(box: Box, esp: string): InstalledUki[] {
  const folder = `${esp}/${UKI_FOLDER}`;
  if (box.stat(folder) === undefined) return [];
  return box.list(folder).flatMap((file) => {
    const parsed = parseUkiName(file);
    if (!parsed) return [];
    const uki = box.open(`${folder}/${file}`, 'read');
    try {
      return [
        { ...parsed, size: uki.size, rootHash: ukiRootHash(uki) ?? mentionedHash(box, `${folder}/${file}`) },
      ];
    } finally {
      uki.close();
    }
  });
}

/** Of a file whose headers are broken: a slot that it may belong to is not to be taken for free. */
function mentionedHash(box: Box, path: string): string | undefined {
  const { stdout } = box.run(['grep', '-aom1', 'usrhash=[0-9a-f]\\{64\\}', path]);
  return /usrhash=([0-9a-f]{64})/.exec(stdout)?.[1];
}

/** Bytes that are free on the file system of a folder. */
export function freeRoom(box: Box, folder: string): number {
  const told = mustRun(box, 'cannot ask for the room', ['stat', '--file-system', '--format=%a %S', folder]);
  const [blocks, size] = told.trim().split(' ').map(Number);
  return blocks! * size!;
}

/** What was done to the file system of a folder is on the disk, and not only in the disk's cache. */
export function flushFolder(box: Box, folder: string): void {
  mustRun(box, 'cannot flush', ['sync', '--file-system', folder]);
  box.sync(folder); // fsync(2) has the kernel flush the disk's cache, syncfs(2) of a FAT does not
}

/** Bytes as the disk gives them, not as the page cache has them. */
export function sha256OfDisk(box: Box, path: string): string {
  const drop = ['dd', `of=${path}`, 'oflag=nocache', 'conv=notrunc,fsync', 'count=0', 'status=none'];
  mustRun(box, 'cannot read back from the disk', drop);
  return sha256Of(box, path);
}

export function sha256Of(box: Box, path: string): string {
  return mustRun(box, 'cannot read', ['sha256sum', path]).replace(/^\\/, '').slice(0, 64);
}

/**
 * Puts a file on a FAT so that a power cut leaves the old one or the new one: `write` makes it under a temporary name,
 * which is flushed, read back and compared before it gets its own.
 */
export function putFile(box: Box, path: string, sha256: string, write: (path: string) => void): void {
  const folder = folderOf(path);
  const temporary = `${path}${TEMPORARY}`;
  box.makeFolder(folder);
  box.remove(temporary);
  write(temporary);
  box.sync(temporary);
  const found = sha256OfDisk(box, temporary);
  if (found !== sha256) {
    box.remove(temporary);
    throw new BoxError('the disk does not give back what was written to it: the disk is bad', {
      where: path,
      hint: 'replace it, or try again when it is attached better',
    });
  }
  flushFolder(box, folder);
  box.rename(temporary, path);
  flushFolder(box, folder);
}

/** As `putFile`, from another file. Nothing is done when it is there already. */
export function copyFile(box: Box, from: string, to: string): void {
  const wanted = sha256Of(box, from);
  if (box.stat(to) !== undefined && sha256Of(box, to) === wanted) return;
  putFile(box, to, wanted, (path) => void mustRun(box, `cannot write ${to}`, ['cp', from, path]));
}

/** Takes UKIs, and files that never became whole, out of the boot menu. */
export function removeUkis(box: Box, esp: string, unwanted: (uki: InstalledUki) => boolean): void {
  const folder = `${esp}/${UKI_FOLDER}`;
  const gone = listUkis(box, esp).filter(unwanted);
  const halves =
    box.stat(folder) === undefined ? [] : box.list(folder).filter((file) => file.endsWith(TEMPORARY));
  for (const file of [...gone.map((uki) => uki.file), ...halves]) box.remove(`${folder}/${file}`);
  if (gone.length + halves.length > 0) flushFolder(box, folder);
}

/** Gives a UKI another name: only its counters change. */
export function renameUki(box: Box, esp: string, from: string, to: string): void {
  if (from === to) return;
  const folder = `${esp}/${UKI_FOLDER}`;
  box.rename(`${folder}/${from}`, `${folder}/${to}`);
  flushFolder(box, folder);
}
