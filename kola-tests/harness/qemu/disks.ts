import { runCommand } from '../../../sdk/tool.ts';
import type { DiskFile } from './devices.ts';
import type { Emulator } from './emulator.ts';

/** Makes an empty qcow2 of `size` MiB over `backing`, which is never written to. */
export async function createOverlay(
  emulator: Emulator,
  path: string,
  backing: DiskFile,
  size: number,
): Promise<DiskFile> {
  await runCommand(
    // The chain is spelled out on QEMU's command line; what the header says is for people with qemu-img, and may be out
    // of date: a snapshot serves every checkout that has the artifact. Hence -u, which does not open it.
    emulator.img([
      'create',
      '-q',
      '-u',
      '-f',
      'qcow2',
      '-b',
      backing.path,
      '-F',
      backing.format,
      path,
      `${size}M`,
    ]),
    'qemu-img',
  );
  return { path, format: 'qcow2', backing };
}

/** Makes a blank disk of `size` MiB that takes only as much room as is written. */
export async function createBlank(emulator: Emulator, path: string, size: number): Promise<DiskFile> {
  await runCommand(emulator.img(['create', '-q', '-f', 'qcow2', path, `${size}M`]), 'qemu-img');
  return { path, format: 'qcow2' };
}
