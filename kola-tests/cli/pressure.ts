import { readFile } from 'node:fs/promises';
import { errorCode } from '../../sdk/lib/errors.ts';

/**
 * For how long, since the host started, some program of it has waited for a processor, in milliseconds
 * (Documentation/accounting/psi.rst). Undefined where the kernel does not say.
 */
export async function processorStallMs(path = '/proc/pressure/cpu'): Promise<number | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    // Not built in, or switched off (psi=0).
    if (['ENOENT', 'EOPNOTSUPP', 'EACCES'].includes(errorCode(error) ?? '')) return undefined;
    throw error;
  }
  const [, micros] = /^some .*\btotal=(\d+)$/m.exec(text) ?? [];
  return micros === undefined ? undefined : Number(micros) / 1000;
}
