import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../sdk/lib/errors.ts';
import { type Sha256, sha256 } from '../../sdk/lib/files.ts';
import { readExactly } from '../../sdk/lib/read.ts';
import { runTool } from '../../sdk/tool.ts';
import { recipe, type Target } from '../graph/target.ts';

const BLOCK = 4096;
const SUPERBLOCK = 512;

/**
 * Makes the dm-verity hash tree of `image` in the new file `hashTree`: SHA-256, blocks of 4096 bytes, with the
 * superblock at its beginning (veritysetup(8)). `salt`: hexadecimal. Returns the root hash.
 */
export async function makeVerity(options: {
  readonly image: string;
  readonly hashTree: string;
  readonly salt: string;
  readonly uuid: string;
  /** Tool tree with cryptsetup-bin. */
  readonly sdk: string;
  readonly scratch: string;
  readonly signal?: AbortSignal;
}): Promise<Sha256> {
  const { image, hashTree, salt, uuid, sdk, scratch, signal } = options;
  const told = join(scratch, 'root-hash');
  const settings = [
    '--hash=sha256',
    `--data-block-size=${BLOCK}`,
    `--hash-block-size=${BLOCK}`,
    `--salt=${salt}`,
    `--uuid=${uuid}`,
    `--root-hash-file=${told}`,
  ];
  await runTool(sdk, 'veritysetup', ['format', ...settings, image, hashTree], signal ? { signal } : {});
  const rootHash = (await readFile(told, 'utf8')).trim();
  const derived = await rootHashOf(hashTree);
  if (rootHash !== derived) {
    throw new Failure(`veritysetup printed the root hash ${rootHash}, but its hash tree has ${derived}`, {
      where: image,
    });
  }
  return rootHash;
}

/**
 * The root hash of a hash tree with superblock: the digest of salt and topmost hash block, which follows the
 * superblock (kernel documentation, admin-guide/device-mapper/verity; cryptsetup wiki, DMVerity).
 */
export async function rootHashOf(path: string): Promise<Sha256> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    if (size < 2 * BLOCK) throw new Failure('too short for a verity hash tree', { where: path });
    const superblock = await readExactly(file, 0, SUPERBLOCK);
    const text = (from: number, length: number) =>
      superblock.toString('latin1', from, from + length).replace(/\0+$/, '');
    if (text(0, 8) !== 'verity') throw new Failure('no verity superblock', { where: path });
    const version = superblock.readUInt32LE(8);
    const hashType = superblock.readUInt32LE(12);
    const algorithm = text(32, 32);
    const sizes = [superblock.readUInt32LE(64), superblock.readUInt32LE(68)];
    const saltSize = superblock.readUInt16LE(80);
    if (
      version !== 1 ||
      hashType !== 1 ||
      algorithm !== 'sha256' ||
      sizes.some((each) => each !== BLOCK) ||
      saltSize > 256
    ) {
      throw new Failure(
        'not the kind of verity superblock that Draisine makes (version 1, type 1, sha256, 4096)',
        {
          where: path,
        },
      );
    }
    if (superblock.readBigUInt64LE(72) < 2n)
      throw new Failure('an image of a single block has no hash tree', { where: path });
    const salt = superblock.subarray(88, 88 + saltSize);
    return sha256(Buffer.concat([salt, await readExactly(file, BLOCK, BLOCK)]));
  } finally {
    await file.close();
  }
}

/** Output: the hash tree of `image`, with its superblock. */
export const verity = recipe<{ image: Target; sdk: Target; salt: string; uuid: string }>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, out, scratch, signal }) {
    const { image, sdk, salt, uuid } = inputs;
    await makeVerity({ image: image.path, hashTree: out, salt, uuid, sdk: sdk.path, scratch, signal });
  },
});

/** Output: the root hash of a hash tree, 64 hexadecimal digits and nothing else. */
export const verityRoot = recipe<{ hashTree: Target }>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, out }) {
    await writeFile(out, await rootHashOf(inputs.hashTree.path));
  },
});
