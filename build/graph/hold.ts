import { cacheDir } from '../../sdk/lib/cache.ts';
import { type Sha256, sha256 } from '../../sdk/lib/files.ts';
import { waitForLock } from './key-lock.ts';
import { closeStore, isReadOnly, openStore, type Store, temporaryPath } from './store.ts';

/** The key of the lock that `clean` holds while it removes parts of the store. */
export const CLEANING: Sha256 = sha256('clean');

/**
 * Shows `clean` that this process uses the store, until `closeStore`. Waits for the end of a running `clean`, which
 * could remove an output between the moments when this process finds it and reads it. This process first makes its
 * folder in tmp/ and then looks for the lock. `clean` first takes the lock and then looks for folders. So at least one
 * of the two sees the other.
 */
export async function useStore(store: Store, signal = new AbortController().signal): Promise<void> {
  try {
    await temporaryPath(store); // its folder shows that this process lives
  } catch (error) {
    if (!isReadOnly(error)) throw error; // no cleaning happens there
    return;
  }
  const waited = await waitForLock(store, CLEANING, 'the store', signal, 'cleans it');
  if (waited) openStore(store.root); // `clean --store` has removed its folders
}

const held = new Set<string>();

/** The same as `useStore`, until this process ends. */
export async function holdStore(root: string = cacheDir()): Promise<void> {
  if (held.has(root)) return;
  const store = openStore(root);
  held.add(root);
  process.once('exit', () => closeStore(store));
  await useStore(store);
}
