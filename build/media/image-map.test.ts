import assert from 'node:assert/strict';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { sha256 } from '../../sdk/lib/files.ts';
import { given, runRecipe } from '../graph/testing-recipe.ts';
import { bmap } from './bmap.ts';
import { mappedRanges, type Range } from './image-map.ts';
import { CLUSTER, DATA_AT, diskImage, ESP, MiB, mib, SIZE, TABLE_AT, TABLE_SIZE } from './testing.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'draisine-image-map-'));
});
after(() => rm(folder, { recursive: true, force: true }));
const own = () => mkdtemp(join(folder, 'own-'));

async function map(image: Buffer): Promise<readonly Range[]> {
  const path = join(await own(), 'image');
  await writeFile(path, image);
  const handle = await open(path, 'r');
  try {
    return await mappedRanges(handle, image.length);
  } finally {
    await handle.close();
  }
}

describe('map of an image', () => {
  test('leaves out free clusters and the space behind an erofs, but no edge of a partition', async () => {
    // Data of the FAT begin a little before MiB 3 of the image; the erofs has 2 MiB.
    assert.ok(DATA_AT > 2 * MiB && DATA_AT < 3 * MiB);
    assert.deepEqual(await map(diskImage()), [mib(0, 3), mib(32, 35), mib(48, 50)]);
  });

  test('writes the zeros of a file, and free clusters that are not zero', async () => {
    const clusterAt = (at: number): number => 2 + Math.floor((at - DATA_AT) / CLUSTER);
    const used = diskImage({ used: [clusterAt(10.5 * MiB)] });
    assert.deepEqual(await map(used), [mib(0, 3), mib(10, 11), mib(32, 35), mib(48, 50)]);
    const dirty = diskImage();
    dirty[20 * MiB + 7] = 1;
    assert.deepEqual(await map(dirty), [mib(0, 3), mib(20, 21), mib(32, 35), mib(48, 50)]);
    // Only one copy of the FAT marks it as used.
    const torn = diskImage();
    torn.writeUInt32LE(1, TABLE_AT + TABLE_SIZE + clusterAt(15.5 * MiB) * 4);
    assert.deepEqual(await map(torn), [mib(0, 3), mib(15, 16), mib(32, 35), mib(48, 50)]);
  });

  test('writes all of a partition that it does not understand', async () => {
    const whole = [mib(0, 50)];
    assert.deepEqual(await map(Buffer.alloc(SIZE)), whole, 'no table');
    const edits: readonly [string, (image: Buffer) => void][] = [
      ['entries overlap', (image) => image.writeBigUInt64LE(BigInt(ESP.offset / 512), 1024 + 128 + 32)],
      ['an entry ends behind the disk', (image) => image.writeBigUInt64LE(999_999n, 1024 + 40)],
      ['the table lies behind the disk', (image) => image.writeBigUInt64LE(999_999n, 512 + 72)],
    ];
    for (const [what, edit] of edits) {
      const image = diskImage();
      edit(image);
      assert.deepEqual(await map(image), whole, what);
    }
    const fat = diskImage();
    fat.writeUInt32LE(1, ESP.offset + 36); // a FAT of one sector, too small for its clusters
    assert.deepEqual(await map(fat), [mib(0, 35), mib(48, 50)]);
    const erofs = diskImage({ erofsBlocks: 1_000_000 });
    assert.deepEqual(await map(erofs), [mib(0, 3), mib(32, 50)]);
  });

  test('has the format of bmaptool, with checksums of itself and of each range', async () => {
    const where = await own();
    const image = diskImage();
    image.fill(7, 40 * MiB, 40 * MiB + 9);
    await writeFile(join(where, 'disk.img'), image);
    const target = bmap('bmap', { disk: await given(join(where, 'disk.img')) });
    const { out } = await runRecipe(target, where);
    const text = await readFile(out, 'utf8');
    const [, own256 = ''] = /<BmapFileChecksum> ([0-9a-f]{64}) </.exec(text) ?? [];
    assert.equal(sha256(text.replace(own256, '0'.repeat(64))), own256);
    assert.match(text, /<ImageSize> 52428800 <\/ImageSize>\n {4}<BlockSize> 4096 </);
    assert.match(text, /<BlocksCount> 12800 <[\s\S]*<MappedBlocksCount> 2304 </);
    const rows = [...text.matchAll(/<Range chksum="(.*)"> (\d+)-(\d+) <\/Range>/g)];
    assert.deepEqual(
      rows.map(([, , first, last]) => [Number(first) / 256, (Number(last) + 1) / 256]),
      [
        [0, 3],
        [32, 35],
        [40, 41],
        [48, 50],
      ],
    );
    for (const [, digest, first, last] of rows)
      assert.equal(sha256(image.subarray(Number(first) * 4096, (Number(last) + 1) * 4096)), digest);
  });
});
