import { readFile } from 'node:fs/promises';
import { errorCode } from '../../sdk/lib/errors.ts';

/**
 * The total time in milliseconds since the host's boot in which at least one program waited for a processor
 * (Documentation/accounting/psi.rst). Undefined if the kernel does not report it.
 */
export async function processorStallMs(path = '/proc/pressure/cpu'): Promise<number | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    // The kernel lacks PSI, or psi=0 turns it off.
    if (['ENOENT', 'EOPNOTSUPP', 'EACCES'].includes(errorCode(error) ?? '')) return undefined;
    throw error;
  }
  const [, micros] = /^some .*\btotal=(\d+)$/m.exec(text) ?? [];
  return micros === undefined ? undefined : Number(micros) / 1000;
}
