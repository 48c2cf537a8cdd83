import { open, rm } from 'node:fs/promises';

const CHUNK = 1 << 20;
const zeros = Buffer.alloc(CHUNK);

/**
 * Copies a file; runs of zeros become holes, so that a disk image takes no more room than it needs. Nothing is left of
 * a copy that failed or was stopped.
 */
export async function copySparse(from: string, to: string, signal?: AbortSignal): Promise<void> {
  const input = await open(from, 'r');
  try {
    const output = await open(to, 'wx', 0o644);
    try {
      const buffer = Buffer.allocUnsafe(CHUNK);
      let position = 0;
      for (;;) {
        signal?.throwIfAborted();
        const { bytesRead } = await input.read(buffer, 0, CHUNK, position);
        if (bytesRead === 0) break;
        const chunk = buffer.subarray(0, bytesRead);
        if (!chunk.equals(zeros.subarray(0, bytesRead))) await writeAll(output, chunk, position);
        position += bytesRead;
      }
      await output.truncate(position);
      await output.sync();
    } finally {
      await output.close();
    }
  } catch (error) {
    await rm(to, { force: true });
    throw error;
  } finally {
    await input.close();
  }
}

async function writeAll(
  file: Awaited<ReturnType<typeof open>>,
  data: Buffer,
  position: number,
): Promise<void> {
  for (let done = 0; done < data.length; ) {
    done += (await file.write(data, done, data.length - done, position + done)).bytesWritten;
  }
}
