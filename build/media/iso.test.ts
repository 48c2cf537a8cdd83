import assert from 'node:assert/strict';
import { chmod, mkdtemp, open, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import { hashOffset, usrImage, usrImageArguments } from '../fs/usr-image.ts';
import { given, runRecipe } from '../graph/testing-recipe.ts';
import { sdkTree } from '../image/sdk.ts';
import { biosNotice } from './bios-notice.ts';
import { iso, isoLabel } from './iso.ts';
import { CONFIG_AREA, configArea, findConfigArea } from './iso-config.ts';
import { isoEsp } from './iso-esp.ts';

const SECTOR = 2048;
let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'draisine-iso-'));
});
after(() => rm(folder, { recursive: true, force: true }));

const own = () => mkdtemp(join(folder, 'own-'));
async function put(where: string, name: string, content: string | Buffer): Promise<string> {
  await writeFile(join(where, name), content);
  return join(where, name);
}

describe('iso', () => {
  const hash = 'ab'.repeat(32);
  /** Builds an ISO of small parts. The files of the parts have the given time and mode. */
  async function build(time: number, mode: number): Promise<string> {
    const where = await own();
    const usr = await put(where, 'usr', Buffer.alloc(100_000, 'usr'));
    const esp = await put(where, 'esp', Buffer.alloc(1 << 20, 'esp'));
    for (const path of [usr, esp]) {
      await utimes(path, time, time);
      await chmod(path, mode);
    }
    const target = iso('iso', {
      sdk: await given(await sdkTree('sdk-image')),
      esp: await given(esp),
      usrImage: await given(usr),
      rootHash: await given(await put(where, 'hash', hash)),
      diskUuid: '01234567-89ab-4cde-8f01-23456789abcd',
      epoch: 1_700_000_000,
    });
    return (await runRecipe(target, where)).out;
  }

  test('has the same bytes for any time and mode of its parts; MBR, volume and area are in their places', async () => {
    const path = await build(1_000_000_000, 0o644);
    const bytes = await readFile(path);
    assert.ok(bytes.equals(await readFile(await build(1_600_000_000, 0o444))));

    assert.deepEqual(bytes.subarray(0, 440), biosNotice().subarray(0, 440));
    assert.equal(bytes.toString('latin1', 512, 520), 'EFI PART');
    assert.equal(bytes.toString('latin1', 16 * SECTOR + 40, 16 * SECTOR + 72).trimEnd(), isoLabel(hash));
    const file = await open(path);
    try {
      const offset = await findConfigArea(file, path);
      assert.ok(bytes.subarray(offset, offset + CONFIG_AREA).equals(configArea('', '')));
    } finally {
      await file.close();
    }
  });
});

test('an image without a profile for diskless boots is refused before anything is made', async () => {
  const where = await own();
  const empty = await given(await put(where, 'empty', ''));
  const target = isoEsp('iso-esp', {
    ...{ sdk: empty, uki: empty, rootHash: empty, usr: empty },
    ...{ ukiName: 'a.efi', title: 'A', cmdline: [], menuSeconds: 0, volumeId: '01234567', epoch: 0 },
    profiles: [{ id: 'disk', title: 'state on this disk', cmdline: ['root=/dev/disk/draisine/state'] }],
  });
  await assert.rejects(runRecipe(target, where), (error) => {
    assert.ok(error instanceof Failure);
    assert.equal(error.exitCode, 2);
    assert.match(error.message, /every profile needs a disk/);
    assert.equal(error.where, 'profiles of the image');
    return true;
  });
});

test('the volume label comes from the root hash, and ISO 9660 allows it', () => {
  assert.equal(isoLabel(`0123456789abcdef${'0'.repeat(48)}`), 'DRAISINE_0123456789ABCDEF');
  assert.match(isoLabel('f'.repeat(64)), /^[A-Z0-9_]{1,32}$/);
});

test('the code for a BIOS ends before the partition table, and the sector has the boot signature', () => {
  const sector = biosNotice();
  assert.equal(sector.length, 512);
  assert.equal(sector.readUInt16LE(510), 0xaa55);
  assert.ok(sector.subarray(440, 510).every((byte) => byte === 0));
  // `add si` leads from the instruction after the call to the message.
  assert.match(sector.toString('latin1', 0x0d + (sector[0x10] ?? 0)), /^This machine must boot in UEFI mode/);
});

describe('usrImage', () => {
  test("is the erofs, padded to blocks, and the hash tree; the kernel arguments give the hash tree's offset", async () => {
    for (const [size, offset] of [
      [4096, 4096],
      [4097, 8192],
      [3 << 20, 3 << 20],
    ] as const) {
      const where = await own();
      const usr = Buffer.alloc(size, 'u');
      const hashTree = Buffer.concat([Buffer.alloc(8192, 'h'), Buffer.alloc(4096)]);
      const target = usrImage('usr', {
        usr: await given(await put(where, 'usr', usr)),
        hashTree: await given(await put(where, 'hash', hashTree)),
      });
      const bytes = await readFile((await runRecipe(target, where)).out);
      assert.equal(hashOffset(size), offset);
      assert.ok(bytes.equals(Buffer.concat([usr, Buffer.alloc(offset - size), hashTree])));
      assert.ok(usrImageArguments(size).includes(`systemd.verity_usr_options=hash-offset=${offset}`));
    }
  });
});

describe('findConfigArea', () => {
  const AREA = 20;
  /** A directory record (ECMA-119, 9.1). */
  function record(name: string, sector: number, size: number): Buffer {
    const bytes = Buffer.alloc(34 + name.length + (name.length % 2 === 0 ? 0 : -1) + 1);
    bytes[0] = bytes.length;
    bytes.writeUInt32LE(sector, 2);
    bytes.writeUInt32LE(size, 10);
    bytes[32] = name.length;
    bytes.write(name, 33, 'latin1');
    return bytes;
  }
  /** An image with the structures that the search reads, changed by `change`. */
  async function image(change: (bytes: Buffer) => Buffer | undefined = () => undefined): Promise<string> {
    const bytes = Buffer.alloc(AREA * SECTOR + CONFIG_AREA);
    const descriptor = bytes.subarray(16 * SECTOR, 17 * SECTOR);
    descriptor.write('\x01CD001\x01', 0, 'latin1');
    descriptor.write('DRAISINE'.padEnd(128), 574, 'latin1');
    record('\0', 18, 2 * SECTOR).copy(descriptor, 156);
    // Two sectors; the record of the file is in the second one, because records never cross the border.
    Buffer.concat([record('\0', 18, SECTOR), record('BOOT', 30, SECTOR)]).copy(bytes, 18 * SECTOR);
    record('IGNITION.IGN;1', AREA, CONFIG_AREA).copy(bytes, 19 * SECTOR);
    return await put(await own(), 'image.iso', change(bytes) ?? bytes);
  }
  async function find(path: string): Promise<number> {
    const file = await open(path);
    try {
      return await findConfigArea(file, path);
    } finally {
      await file.close();
    }
  }

  test('finds it', async () => {
    assert.equal(await find(await image()), AREA * SECTOR);
  });

  const root = 18 * SECTOR;
  const hostile: Record<string, [(bytes: Buffer) => Buffer | undefined, RegExp]> = {
    'an empty file': [() => Buffer.alloc(0), /cut off/],
    'a short file': [(bytes) => bytes.subarray(0, 17 * SECTOR - 1), /cut off/],
    zeros: [(bytes) => void bytes.fill(0), /no ISO 9660/],
    'another volume': [
      (bytes) => void bytes.write('DEBIAN\x1b[2J', 16 * SECTOR + 574),
      /called 'DEBIAN\?\[2J/,
    ],
    'a root directory of size 0': [
      (bytes) => void bytes.writeUInt32LE(0, 16 * SECTOR + 166),
      /root directory/,
    ],
    'a root directory of 4 GiB': [
      (bytes) => void bytes.writeUInt32LE(0xffffffff, 16 * SECTOR + 166),
      /root directory/,
    ],
    'a root directory beyond the end': [
      (bytes) => void bytes.writeUInt32LE(0xffffffff, 16 * SECTOR + 158),
      /cut off/,
    ],
    'a record of one byte': [(bytes) => void bytes.fill(1, root, root + SECTOR), /root directory/],
    'a record across the end': [
      (bytes) => void bytes.writeUInt32LE(SECTOR + 20, 16 * SECTOR + 166),
      /root directory/,
    ],
    'a name longer than its record': [(bytes) => void bytes.writeUInt8(200, root + 32), /root directory/],
    'no area': [(bytes) => void bytes.fill(0, root + SECTOR, root + 2 * SECTOR), /no area/],
    'an area of another size': [
      (bytes) => void bytes.writeUInt32LE(CONFIG_AREA * 2, root + SECTOR + 10),
      /area for a config is damaged/,
    ],
    'an area over the descriptor': [
      (bytes) => void bytes.writeUInt32LE(16, root + SECTOR + 2),
      /area for a config is damaged/,
    ],
    'an area beyond the end': [
      (bytes) => void bytes.writeUInt32LE(AREA + 1, root + SECTOR + 2),
      /area for a config is damaged/,
    ],
    'a truncated area': [(bytes) => bytes.subarray(0, -1), /area for a config is damaged/],
  };
  for (const [what, [change, reason]] of Object.entries(hostile)) {
    test(`${what} is refused`, async () => {
      await assert.rejects(find(await image(change)), (error) => {
        assert.ok(error instanceof Failure);
        assert.equal(error.exitCode, 2);
        assert.match(error.message, /^not an ISO image of Draisine: /);
        assert.match(error.message, reason);
        return true;
      });
    });
  }
});

test('a config fills its area up to the last byte, and no further', () => {
  assert.equal(configArea('x'.repeat(CONFIG_AREA), '').toString(), 'x'.repeat(CONFIG_AREA));
  assert.throws(
    () => configArea(`${'x'.repeat(CONFIG_AREA)}y`, 'my.ign'),
    /262145 bytes, .* room for 262144/,
  );
  assert.throws(() => configArea('ü'.repeat(CONFIG_AREA / 2 + 1), 'my.ign'), /room for/);
});
