import { constants, statSync } from 'node:fs';
import { chmod, copyFile, link, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { errorCode, Failure, ifThere } from '../../sdk/lib/errors.ts';
import { type Sha256, sha256, sha256File } from '../../sdk/lib/files.ts';
import { blobPath, checkBlob, restampBlob } from './blobs.ts';
import { copyWithHoles } from './copy.ts';
import { liveness, ownedName, parseOwnedName } from './owner.ts';
import { stampOf } from './stamp.ts';
import { putNote, type Store } from './store.ts';

/**
 * Puts a blob at a path outside the store, and replaces an existing file atomically. It makes a copy that shares its
 * blocks if the file system supports that, else a hard link, or a full copy on another file system. If the path still
 * has this blob from an earlier call, it does nothing and returns false. The file is read-only, because it may be the
 * file of the store.
 */
export async function publishBlob(
  store: Store,
  digest: Sha256,
  path: string,
  signal?: AbortSignal,
): Promise<boolean> {
  try {
    return await publish(store, digest, path, signal);
  } catch (error) {
    throw outFailure(path, error);
  }
}

async function publish(
  store: Store,
  digest: Sha256,
  path: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const note = notePath(store, path);
  const stamp = stampOf(path);
  if (stamp !== undefined && (await readNote(note)) === `${digest} ${stamp}`) return false;
  if (!(await checkBlob(store, digest))) throw new Error(`blob ${digest} is not in the store`);
  await mkdir(dirname(path), { recursive: true });
  await sweepUnfinished(path);
  const temporary = unfinishedName(path);
  try {
    const linked = await place(blobPath(store, digest), temporary, signal);
    await rename(temporary, path);
    if (linked) await restampBlob(store, digest); // link(2) and rename(2) changed its ctime
  } finally {
    await rm(temporary, { force: true });
  }
  await putNote(store, note, `${digest} ${stampOf(path)}`);
  return true;
}

/**
 * Whether the file at `path` has this content, whoever has put it there. It is hashed, unless it is still as `publishBlob`
 * or an earlier call left it.
 */
export async function isPublished(
  store: Store,
  { sha256: digest, size }: { readonly sha256: Sha256; readonly size: number },
  path: string,
): Promise<boolean> {
  const stamp = stampOf(path);
  if (stamp === undefined || statSync(path).size !== size) return false;
  const note = notePath(store, path);
  if ((await readNote(note)) === `${digest} ${stamp}`) return true;
  if ((await sha256File(path)) !== digest) return false;
  await putNote(store, note, `${digest} ${stamp}`);
  return true;
}

function notePath(store: Store, path: string): string {
  return join(store.root, 'published', sha256(resolve(path)));
}

const NO_ROOM = 'free space there and build again; finished targets are not built again';
const NO_WAY = 'remove the file or folder there, or make it writable, and build again';
const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: NO_ROOM,
  EDQUOT: NO_ROOM,
  ENOTDIR: NO_WAY,
  EISDIR: NO_WAY,
  EEXIST: NO_WAY,
  EROFS: NO_WAY,
  EACCES: NO_WAY,
  EPERM: NO_WAY,
  EIO: 'look at the kernel log',
};

/** A system error in the folder of artifacts, with a hint; any other error unchanged. */
export function outFailure(path: string, error: unknown): unknown {
  const hint = HINTS[errorCode(error) ?? ''];
  if (error instanceof Failure || !(error instanceof Error) || hint === undefined) return error;
  return new Failure(`cannot write the artifact: ${error.message}`, {
    where: path,
    hint,
    cause: error,
  });
}

/** A name beside `path` for a file or folder that then replaces it. */
export function unfinishedName(path: string): string {
  return `${path}.tmp-${ownedName()}`;
}

/** Removes partial copies to this path that killed processes left. */
export async function sweepUnfinished(path: string): Promise<void> {
  const begun = `${basename(path)}.tmp-`;
  for (const name of await readdir(dirname(path))) {
    const owner = name.startsWith(begun) ? parseOwnedName(name.slice(begun.length)) : undefined;
    if (owner && liveness(owner) === 'dead')
      await rm(join(dirname(path), name), { recursive: true, force: true });
  }
}

/** Whether `to` is a hard link to `from`. */
async function place(from: string, to: string, signal?: AbortSignal): Promise<boolean> {
  try {
    await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
    await chmod(to, 0o444);
    return false;
  } catch (error) {
    // File systems report in different ways that they cannot share blocks.
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
  await copyWithHoles(from, to, signal);
  await chmod(to, 0o444);
  return false;
}

async function readNote(path: string): Promise<string | undefined> {
  return await ifThere(readFile(path, 'utf8'));
}
