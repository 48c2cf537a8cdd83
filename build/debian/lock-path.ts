import { join, relative } from 'node:path';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';

/** The committed lock, relative to the checkout. */
export const LOCK = 'packages/lock.json';

/** The committed lock, absolute. */
export const LOCK_PATH = join(CHECKOUT, LOCK);

/** The committed lock as this terminal would name it. */
export function shownLock(): string {
  return relative(process.cwd(), LOCK_PATH);
}
