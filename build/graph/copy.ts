import { open, rm } from 'node:fs/promises';
import { copySparse } from '../../sdk/lib/sparse.ts';

/**
 * Copies a file to a new one. Runs of zeros become holes, so a disk image takes only the room of its
 * contents. A copy that fails or is stopped leaves no file.
 */
export async function copyWithHoles(from: string, to: string, signal?: AbortSignal): Promise<void> {
  const output = await open(to, 'wx', 0o644);
  try {
    try {
      await output.truncate(await copySparse(from, output, { signal }));
      await output.sync();
    } finally {
      await output.close();
    }
  } catch (error) {
    await rm(to, { force: true });
    throw error;
  }
}
