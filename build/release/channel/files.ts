import { constants, existsSync } from 'node:fs';
import { chmod, copyFile, link, mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { errorCode, Failure } from '../../../sdk/lib/errors.ts';
import { temporaryName, writeAtomic } from '../../../sdk/lib/files.ts';

/**
 * Writes into a folder that is being served: the old content stays until the new content is whole, and on the
 * disk.
 */

/** A system error at publishing, with a hint; any other error unchanged. */
export function publishFailure(path: string, error: unknown): unknown {
  const code = errorCode(error);
  if (error instanceof Failure || !(error instanceof Error) || code === undefined) return error;
  const hint =
    code === 'ENOSPC' || code === 'EDQUOT'
      ? 'make room there and try again; the earlier releases are still served'
      : code === 'EPERM' || code === 'ENOTSUP' || code === 'EOPNOTSUPP'
        ? 'publish into a folder of your own on a file system of Linux, and copy that to a stick or a share'
        : 'make it a writable folder; the earlier releases are still served';
  return new Failure(`cannot publish: ${error.message}`, { where: path, hint, cause: error });
}

/** Makes the entries of a folder survive a power cut (fsync(2)). */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Makes a folder, and the folders above it. Everybody may read the new ones, whatever the umask is: the web server is
 * another user.
 */
export async function makeServedFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  for (let folder = resolve(path); folder.length >= resolve(first).length; folder = dirname(folder))
    await chmod(folder, 0o755);
}

/** Makes a new file with its content, atomically; false if the file exists. */
export async function linkNew(path: string, text: string): Promise<boolean> {
  const temporary = temporaryName(path);
  try {
    await writeFile(temporary, text, { flag: 'wx', flush: true });
    await link(temporary, path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw publishFailure(path, error);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Replaces a file. False, without a write, if it has this text already. */
export async function publishText(path: string, text: string, now: string | undefined): Promise<boolean> {
  if (now === text) return false;
  try {
    await writeAtomic(path, text);
    await syncFolder(dirname(path));
  } catch (error) {
    throw publishFailure(path, error);
  }
  return true;
}

async function copyDurably(from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  const handle = await open(to, 'r+').catch(async (error: unknown) => {
    if (errorCode(error) !== 'EACCES') throw error;
    return await open(to, 'r');
  });
  try {
    await handle.chmod(0o644);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Replaces a file of a published release. Its folder is there. */
export async function publishFile(from: string, to: string): Promise<void> {
  const temporary = temporaryName(to);
  try {
    await copyDurably(from, temporary);
    await rename(temporary, to);
    await syncFolder(dirname(to));
  } catch (error) {
    throw publishFailure(to, error);
  } finally {
    await rm(temporary, { force: true });
  }
}

/**
 * Copies some files (paths below `from`) to `to`, a folder that appears whole. Returns the number of bytes.
 */
export async function publishFolder(from: string, to: string, files: readonly string[]): Promise<number> {
  const temporary = temporaryName(to);
  const folders = new Set([temporary]);
  let bytes = 0;
  try {
    await sweep(to);
    for (const file of files) {
      const target = join(temporary, file);
      await makeServedFolder(dirname(target));
      folders.add(dirname(target));
      await copyDurably(join(from, file), target);
      bytes += (await stat(target)).size;
    }
    for (const folder of folders) await syncFolder(folder);
    await rename(temporary, to);
    await syncFolder(dirname(to));
  } catch (error) {
    throw publishFailure(to, error);
  } finally {
    if (existsSync(temporary)) await rm(temporary, { recursive: true, force: true });
  }
  return bytes;
}

/**
 * Removes the partial copies that killed publishers left for this path. The caller holds the lock, so no
 * other publisher runs.
 */
async function sweep(to: string): Promise<void> {
  const folder = dirname(to);
  await makeServedFolder(folder);
  for (const name of await readdir(folder))
    if (name.includes('.tmp-')) await rm(join(folder, name), { recursive: true, force: true });
}

/** Removes a folder in one step: a reader finds the whole folder under its name, or nothing. */
export async function removePublished(folder: string): Promise<void> {
  const aside = temporaryName(folder);
  try {
    await rename(folder, aside);
    await rm(aside, { recursive: true, force: true });
  } catch (error) {
    throw publishFailure(folder, error);
  }
}
