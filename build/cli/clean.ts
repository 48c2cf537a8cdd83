import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { formatBytes } from '../../sdk/lib/bytes.ts';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { log } from '../../sdk/lib/log.ts';
import { collectGarbage, wipeStore } from '../graph/collect.ts';
import { openStore, removeTreeAsync } from '../graph/store.ts';

/** The options of `clean`. */
export interface CleanFlags {
  readonly store?: boolean;
  /** Milliseconds. */
  readonly olderThan?: number;
  readonly json?: boolean;
}

/**
 * `clean` removes out/; with `--store` the store; with `--older-than` everything in the store that was not
 * used since then.
 */
export async function clean(flags: CleanFlags): Promise<void> {
  const said = await remove(flags);
  if (flags.json) process.stdout.write(`${JSON.stringify(said)}\n`);
}

async function remove({ store: all, olderThan }: CleanFlags): Promise<object> {
  if (olderThan !== undefined) {
    const store = openStore();
    const { removed, bytes } = await collectGarbage(store, olderThan);
    log(`${store.root}: removed ${removed} things, ${formatBytes(bytes)}`);
    return { store: store.root, removed, bytes };
  }
  if (all) {
    const store = openStore();
    await wipeStore(store);
    log(`${store.root}: removed the store`);
    return { store: store.root };
  }
  const out = join(CHECKOUT, 'out');
  const existed = existsSync(out);
  await removeTreeAsync(out);
  log(existed ? 'removed out/' : 'nothing to remove: there is no out/');
  return { out, existed };
}
