import { type FileHandle, open } from 'node:fs/promises';

const BLOCK = 1 << 20;
const zeros = Buffer.alloc(BLOCK);

/**
 * Copies the file at `from` into `to` at `offset` (bytes), leaving out blocks of zeros: where `to` was a hole it
 * stays one, so that a disk image of a gibibyte costs what it holds.
 */
export async function copySparse(from: string, to: FileHandle, offset: number): Promise<void> {
  const source = await open(from, 'r');
  try {
    const buffer = Buffer.allocUnsafe(BLOCK);
    for (let position = 0; ; ) {
      const { bytesRead } = await source.read(buffer, 0, BLOCK, position);
      if (bytesRead === 0) break;
      const block = buffer.subarray(0, bytesRead);
      if (!block.equals(zeros.subarray(0, bytesRead))) await to.write(block, 0, bytesRead, offset + position);
      position += bytesRead;
    }
  } finally {
    await source.close();
  }
}
