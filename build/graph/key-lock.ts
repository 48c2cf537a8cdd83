import { readFileSync } from 'node:fs';
import { link, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode, ifThere, ifThereSync } from '../../sdk/lib/errors.ts';
import type { Sha256 } from '../../sdk/lib/files.ts';
import { log } from '../../sdk/lib/log.ts';
import { liveness, type Owner, self } from './owner.ts';
import { type Store, storeFailure, temporaryPath } from './store.ts';

const POLL_MS = 100;

/**
 * Claims a key for this process. Undefined while another process, or this one, works on it.
 * This only avoids double work: the store stays right without it. So a lock is taken over if its holder is
 * dead, or cannot be seen from this process. Returns the function that releases the lock.
 */
export async function tryLock(
  store: Store,
  key: Sha256,
  name: string,
): Promise<(() => Promise<void>) | undefined> {
  const path = lockPath(store, key);
  const mine = await temporaryPath(store);
  const content = JSON.stringify({ ...self(), name });
  try {
    await writeFile(mine, content);
    while (!(await linkIfFree(mine, path))) {
      const held = readText(path);
      if (held === undefined) continue;
      if (holder(held)) return undefined;
      await takeAway(path, await temporaryPath(store), held);
    }
  } catch (error) {
    throw storeFailure(store.root, error);
  } finally {
    await rm(mine, { force: true });
  }
  return async () => {
    // Another process took the lock over because it believed this one dead. Now the lock belongs to that process.
    if (readText(path) === content) await rm(path, { force: true });
  };
}

/**
 * Waits until no living process holds the lock. Returns whether a process held it. `does`: the work of the holder, for
 * the message.
 */
export async function waitForLock(
  store: Store,
  key: Sha256,
  name: string,
  signal: AbortSignal,
  does = 'makes it',
): Promise<boolean> {
  let waited = false;
  for (;;) {
    const held = readText(lockPath(store, key));
    const owner = held === undefined ? undefined : holder(held);
    if (!owner) return waited;
    if (!waited && owner.pid !== process.pid)
      log(`${name}: waiting for process ${owner.pid}, which ${does} right now`);
    waited = true;
    await sleep(POLL_MS, undefined, { signal });
  }
}

function lockPath(store: Store, key: Sha256): string {
  return join(store.root, 'locks', key);
}

function holder(content: string): Owner | undefined {
  const owner = parseOwner(content);
  return owner && liveness(owner) === 'alive' ? owner : undefined;
}

/**
 * link(2) makes the lock with its content in one step; open(O_EXCL) would show an empty lock for a moment.
 */
async function linkIfFree(mine: string, path: string): Promise<boolean> {
  try {
    await link(mine, path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Removes a lock whose owner is dead, but not a fresh one that replaced it meanwhile. `stale`: its text. `aside`: a free
 * name in the same file system.
 */
export async function takeAway(path: string, aside: string, stale: string): Promise<void> {
  if (!(await ifThere(rename(path, aside).then(() => true)))) return;
  if (readText(aside) !== stale) await linkIfFree(aside, path);
  await rm(aside, { force: true });
}

function readText(path: string): string | undefined {
  return ifThereSync(() => readFileSync(path, 'utf8'));
}

function parseOwner(content: string): Owner | undefined {
  try {
    const value: unknown = JSON.parse(content);
    if (typeof value !== 'object' || value === null) return undefined;
    const { pid, start, world } = value as Partial<Record<keyof Owner, unknown>>;
    if (typeof pid !== 'number' || typeof start !== 'string' || typeof world !== 'string') return undefined;
    return { pid, start, world };
  } catch {
    return undefined; // not JSON, so no process of ours wrote it
  }
}
