import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ifThere } from '../../../sdk/lib/errors.ts';
import { byteOrder } from '../../../sdk/lib/files.ts';
import { startTimeOf } from '../qemu/rundir.ts';

/**
 * Removes the least recently used snapshots until the others take at most `cap` bytes, and incomplete snapshots of
 * killed runs. Running forks are not affected, because they have the files open.
 */
export async function makeRoom(root: string, cap: number): Promise<void> {
  for (const name of await readdir(root)) {
    const maker = /\.tmp-(\d+)-/.exec(name)?.[1];
    if (maker !== undefined && startTimeOf(Number(maker)) === undefined)
      await rm(join(root, name), { recursive: true, force: true });
  }
  const found = await Promise.all(
    (await readdir(root)).sort(byteOrder).map((name) => look(join(root, name))),
  );
  const all = found.filter((snapshot) => snapshot !== undefined);
  let total = all.reduce((sum, { size }) => sum + size, 0);
  for (const { path, size } of all.sort((a, b) => a.used - b.used)) {
    if (total <= cap) return;
    await rm(path, { recursive: true, force: true });
    total -= size;
  }
}

/** Undefined if it disappeared meanwhile: another run may publish a snapshot, or make room as well. */
async function look(path: string): Promise<{ path: string; used: number; size: number } | undefined> {
  const entry = async () => ({ path, used: (await stat(path)).mtimeMs, size: await sizeOf(path) });
  return await ifThere(entry());
}

async function sizeOf(dir: string): Promise<number> {
  const sizes = await Promise.all(
    (await readdir(dir)).map(async (name) => (await stat(join(dir, name))).blocks * 512),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
