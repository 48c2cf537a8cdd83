import { type Box, BoxError, folderOf, mustRun, whyFailed } from '../io/box.ts';
import type { InstalledUki } from './model.ts';
import { withMounted } from './mount.ts';
import { ukiRootHash } from './pe.ts';

/** The folder of UKIs on the ESP (Boot Loader Specification, type 2). */
export const UKI_FOLDER = 'EFI/Linux';
/** Suffix of an incomplete file. No boot loader reads such files. */
const TEMPORARY = '.new';

/** The ESP, mounted for writing, after a repair: a power cut may leave clusters that belong to no file. */
export function withEsp<T>(box: Box, device: string, use: (folder: string) => T): T {
  mendFat(box, device);
  return withMounted(box, device, 'write', (folder) => {
    removeSalvaged(box, folder);
    return use(folder);
  });
}

/**
 * Exit codes of fsck.fat(8): 1 means that it repaired something. The file system must not be mounted
 * elsewhere.
 */
function mendFat(box: Box, device: string): void {
  if (box.run(['findmnt', '--noheadings', '--source', device]).code === 0) return;
  if (box.run(['fsck.fat', '-n', device]).code === 0) return;
  withMounted(box, device, 'write', (folder) => partTwins(box, folder));
  const command = ['fsck.fat', '-a', device];
  const ran = box.run(command);
  if (ran.code > 1) box.log('warning', `the ESP ${device} could not be checked: ${whyFailed(command, ran)}`);
}

/** Files FSCK0000.REC and so on have the clusters of lost files. */
function removeSalvaged(box: Box, folder: string): void {
  for (const name of box.list(folder)) if (/^FSCK\d{4}\.REC$/i.test(name)) box.remove(`${folder}/${name}`);
}

/**
 * A power cut during a rename may leave two names for the same clusters, and fsck.fat would truncate one of
 * them. So the file is copied, and the copy replaces both.
 */
function partTwins(box: Box, esp: string): void {
  const folder = `${esp}/${UKI_FOLDER}`;
  const ukis = listUkis(box, esp);
  for (const version of new Set(ukis.map((uki) => uki.version))) {
    const [kept, ...others] = ukis
      .filter((uki) => uki.version === version)
      // The newer name is kept: it has no counter, or fewer tries left.
      .sort((a, b) => (a.left ?? -1) - (b.left ?? -1));
    if (!kept || others.length === 0) continue;
    const copy = `${folder}/${kept.file}${TEMPORARY}`;
    mustRun(box, `cannot write ${kept.file}`, ['cp', `${folder}/${kept.file}`, copy]);
    box.sync(copy);
    flushFolder(box, folder);
    for (const { file } of [...others, kept]) box.remove(`${folder}/${file}`);
    box.rename(copy, `${folder}/${kept.file}`);
    flushFolder(box, folder);
    box.log('warning', `${kept.file} had two names after a power cut; one was removed`);
  }
}

const NAME = /^draisine_([0-9A-Za-z.~^-]+?)(?:\+(\d{1,4})(?:-(\d{1,4}))?)?\.efi$/i;

/**
 * Version and counters in the name of a UKI (Boot Loader Specification, "Boot counting"); undefined for a
 * name that is not ours.
 */
export function parseUkiName(
  file: string,
): Pick<InstalledUki, 'file' | 'version' | 'left' | 'done'> | undefined {
  const [, version, left, done] = NAME.exec(file) ?? [];
  if (version === undefined) return undefined;
  const number = (text: string | undefined) => (text === undefined ? undefined : Number(text));
  return { file, version, left: number(left), done: number(done) };
}

/** The name `draisine_VERSION+LEFT-DONE.efi`. */
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

/** For a UKI with broken headers: its slot must not count as free. */
function mentionedHash(box: Box, path: string): string | undefined {
  const { stdout } = box.run(['grep', '-aom1', 'usrhash=[0-9a-f]\\{64\\}', path]);
  return /usrhash=([0-9a-f]{64})/.exec(stdout)?.[1];
}

/** Free bytes on the file system of a folder. */
export function freeRoom(box: Box, folder: string): number {
  const told = mustRun(box, 'cannot find the free space', [
    'stat',
    '--file-system',
    '--format=%a %S',
    folder,
  ]);
  const [blocks, size] = told.trim().split(' ').map(Number);
  return blocks! * size!;
}

/** Flushes the file system of a folder, and the cache of the disk. */
function flushFolder(box: Box, folder: string): void {
  mustRun(box, 'cannot flush', ['sync', '--file-system', folder]);
  box.sync(folder); // fsync(2) makes the kernel flush the disk's cache; syncfs(2) on a FAT does not
}

/** Options for reading from the disk, not from the page cache. */
function sha256OfDisk(box: Box, path: string): string {
  const drop = ['dd', `of=${path}`, 'oflag=nocache', 'conv=notrunc,fsync', 'count=0', 'status=none'];
  mustRun(box, 'cannot read back from the disk', drop);
  return sha256Of(box, path);
}

/** The SHA-256 of a file of the box, in hexadecimal. */
export function sha256Of(box: Box, path: string): string {
  return mustRun(box, 'cannot read', ['sha256sum', path]).replace(/^\\/, '').slice(0, 64);
}

/**
 * Puts a file on a FAT. After a power cut there is the old file or the new one: `write` makes the new one
 * under a temporary name; it is flushed, read back and compared before it gets its own name.
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
    throw new BoxError('the disk returns other data than was written to it: the disk is bad', {
      where: path,
      hint: 'replace it, or check its connection and try again',
    });
  }
  flushFolder(box, folder);
  keeping(box, [path], () => {
    box.rename(temporary, path);
    flushFolder(box, folder);
  });
}

/**
 * Runs something that removes files. The clusters of an open file stay in use: they become free when the
 * removal of the name is on the disk. Otherwise a power cut could leave a name whose clusters belong to
 * another file.
 */
function keeping(box: Box, paths: readonly string[], use: () => void): void {
  const open = paths.flatMap((path) => (box.stat(path) === undefined ? [] : [box.open(path, 'read')]));
  try {
    use();
  } finally {
    for (const file of open) file.close();
  }
}

/** The same as `putFile`, from another file. Does nothing if the file is there already. */
export function copyFile(box: Box, from: string, to: string): void {
  const wanted = sha256Of(box, from);
  if (box.stat(to) !== undefined && sha256Of(box, to) === wanted) return;
  putFile(box, to, wanted, (path) => void mustRun(box, `cannot write ${to}`, ['cp', from, path]));
}

/** Removes UKIs, and incomplete files, from the boot menu. */
export function removeUkis(box: Box, esp: string, unwanted: (uki: InstalledUki) => boolean): void {
  const folder = `${esp}/${UKI_FOLDER}`;
  const gone = listUkis(box, esp).filter(unwanted);
  const halves =
    box.stat(folder) === undefined ? [] : box.list(folder).filter((file) => file.endsWith(TEMPORARY));
  const paths = [...gone.map((uki) => uki.file), ...halves].map((file) => `${folder}/${file}`);
  if (paths.length === 0) return;
  keeping(box, paths, () => {
    for (const path of paths) box.remove(path);
    flushFolder(box, folder);
  });
}

/** Renames a UKI to change its counters. */
export function renameUki(box: Box, esp: string, from: string, to: string): void {
  if (from === to) return;
  const folder = `${esp}/${UKI_FOLDER}`;
  box.rename(`${folder}/${from}`, `${folder}/${to}`);
  flushFolder(box, folder);
}
