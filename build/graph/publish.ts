import { constants } from 'node:fs';
import { chmod, copyFile, link, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { errorCode } from '../../sdk/lib/errors.ts';
import { type Sha256, sha256, temporaryName } from '../../sdk/lib/files.ts';
import { blobPath, checkBlob, restampBlob } from './blobs.ts';
import { copySparse } from './copy.ts';
import { stampOf } from './stamp.ts';
import { putFile, type Store } from './store.ts';

/**
 * Puts a blob at a path outside the store, replacing what is there at once: as a copy that shares its blocks where
 * the file system can, else as a hard link, on another file system as a copy. Nothing is done, and false returned,
 * when the path still holds what was put there before. The file is read-only, for it may be the store's own.
 */
export async function publishBlob(store: Store, digest: Sha256, path: string): Promise<boolean> {
  const note = join(store.root, 'published', sha256(resolve(path)));
  const stamp = stampOf(path);
  if (stamp !== undefined && (await readNote(note)) === `${digest} ${stamp}`) return false;
  if (!(await checkBlob(store, digest))) throw new Error(`blob ${digest} is not in the store`);
  await mkdir(dirname(path), { recursive: true });
  const temporary = temporaryName(path);
  try {
    const linked = await place(blobPath(store, digest), temporary);
    await rename(temporary, path);
    if (linked) await restampBlob(store, digest); // link(2) and rename(2) changed its ctime
  } finally {
    await rm(temporary, { force: true });
  }
  await putFile(store, note, `${digest} ${stampOf(path)}`);
  return true;
}

/** True when `to` is a hard link to `from`. */
async function place(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
    await chmod(to, 0o444);
    return false;
  } catch (error) {
    // Each file system has its own way to say that it cannot share blocks.
    if (!['ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EXDEV', 'EINVAL', 'ENOTTY'].includes(errorCode(error) ?? ''))
      throw error;
    await rm(to, { force: true });
  }
  try {
    await link(from, to);
    return true;
  } catch (error) {
    // EPERM: protected_hardlinks, or a file system without links; EMLINK: too many.
    if (!['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP'].includes(errorCode(error) ?? '')) throw error;
  }
  await copySparse(from, to);
  await chmod(to, 0o444);
  return false;
}

async function readNote(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
