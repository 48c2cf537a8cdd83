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
    // QEMU's command line names the whole chain of files. The backing file in the header is only for people with
    // qemu-img, and may be out of date, because every checkout with the artifact uses the snapshot. So -u: qemu-img
    // does not open that file.
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

/** Makes a blank disk of `size` MiB. It takes only the room of written data. */
export async function createBlank(emulator: Emulator, path: string, size: number): Promise<DiskFile> {
  await runCommand(emulator.img(['create', '-q', '-f', 'qcow2', path, `${size}M`]), 'qemu-img');
  return { path, format: 'qcow2' };
}
