import { closeSync, openSync, readSync } from 'node:fs';
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

/** The first line of a file, as far as it is among the first 256 bytes; bytes as characters (latin1). */
export function firstLine(path: string): string {
  const head = Buffer.alloc(256);
  const file = openSync(path, 'r');
  try {
    const bytes = readSync(file, head, 0, head.length, 0);
    return head.toString('latin1', 0, bytes).split('\n', 1)[0] ?? '';
  } finally {
    closeSync(file);
  }
}
