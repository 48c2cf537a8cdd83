import { open, writeFile } from 'node:fs/promises';
import { Failure } from '../../sdk/lib/errors.ts';
import { type Sha256, sha256 } from '../../sdk/lib/files.ts';
import { recipe, type Target } from '../graph/target.ts';
import { hashRange, mappedRanges, type Range } from './image-map.ts';

const BLOCK = 4096;

/** The block map of a disk image for bmaptool(1): the ranges that must be written, with a digest of each. */
export const bmap = recipe<{ disk: Target }>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, out }) {
    const { path, size } = inputs.disk;
    if (size % BLOCK !== 0)
      throw new Failure(`the image has ${size} bytes, not a multiple of ${BLOCK}`, { where: path });
    const image = await open(path, 'r');
    try {
      const ranges: (Range & { sha256: Sha256 })[] = [];
      for (const range of await mappedRanges(image, size))
        ranges.push({ ...range, sha256: await hashRange(image, range) });
      await writeFile(out, bmapText(size, ranges));
    } finally {
      await image.close();
    }
  },
});

/**
 * The text of a block map, version 2.0 (bmaptool's bmaptools/BmapCreate.py). It contains a digest of the whole text, made
 * with zeros in the digest's place.
 */
function bmapText(size: number, ranges: readonly (Range & { readonly sha256: Sha256 })[]): string {
  const blocks = (bytes: number): number => bytes / BLOCK;
  const mapped = ranges.reduce((sum, { length }) => sum + blocks(length), 0);
  const none = '0'.repeat(64);
  const rows = ranges.map(({ offset, length, sha256: digest }) => {
    const first = blocks(offset);
    const last = blocks(offset + length) - 1;
    return `        <Range chksum="${digest}"> ${first === last ? first : `${first}-${last}`} </Range>`;
  });
  const text = [
    '<?xml version="1.0" ?>',
    '<bmap version="2.0">',
    `    <ImageSize> ${size} </ImageSize>`,
    `    <BlockSize> ${BLOCK} </BlockSize>`,
    `    <BlocksCount> ${blocks(size)} </BlocksCount>`,
    `    <MappedBlocksCount> ${mapped} </MappedBlocksCount>`,
    '    <ChecksumType> sha256 </ChecksumType>',
    `    <BmapFileChecksum> ${none} </BmapFileChecksum>`,
    '    <BlockMap>',
    ...rows,
    '    </BlockMap>',
    '</bmap>',
    '',
  ].join('\n');
  return text.replace(none, sha256(text));
}
