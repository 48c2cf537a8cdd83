import { type FileHandle, open } from 'node:fs/promises';

const BLOCK = 1 << 20;
const zeros = Buffer.alloc(BLOCK);

/**
 * Copies the file at `from` into `to` at `offset` (bytes, default 0), and skips blocks of zeros. Holes of `to` stay
 * holes, so a disk image takes only the room of its contents. Returns the number of bytes read.
 */
export async function copySparse(
  from: string,
  to: FileHandle,
  { offset = 0, signal }: { readonly offset?: number; readonly signal?: AbortSignal | undefined } = {},
): Promise<number> {
  const source = await open(from, 'r');
  try {
    const buffer = Buffer.allocUnsafe(BLOCK);
    for (let position = 0; ; ) {
      signal?.throwIfAborted();
      const { bytesRead } = await source.read(buffer, 0, BLOCK, position);
      if (bytesRead === 0) return position;
      const block = buffer.subarray(0, bytesRead);
      if (!block.equals(zeros.subarray(0, bytesRead))) await writeAll(to, block, offset + position);
      position += bytesRead;
    }
  } finally {
    await source.close();
  }
}

async function writeAll(file: FileHandle, data: Buffer, position: number): Promise<void> {
  for (let done = 0; done < data.length; )
    done += (await file.write(data, done, data.length - done, position + done)).bytesWritten;
}
