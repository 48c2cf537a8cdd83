import { open } from 'node:fs/promises';
import { copySparse } from '../../sdk/lib/sparse.ts';
import { recipe, type Target } from '../graph/target.ts';

const BLOCK = 4096;

/** Where in a `usrImage` the hash tree begins. `size`: bytes of the erofs. */
export function hashOffset(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

/** /usr as one file, for media that are not a disk of our own: the erofs, and behind it the hash tree of dm-verity. */
export const usrImage = recipe<{ usr: Target; hashTree: Target }>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, out }) {
    const { usr, hashTree } = inputs;
    const start = hashOffset(usr.size);
    const file = await open(out, 'wx');
    try {
      await copySparse(usr.path, file);
      await copySparse(hashTree.path, file, { offset: start });
      await file.truncate(start + hashTree.size); // what ends in zeros
    } finally {
      await file.close();
    }
  },
});

/**
 * Kernel arguments besides usrhash= with which dm-verity takes a `usrImage`. The device is a link that the initrd makes
 * when it has the file, by the source that draisine.usr= names (packages/overlays/initrd/usr/lib/draisine/usr).
 */
export function usrImageArguments(size: number): string[] {
  const device = '/dev/disk/draisine/usr';
  return [
    `systemd.verity_usr_data=${device}`,
    `systemd.verity_usr_hash=${device}`,
    `systemd.verity_usr_options=hash-offset=${hashOffset(size)}`,
  ];
}
