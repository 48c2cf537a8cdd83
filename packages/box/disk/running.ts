import { type Box, mustRun, readTextIfThere } from '../io/box.ts';
import type { RunningUsr, SlotContent } from './model.ts';

const BLOCK = 4096;
/** Hashes in a block, 32 bytes each. */
const HASHES = BLOCK / 32;

/** Blocks of a hash tree with its superblock, for so many blocks of data (the kernel's device-mapper/verity). */
function treeBlocks(dataBlocks: number): number {
  let blocks = 1;
  for (let level = dataBlocks; level > 1; ) {
    level = Math.ceil(level / HASHES);
    blocks += level;
  }
  return blocks;
}

/** A field of the running system's os-release(5); empty if there is none. */
export function osRelease(box: Box, field: string): string {
  const text = readTextIfThere(box, '/usr/lib/os-release') ?? '';
  return new RegExp(`^${field}="?([^"\n]*)"?$`, 'm').exec(text)?.[1] ?? '';
}

/** The running release as content to copy. Reads go through dm-verity, so every copied block is verified. */
export function runningContent(box: Box, running: RunningUsr): SlotContent {
  const blocks = treeBlocks(running.size / BLOCK);
  return {
    version: osRelease(box, 'IMAGE_VERSION'),
    rootHash: running.rootHash,
    usrSize: running.size,
    veritySize: blocks * BLOCK,
    write({ usr, verity }) {
      const dd = (...words: readonly string[]) =>
        mustRun(box, 'cannot copy /usr', ['dd', 'conv=fsync,notrunc,nocreat', 'status=none', ...words]);
      dd('if=/dev/mapper/usr', `of=${usr}`, 'bs=1M');
      // The superblock is before the first block of hashes.
      dd(
        `if=${running.hashDevice}`,
        `of=${verity}`,
        `bs=${BLOCK}`,
        `skip=${running.hashStart - 1}`,
        `count=${blocks}`,
      );
    },
  };
}
