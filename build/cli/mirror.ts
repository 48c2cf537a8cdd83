import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { formatBytes } from '../../sdk/lib/bytes.ts';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { badInput } from '../../sdk/lib/errors.ts';
import { log } from '../../sdk/lib/log.ts';
import { keepPinned } from '../debian/keep.ts';
import { readLock } from '../debian/lock.ts';
import { useStore } from '../graph/hold.ts';
import { closeStore, openStore } from '../graph/store.ts';

/** `mirror DIR` */
export async function mirror(folder: string, { json }: { readonly json?: boolean }): Promise<void> {
  if (folder === '' || (existsSync(folder) && !statSync(folder).isDirectory()))
    throw badInput('not a folder', { where: folder, hint: 'name a folder; it is made if it does not exist' });
  const lock = await readLock(join(CHECKOUT, 'packages/lock.json'));
  const store = openStore();
  try {
    await useStore(store);
    const kept = await keepPinned(lock, folder, store);
    if (json) process.stdout.write(`${JSON.stringify({ folder: resolve(folder), ...kept }, null, 2)}\n`);
    log(`${folder}: ${kept.files} files, ${formatBytes(kept.bytes)}, ${kept.placed} of them new`);
    log(`to build from it: DRAISINE_MIRROR=file:${resolve(folder)}`);
  } finally {
    closeStore(store);
  }
}
