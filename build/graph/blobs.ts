import { lstatSync, readFileSync } from 'node:fs';
import { chmod, open, rename, rm, stat } from 'node:fs/promises';
import { errorCode, Failure } from '../../sdk/lib/errors.ts';
import { type Sha256, sha256, sha256File } from '../../sdk/lib/files.ts';
import { warn } from '../../sdk/lib/log.ts';
import { copyWithHoles } from './copy.ts';
import { differInCtimeOnly, type Stamp, stampOf } from './stamp.ts';
import { moveInto, putNote, type Store, shard, storeFailure, temporaryPath } from './store.ts';

/** The path of this content in the store, if the store has it. */
export function blobPath(store: Store, digest: Sha256): string {
  return shard(store, 'blobs', digest);
}

/**
 * After this number of hashes with different results, another process keeps writing to the blob, and waiting
 * is useless.
 */
const HASHINGS = 3;

/**
 * Whether the store has this blob, with the right bytes. One stat(2) is enough if the stamp matches.
 * Otherwise the blob is hashed again, and a wrong one is evicted with a warning.
 */
export async function checkBlob(store: Store, digest: Sha256, hashings = HASHINGS): Promise<boolean> {
  const path = blobPath(store, digest);
  let now = stampOf(path);
  if (now === undefined) return false;
  if (now === readStamp(store, digest)) return true;
  let found: Sha256;
  try {
    // A chmod of its name in out/ is a chmod of the blob. It must be read-only again.
    if (((await stat(path)).mode & 0o777) !== 0o444) await chmod(path, 0o444);
    now = stampOf(path);
    found = await sha256File(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw storeFailure(store.root, error);
  }
  // Another process may have written or replaced it meanwhile. Only the hashed file is trusted or evicted.
  const after = stampOf(path);
  if (now !== undefined && after === now && found === digest) {
    await stampBlob(store, digest, now);
    return true;
  }
  if (after !== now && hashings > 1) return await checkBlob(store, digest, hashings - 1);
  // Other processes may link or publish the blob all the time, but they do not write to it. So it is right,
  // and is hashed again next time.
  if (now !== undefined && after !== undefined && differInCtimeOnly(now, after) && found === digest)
    return true;
  warn(`store: blob ${digest.slice(0, 12)} holds other bytes than when it was written; evicted`);
  const evicted = await temporaryPath(store);
  await rename(path, evicted);
  await rm(evicted, { force: true });
  return false;
}

/** Puts bytes, or the file at a path (moved), in the store. */
export async function addBlob(
  store: Store,
  content: Uint8Array | { readonly path: string },
): Promise<{ digest: Sha256; size: number }> {
  try {
    return content instanceof Uint8Array
      ? await addBytes(store, content)
      : await addFile(store, content.path);
  } catch (error) {
    throw storeFailure(store.root, error);
  }
}

/** Records the answer of stat(2) for a blob that is known to be right. */
async function stampBlob(store: Store, digest: Sha256, stamp: Stamp): Promise<void> {
  await putNote(store, shard(store, 'stamps', digest), stamp);
}

/**
 * Renews the stamp of a trusted blob after link(2) or rename(2) changed its ctime, if nothing else has
 * changed.
 */
export async function restampBlob(store: Store, digest: Sha256): Promise<void> {
  const before = readStamp(store, digest);
  const now = stampOf(blobPath(store, digest));
  if (before === undefined || now === undefined || !differInCtimeOnly(before, now)) return;
  await stampBlob(store, digest, now);
}

async function addBytes(store: Store, bytes: Uint8Array): Promise<{ digest: Sha256; size: number }> {
  const digest = sha256(bytes);
  if (!(await checkBlob(store, digest))) {
    const temporary = await temporaryPath(store);
    try {
      const file = await open(temporary, 'wx', 0o444);
      try {
        await file.writeFile(bytes);
      } finally {
        await file.close();
      }
      await commit(store, temporary, digest);
    } finally {
      await rm(temporary, { force: true });
    }
  }
  return { digest, size: bytes.byteLength };
}

async function addFile(store: Store, path: string): Promise<{ digest: Sha256; size: number }> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found?.isFile()) {
    throw new Failure(
      found ? 'only a regular file can be put in the store' : 'the file to put in the store does not exist',
      {
        where: path,
      },
    );
  }
  const temporary = await temporaryPath(store);
  try {
    await moveOrCopy(path, temporary);
    const digest = await sha256File(temporary);
    const { size } = await stat(temporary);
    if (!(await checkBlob(store, digest))) await commit(store, temporary, digest);
    return { digest, size };
  } finally {
    await rm(temporary, { force: true });
  }
}

async function moveOrCopy(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (errorCode(error) !== 'EXDEV') throw error;
    await copyWithHoles(from, to);
    await rm(from);
  }
}

async function commit(store: Store, temporary: string, digest: Sha256): Promise<void> {
  const file = await open(temporary, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
  await chmod(temporary, 0o444);
  await moveInto(temporary, blobPath(store, digest));
  const stamp = stampOf(blobPath(store, digest));
  if (stamp !== undefined) await stampBlob(store, digest, stamp);
}

function readStamp(store: Store, digest: Sha256): Stamp | undefined {
  try {
    return readFileSync(shard(store, 'stamps', digest), 'latin1');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw storeFailure(store.root, error);
  }
}
