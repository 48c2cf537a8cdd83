import { copyFile, mkdir, open, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { runTool } from '../../sdk/tool.ts';

export interface FatOptions {
  /** Tool tree with dosfstools and mtools. */
  readonly sdk: string;
  readonly out: string;
  /** Bytes. */
  readonly size: number;
  readonly bits: 16 | 32;
  /** Eight hexadecimal digits. */
  readonly volumeId: string;
  readonly label: string;
  /** Folders, each behind its parent. */
  readonly folders: readonly string[];
  /** Files with their paths in the file system. */
  readonly files: readonly (readonly [from: string, to: string])[];
  /** The time of all entries, in seconds since 1970. */
  readonly epoch: number;
  readonly scratch: string;
  readonly signal: AbortSignal;
}

/** Makes a FAT file system in a new file by mkfs.fat --invariant and mtools: no loop device, no root, no clock. */
export async function makeFat(options: FatOptions): Promise<void> {
  const { sdk, out, size, bits, volumeId, label, folders, files, epoch, scratch, signal } = options;
  const image = await open(out, 'wx');
  await image.truncate(size);
  await image.close();
  const env = { SOURCE_DATE_EPOCH: String(epoch), MTOOLS_SKIP_CHECK: '1' };
  const run = async (tool: string, args: readonly string[]) =>
    await runTool(sdk, tool, args, { signal, env, cwd: scratch });
  await run('mkfs.fat', ['--invariant', '-F', `${bits}`, '-S', '512', '-i', volumeId, '-n', label, out]);
  await run('mmd', ['-i', out, ...folders.map((folder) => `::/${folder}`)]);

  const staged = join(scratch, 'staged');
  await mkdir(staged);
  for (const [from, to] of files) {
    // mcopy -m keeps the file's time, so we pass it a copy with the build's time.
    const copy = join(staged, 'file');
    await rm(copy, { force: true }); // a copy of a blob is read-only
    await copyFile(from, copy);
    await utimes(copy, epoch, epoch);
    await run('mcopy', ['-m', '-o', '-i', out, copy, `::/${to}`]);
  }
}
