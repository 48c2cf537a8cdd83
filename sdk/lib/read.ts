import type { FileHandle } from 'node:fs/promises';
import { Failure } from './errors.ts';

/** Reads `size` bytes of a file at `offset`. A shorter file is a Failure. */
export async function readExactly(file: FileHandle, offset: number, size: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(size);
  for (let done = 0; done < size; ) {
    const { bytesRead } = await file.read(buffer, done, size - done, offset + done);
    if (bytesRead === 0) throw new Failure(`unexpected end of file at byte ${offset + done}`);
    done += bytesRead;
  }
  return buffer;
}
