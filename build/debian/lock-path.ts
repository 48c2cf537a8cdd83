import { join, relative } from 'node:path';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';

/** The path of the committed lock, relative to the checkout. */
export const LOCK = 'packages/lock.json';

/** The absolute path of the committed lock. */
export const LOCK_PATH = join(CHECKOUT, LOCK);

/** The path of the committed lock for messages, relative to the working directory. */
export function shownLock(): string {
  return relative(process.cwd(), LOCK_PATH);
}
