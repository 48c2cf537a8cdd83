import { open } from 'node:fs/promises';
import { copySparse } from '../../sdk/lib/sparse.ts';
import { recipe, type Target } from '../graph/target.ts';

const BLOCK = 4096;

/** Offset of the hash tree in a `usrImage`, in bytes. `size`: bytes of the erofs. */
export function hashOffset(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

/** /usr as one file, for ISOs and network boot: the erofs, and behind it the hash tree of dm-verity. */
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
      await file.truncate(start + hashTree.size); // The hash tree may end in zeros, which the copy leaves out.
    } finally {
      await file.close();
    }
  },
});

/**
 * The kernel arguments besides usrhash= for a /usr in a `usrImage`. The device is a link that the initrd makes when it has
 * the file. draisine.usr= names the source of the file (packages/overlays/initrd/usr/lib/draisine/usr).
 */
export function usrImageArguments(size: number): string[] {
  const device = '/dev/disk/draisine/usr';
  return [
    `systemd.verity_usr_data=${device}`,
    `systemd.verity_usr_hash=${device}`,
    `systemd.verity_usr_options=hash-offset=${hashOffset(size)}`,
  ];
}
