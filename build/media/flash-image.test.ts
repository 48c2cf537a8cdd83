import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import { fakeTree } from '../../sdk/testing.ts';
import { openImage } from './flash-image.ts';
import { diskImage, MiB, SIZE } from './testing.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'draisine-flash-image-'));
});
after(() => rm(folder, { recursive: true, force: true }));
const own = () => mkdtemp(join(folder, 'own-'));

describe('image', () => {
  const refused = async (data: Buffer | string, message: RegExp): Promise<void> => {
    const path = join(await own(), 'image');
    await writeFile(path, data);
    await assert.rejects(openImage(path, folder, '/nonexistent', new AbortController().signal), (error) => {
      assert.ok(error instanceof Failure);
      assert.equal(error.exitCode, 2);
      assert.match(error.message, message);
      return true;
    });
  };

  test('a web page, a truncated image, an ISO for discs only and a folder are refused', async () => {
    await refused('<!doctype html>', /neither a disk image nor an ISO/);
    await refused('', /neither a disk image nor an ISO/);
    await refused(diskImage().subarray(0, 30 * MiB), /truncated: it has 31457280 bytes/);
    const iso = Buffer.alloc(64 * 1024);
    iso.write('CD001', 32_769, 'latin1');
    await refused(iso, /for optical discs only/);
    for (const path of [folder, join(folder, 'none')])
      await assert.rejects(openImage(path, folder, '', new AbortController().signal), { exitCode: 2 });
  });

  test('disk images and hybrid ISOs are accepted, compressed or not', async () => {
    const where = await own();
    await writeFile(join(where, 'disk.img'), diskImage());
    const { signal } = new AbortController();
    const plain = await openImage(join(where, 'disk.img'), where, '', signal);
    assert.deepEqual([plain.kind, plain.size], ['disk', SIZE]);
    await plain.handle.close();
    const iso = Buffer.alloc(64 * 1024);
    iso.write('CD001', 32_769, 'latin1');
    iso.writeUInt16LE(0xaa55, 510);
    await writeFile(join(where, 'iso'), iso);
    const disc = await openImage(join(where, 'iso'), where, '', signal);
    assert.deepEqual([disc.kind, disc.size], ['iso', 64 * 1024]);
    await disc.handle.close();

    const sdk = await fakeTree(join(where, 'sdk'), {
      zstd: `for out; do :; done; cp '${where}/disk.img' "$out"`,
    });
    await writeFile(join(where, 'packed'), Buffer.from('28b52ffd00', 'hex'));
    const packed = await openImage(join(where, 'packed'), where, sdk, signal);
    assert.deepEqual([packed.kind, packed.size], ['disk', SIZE]);
    await packed.handle.close();
    const damaged = await fakeTree(join(where, 'damaged'), { zstd: 'echo damaged >&2; exit 1' });
    await assert.rejects(openImage(join(where, 'packed'), where, damaged, signal), /damaged/);
  });
});
