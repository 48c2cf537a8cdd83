import { type Box, BoxError, folderOf, mustRun, whyFailed } from '../io/box.ts';
import type { InstalledUki } from './model.ts';
import { withMounted } from './mount.ts';
import { ukiRootHash } from './pe.ts';

/** Where UKIs are on the ESP (Boot Loader Specification, type 2). */
export const UKI_FOLDER = 'EFI/Linux';
/** Of a file that is not whole yet: no boot loader reads it. */
const TEMPORARY = '.new';

/** The mounted ESP, to write, after what a power cut left has been put in order: room that no file has is free again. */
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
  if (box.run(['fsck.fat', '-n', device]).code === 0) return;
  withMounted(box, device, 'write', (folder) => partTwins(box, folder));
  const command = ['fsck.fat', '-a', device];
  const ran = box.run(command);
  if (ran.code > 1) box.log('warning', `the ESP ${device} could not be checked: ${whyFailed(command, ran)}`);
}

/** Clusters without a file come back as FSCK0000.REC and so on. */
function removeSalvaged(box: Box, folder: string): void {
  for (const name of box.list(folder)) if (/^FSCK\d{4}\.REC$/i.test(name)) box.remove(`${folder}/${name}`);
}

/**
 * A power cut while a UKI was given another name may leave both names for the same clusters, and fsck.fat would cut one
 * of them off. The file is copied, and the copy takes the place of both.
 */
function partTwins(box: Box, esp: string): void {
  const folder = `${esp}/${UKI_FOLDER}`;
  const ukis = listUkis(box, esp);
  for (const version of new Set(ukis.map((uki) => uki.version))) {
    const [kept, ...others] = ukis
      .filter((uki) => uki.version === version)
      // What was renamed last: it is not counted any more, or has fewer tries left.
      .sort((a, b) => (a.left ?? -1) - (b.left ?? -1));
    if (!kept || others.length === 0) continue;
    const copy = `${folder}/${kept.file}${TEMPORARY}`;
    mustRun(box, `cannot write ${kept.file}`, ['cp', `${folder}/${kept.file}`, copy]);
    box.sync(copy);
    flushFolder(box, folder);
    for (const { file } of [...others, kept]) box.remove(`${folder}/${file}`);
    box.rename(copy, `${folder}/${kept.file}`);
    flushFolder(box, folder);
    box.log('warning', `${kept.file} had two names after a power cut, and has one again`);
  }
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
function flushFolder(box: Box, folder: string): void {
  mustRun(box, 'cannot flush', ['sync', '--file-system', folder]);
  box.sync(folder); // fsync(2) has the kernel flush the disk's cache, syncfs(2) of a FAT does not
}

/** Bytes as the disk gives them, not as the page cache has them. */
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
    throw new BoxError('the disk returns other data than was written to it: the disk is bad', {
      where: path,
      hint: 'replace it, or try again when it is attached better',
    });
  }
  flushFolder(box, folder);
  keeping(box, [path], () => {
    box.rename(temporary, path);
    flushFolder(box, folder);
  });
}

/**
 * Does something that gives up files. A file that is open keeps its clusters: they are free only when it is on the disk
 * that the file has no name any more, else a power cut could leave the name of a file whose clusters are another's.
 */
function keeping(box: Box, paths: readonly string[], use: () => void): void {
  const open = paths.flatMap((path) => (box.stat(path) === undefined ? [] : [box.open(path, 'read')]));
  try {
    use();
  } finally {
    for (const file of open) file.close();
  }
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
  const paths = [...gone.map((uki) => uki.file), ...halves].map((file) => `${folder}/${file}`);
  if (paths.length === 0) return;
  keeping(box, paths, () => {
    for (const path of paths) box.remove(path);
    flushFolder(box, folder);
  });
}

/** Gives a UKI another name: only its counters change. */
export function renameUki(box: Box, esp: string, from: string, to: string): void {
  if (from === to) return;
  const folder = `${esp}/${UKI_FOLDER}`;
  box.rename(`${folder}/${from}`, `${folder}/${to}`);
  flushFolder(box, folder);
}
