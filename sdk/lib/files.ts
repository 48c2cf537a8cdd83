import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';

/** Lower-case hexadecimal SHA-256, 64 characters. */
export type Sha256 = string;

/** The SHA-256 of a text (UTF-8) or of bytes, in hexadecimal. */
export function sha256(data: string | Uint8Array): Sha256 {
  return createHash('sha256').update(data).digest('hex');
}

/** The SHA-256 of a file of any size, in hexadecimal. */
export async function sha256File(path: string): Promise<Sha256> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

/**
 * The name of a temporary file beside `path` that no other process uses. When the file is complete, it is renamed to
 * `path`.
 */
export function temporaryName(path: string): string {
  return `${path}.tmp-${process.pid}-${randomBytes(4).toString('hex')}`;
}

/**
 * Replaces a file atomically. `fill` writes to a temporary name beside it; then follow fsync and rename. `mode` does
 * not depend on the umask.
 */
export async function replaceFile(
  path: string,
  mode: number,
  fill: (temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = temporaryName(path);
  try {
    await fill(temporary);
    const file = await open(temporary, 'r+');
    try {
      await file.chmod(mode);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Writes a file atomically, and makes the folders above it. */
export async function writeAtomic(path: string, data: string | Uint8Array, mode = 0o644): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await replaceFile(path, mode, (temporary) => writeFile(temporary, data, { flag: 'wx', mode: 0o600 }));
}

/** Compares texts by code units. The order is the same on every machine, unlike that of localeCompare. */
export function byteOrder(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** JSON with keys sorted at every depth, so that equal values give equal bytes. */
export function canonicalJson(value: unknown, indent?: number): string {
  return JSON.stringify(
    value,
    (_key, node: unknown) =>
      node !== null && typeof node === 'object' && !Array.isArray(node)
        ? Object.fromEntries(Object.entries(node).sort(([a], [b]) => byteOrder(a, b)))
        : node,
    indent,
  );
}
