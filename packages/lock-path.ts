import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The committed lock. */
export const lockPath = relative(process.cwd(), fileURLToPath(new URL('lock.json', import.meta.url)));
