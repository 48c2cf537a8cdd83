import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from '../../sdk/lib/files.ts';
import { tryLock, waitForLock } from './key-lock.ts';
import { moveInto, removeTreeAsync, type Store, storeFailure, temporaryPath } from './store.ts';

/** A folder that a recipe finds again in the state of its last run: see `Context.workspace`. */
export interface Workspace {
  readonly path: string;
  /** Returns it; `keep` says whether its content stays. */
  close(keep: boolean): Promise<void>;
}

/**
 * Takes the workspace `name` for this process alone, and waits while another process has it. Meanwhile it is
 * in tmp/.
 * If this process is killed, the workspace is removed like all unfinished work, so that no run continues with
 * a partial one.
 */
export async function openWorkspace(
  store: Store,
  name: string,
  { fresh, label, signal }: { readonly fresh: boolean; readonly label: string; readonly signal: AbortSignal },
): Promise<Workspace> {
  const key = sha256(`workspace ${name}`);
  const kept = join(store.root, 'workspaces', key);
  let unlock: (() => Promise<void>) | undefined;
  while (!unlock) {
    unlock = await tryLock(store, key, label);
    if (!unlock) await waitForLock(store, key, label, signal);
  }
  const release = unlock;
  try {
    const path = await temporaryPath(store);
    if (existsSync(kept)) await rename(kept, path);
    if (fresh) await removeTreeAsync(path);
    await mkdir(path, { recursive: true });
    return {
      path,
      close: async (keep) => {
        try {
          if (keep) await moveInto(path, kept);
          else await removeTreeAsync(path);
        } catch (error) {
          throw storeFailure(store.root, error);
        } finally {
          await release();
        }
      },
    };
  } catch (error) {
    await release();
    throw storeFailure(store.root, error);
  }
}
