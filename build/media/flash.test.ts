import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { link, mkdir, mkdtemp, open, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import { sha256 } from '../../sdk/lib/files.ts';
import { fakeTree } from '../../sdk/testing.ts';
import { given, runRecipe } from '../graph/testing-recipe.ts';
import { bmap } from './bmap.ts';
import { HOST, type Roots, readDevice } from './flash-device.ts';
import { openImage } from './flash-image.ts';
import { type Asked, refusal, usesOf } from './flash-refuse.ts';
import { findTarget, openTarget, readerOf } from './flash-target.ts';
import { writeImage } from './flash-write.ts';
import { mappedRanges, type Range } from './image-map.ts';

const MiB = 1 << 20;
let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'draisine-flash-'));
});
after(() => rm(folder, { recursive: true, force: true }));
const own = () => mkdtemp(join(folder, 'own-'));

/** MiB from `from` to `to`. */
const mib = (from: number, to: number): Range => ({ offset: from * MiB, length: (to - from) * MiB });

const ESP = mib(1, 33);
const USR = mib(33, 49);
const SIZE = 50 * MiB;
/** Clusters of 4 KiB; the data begin a little behind its first mebibyte. */
const CLUSTER = 4096;
const TABLE_AT = ESP.offset + 64 * 512;
const TABLE_SIZE = 1008 * 512;
const DATA_AT = TABLE_AT + 2 * TABLE_SIZE;

/** A disk image with a FAT32 and an erofs, as far as the map reads them: an empty one but for what is given. */
function diskImage({ used = [] as number[], erofsBlocks = 512 } = {}): Buffer {
  const image = Buffer.alloc(SIZE);
  image.writeUInt16LE(0xaa55, 510);
  image.write('EFI PART', 512, 'latin1');
  image.writeBigUInt64LE(BigInt(SIZE / 512 - 1), 512 + 32);
  image.writeBigUInt64LE(2n, 512 + 72);
  image.writeUInt32LE(128, 512 + 80);
  image.writeUInt32LE(128, 512 + 84);
  for (const [index, { offset, length }] of [ESP, USR].entries()) {
    const at = 1024 + index * 128;
    image.fill(0x11, at, at + 16);
    image.writeBigUInt64LE(BigInt(offset / 512), at + 32);
    image.writeBigUInt64LE(BigInt((offset + length) / 512 - 1), at + 40);
  }
  const boot = image.subarray(ESP.offset);
  boot.writeUInt16LE(512, 11);
  boot.writeUInt8(CLUSTER / 512, 13);
  boot.writeUInt16LE(64, 14);
  boot.writeUInt8(2, 16);
  boot.writeUInt32LE(ESP.length / 512, 32);
  boot.writeUInt32LE(TABLE_SIZE / 512, 36);
  boot.write('FAT32   ', 82, 'latin1');
  boot.writeUInt16LE(0xaa55, 510);
  for (const cluster of used) image.writeUInt32LE(0x0fffffff, TABLE_AT + cluster * 4);
  image.writeUInt32LE(0xe0f5e1e2, USR.offset + 1024);
  image.writeUInt8(12, USR.offset + 1024 + 12);
  image.writeUInt32LE(erofsBlocks, USR.offset + 1024 + 36);
  return image;
}

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
  test('leaves out free clusters and what lies behind an erofs, but no edge of a partition', async () => {
    // Data of the FAT begin a little before MiB 3 of the image; the erofs has 2 MiB.
    assert.ok(DATA_AT > 2 * MiB && DATA_AT < 3 * MiB);
    assert.deepEqual(await map(diskImage()), [mib(0, 3), mib(32, 35), mib(48, 50)]);
  });

  test('writes zeros that a file has, and free clusters that hold something', async () => {
    const clusterAt = (at: number): number => 2 + Math.floor((at - DATA_AT) / CLUSTER);
    const used = diskImage({ used: [clusterAt(10.5 * MiB)] });
    assert.deepEqual(await map(used), [mib(0, 3), mib(10, 11), mib(32, 35), mib(48, 50)]);
    const dirty = diskImage();
    dirty[20 * MiB + 7] = 1;
    assert.deepEqual(await map(dirty), [mib(0, 3), mib(20, 21), mib(32, 35), mib(48, 50)]);
    // Only one copy of the table calls it used.
    const torn = diskImage();
    torn.writeUInt32LE(1, TABLE_AT + TABLE_SIZE + clusterAt(15.5 * MiB) * 4);
    assert.deepEqual(await map(torn), [mib(0, 3), mib(15, 16), mib(32, 35), mib(48, 50)]);
  });

  test('writes all of what it does not understand', async () => {
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

  test('as bmaptool takes it: vouches for itself and for each range', async () => {
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

  test('a web page, a part of an image, an ISO for discs and a folder are refused', async () => {
    await refused('<!doctype html>', /neither a disk image nor an ISO/);
    await refused('', /neither a disk image nor an ISO/);
    await refused(diskImage().subarray(0, 30 * MiB), /cut off: it has 31457280 bytes/);
    const iso = Buffer.alloc(64 * 1024);
    iso.write('CD001', 32_769, 'latin1');
    await refused(iso, /for optical discs only/);
    for (const path of [folder, join(folder, 'none')])
      await assert.rejects(openImage(path, folder, '', new AbortController().signal), { exitCode: 2 });
  });

  test('disk images and hybrid ISOs are taken, compressed or not', async () => {
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

/** A sysfs and a procfs with a USB stick sdb (8:16) and whatever is added. */
async function fakeHost(
  files: Readonly<Record<string, string>> = {},
  mounts = '',
  swaps = '',
): Promise<Roots> {
  const root = await own();
  const put = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text, 'latin1');
  };
  const stick = 'sys/devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0';
  const all: Record<string, string> = {
    'sys/devices/pci0000:00/0000:00:14.0/usb2/2-1/serial': '4C530001\n',
    [`${stick}/vendor`]: 'SanDisk \n',
    [`${stick}/model`]: 'Ultra           \n',
    [`${stick}/block/sdb/dev`]: '8:16\n',
    [`${stick}/block/sdb/size`]: '8388608\n',
    [`${stick}/block/sdb/ro`]: '0\n',
    [`${stick}/block/sdb/removable`]: '0\n',
    [`${stick}/block/sdb/queue/logical_block_size`]: '512\n',
    [`${stick}/block/sdb/sdb1/partition`]: '1\n',
    [`${stick}/block/sdb/sdb1/dev`]: '8:17\n',
    [`${stick}/block/sdb/sdb1/size`]: '2048\n',
    'sys/devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda/size': '8388608\n',
    'sys/devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/vpd_pg80': '\0\u0080\0\u0004WD42',
    'sys/devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/vendor': 'ATA     \n',
    'sys/devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/model': 'WDC Red\n',
    'sys/devices/pci0000:00/0000:00:1a.0/mmc_host/mmc0/mmc0:0001/block/mmcblk0/size': '8388608\n',
    'sys/devices/pci0000:00/0000:00:1a.0/mmc_host/mmc0/mmc0:0001/type': 'MMC\n',
    'sys/devices/pci0000:00/0000:00:1b.0/mmc_host/mmc1/mmc1:0001/block/mmcblk1/size': '8388608\n',
    'sys/devices/pci0000:00/0000:00:1b.0/mmc_host/mmc1/mmc1:0001/type': 'SD\n',
    'sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1/size': '8388608\n',
    'sys/devices/virtual/nvme-subsystem/nvme-subsys0/serial': 'S5P2\n',
    'sys/devices/virtual/block/dm-0/size': '8\n',
    'sys/devices/virtual/block/dm-0/dev': '254:0\n',
    'sys/devices/virtual/block/loop3/size': '8\n',
    'proc/self/mountinfo': `21 1 0:20 / /sys rw - sysfs sysfs rw\n${mounts}`,
    'proc/swaps': `Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n${swaps}`,
  };
  for (const [path, text] of Object.entries({ ...all, ...files }))
    await put(path.replace(/^STICK/, `${stick}/block`), text);
  const numbers: Record<string, string> = {
    '8:16': `${stick}/block/sdb`,
    '8:17': `${stick}/block/sdb/sdb1`,
    '8:0': 'sys/devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda',
    '179:0': 'sys/devices/pci0000:00/0000:00:1a.0/mmc_host/mmc0/mmc0:0001/block/mmcblk0',
    '179:8': 'sys/devices/pci0000:00/0000:00:1b.0/mmc_host/mmc1/mmc1:0001/block/mmcblk1',
    '259:0': 'sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1',
    '254:0': 'sys/devices/virtual/block/dm-0',
    '7:3': 'sys/devices/virtual/block/loop3',
  };
  await mkdir(join(root, 'sys/dev/block'), { recursive: true });
  await mkdir(join(root, 'sys/class/block'), { recursive: true });
  for (const [number, path] of Object.entries(numbers)) {
    await symlink(join(root, path), join(root, 'sys/dev/block', number));
    await symlink(join(root, path), join(root, 'sys/class/block', path.slice(path.lastIndexOf('/') + 1)));
    // As in sysfs: `device` of a disk is what it hangs on.
    if (/\/block\/\w+$/.test(path) && !path.includes('/virtual/'))
      await symlink(join(root, path, '../..'), join(root, path, 'device'));
    if (path.includes('nvme')) await symlink(join(root, path, '..'), join(root, path, 'device'));
  }
  return { sys: join(root, 'sys'), proc: join(root, 'proc'), udev: join(root, 'run') };
}

async function judged(numbers: string, roots: Roots, asked: Partial<Asked> = {}) {
  const device = await readDevice(numbers, roots);
  assert.ok(device);
  const uses = await usesOf(device, roots);
  return refusal(device, uses, {
    path: `/dev/${device.name}`,
    imageSize: 1 * MiB,
    imageSector: 512,
    file: false,
    ...asked,
  });
}

describe('device', () => {
  test('what sysfs says of it', async () => {
    const roots = await fakeHost();
    assert.deepEqual(await readDevice('8:16', roots), {
      name: 'sdb',
      numbers: '8:16',
      kind: 'disk',
      size: 4096 * MiB,
      sectorSize: 512,
      readOnly: false,
      model: 'SanDisk Ultra',
      serials: ['4C530001'],
      transport: 'USB',
      removable: true,
      partitions: [{ name: 'sdb1', numbers: '8:17', size: MiB }],
    });
    const sata = await readDevice('8:0', roots);
    assert.deepEqual(
      [sata?.model, sata?.serials, sata?.transport, sata?.removable],
      ['WDC Red', ['WD42'], 'SATA', false],
    );
    assert.deepEqual((await readDevice('259:0', roots))?.serials, ['S5P2']);
    assert.equal(await readDevice('9:9', roots), undefined);
  });

  test('a stick and an SD card may be erased; a built-in disk only by its serial number', async () => {
    const roots = await fakeHost();
    assert.equal(await judged('8:16', roots), undefined);
    assert.equal(await judged('179:8', roots), undefined);
    for (const [numbers, name] of [
      ['8:0', 'WDC Red, SATA, serial WD42'],
      ['179:0', 'eMMC, no serial number'],
      ['259:0', 'NVMe, serial S5P2'],
    ] as const)
      assert.match((await judged(numbers, roots))?.message ?? '', new RegExp(`built-in disk \\(${name}\\)`));
    assert.equal(await judged('8:0', roots, { serial: 'WD42' }), undefined);
    assert.equal(await judged('259:0', roots, { serial: 'S5P2' }), undefined);
    for (const serial of ['WD4', 'wd42', 'WD422', ''])
      assert.match(
        (await judged('8:0', roots, { serial }))?.message ?? '',
        /not the disk with serial number .*: it has the serial number WD42/,
      );
    // Also where none is asked for, a wrong one is a wrong disk.
    assert.match((await judged('8:16', roots, { serial: 'WD42' }))?.message ?? '', /it has .* 4C530001/);
    assert.match((await judged('179:0', roots, { serial: 'x' }))?.message ?? '', /it has no serial number/);
  });

  const refuses = (name: string, roots: () => Promise<Roots>, message: RegExp, where: string, on = '8:16') =>
    test(name, async () => {
      // Not even with its serial number.
      for (const serial of [undefined, '4C530001']) {
        const failure = await judged(on, await roots(), on === '8:16' ? { serial } : {});
        assert.equal(failure?.exitCode, 2);
        assert.match(failure?.message ?? '', message);
        assert.equal(failure?.where, where);
      }
    });

  refuses(
    'mounted: a partition of it',
    () => fakeHost({}, '30 1 8:17 / /media/my\\040stick rw - vfat /dev/sdb1 rw\n'),
    /sdb is in use/,
    'sdb1 is mounted on /media/my stick',
  );
  refuses(
    'mounted: the disk itself, by a file system with device numbers of its own',
    () => fakeHost({}, '30 1 0:47 / /mnt rw - btrfs /dev/sdb rw\n'),
    /sdb is in use/,
    'sdb is mounted on /mnt',
  );
  refuses('swap', () => fakeHost({}, '', '/dev/sdb1 partition 1 0 -2\n'), /sdb is in use/, 'sdb1 is swap');
  refuses(
    'a part of something',
    () => fakeHost({ 'STICK/sdb/holders/md0/x': '' }),
    /sdb is in use/,
    'sdb is a part of md0',
  );
  refuses(
    'the system is on it, through a mapping',
    () => fakeHost({ 'STICK/sdb/sdb1/holders/dm-0/x': '' }, '30 1 254:0 / / rw - ext4 /dev/mapper/x rw\n'),
    /a disk that this system runs from/,
    'dm-0 on sdb1 is mounted on /',
  );
  refuses('a partition', () => fakeHost(), /is a partition/, '/dev/sdb1', '8:17');
  refuses('software: a mapping', () => fakeHost(), /something made by software/, '/dev/dm-0', '254:0');
  refuses('software: a loop device', () => fakeHost(), /something made by software/, '/dev/loop3', '7:3');
  refuses('no medium', () => fakeHost({ 'STICK/sdb/size': '0\n' }), /no medium/, '/dev/sdb');
  refuses('read-only', () => fakeHost({ 'STICK/sdb/ro': '1\n' }), /write-protected/, '/dev/sdb');
  refuses('too small', () => fakeHost({ 'STICK/sdb/size': '2047\n' }), /too small: 1048064/, '/dev/sdb');
  refuses(
    'sectors of 4096 bytes',
    () => fakeHost({ 'STICK/sdb/queue/logical_block_size': '4096\n' }),
    /sectors of 4096 bytes/,
    '/dev/sdb',
  );

  test('a regular file only when told, and when it is large enough; nothing else', async () => {
    const roots = await fakeHost();
    const path = join(await own(), 'file');
    await writeFile(path, Buffer.alloc(100));
    const asked = { path, imageSize: 100, file: true };
    assert.deepEqual(await findTarget(asked, roots), { path, size: 100, device: undefined });
    await assert.rejects(findTarget({ ...asked, file: false }, roots), {
      exitCode: 2,
      message: /regular file/,
    });
    await assert.rejects(findTarget({ ...asked, imageSize: 101 }, roots), {
      exitCode: 2,
      message: /too small/,
    });
    await assert.rejects(findTarget({ ...asked, path: folder }, roots), {
      exitCode: 2,
      message: /is no disk/,
    });
    await assert.rejects(findTarget({ ...asked, path: '/dev/null' }, roots), { exitCode: 2 });
    await assert.rejects(findTarget({ ...asked, path: `${path}x` }, roots), {
      exitCode: 2,
      message: /there is no/,
    });
  });

  test('neither the image itself, by whatever name, nor a file that has other names, is written over', async () => {
    const where = await own();
    const [image, alias, target] = ['image', 'alias', 'target'].map((name) => join(where, name));
    assert.ok(image && alias && target);
    await writeFile(image, Buffer.alloc(100));
    await symlink(image, alias);
    await writeFile(target, Buffer.alloc(100));
    const asked = { path: target, image, imageSize: 100, file: true };
    assert.equal((await findTarget(asked, HOST)).path, target);
    for (const path of [image, alias])
      await assert.rejects(findTarget({ ...asked, path }, HOST), {
        exitCode: 2,
        message: /is the image itself/,
      });
    await link(target, join(where, 'other'));
    await assert.rejects(findTarget(asked, HOST), { exitCode: 2, message: /2 hard links/ });
  });
});

describe('writing', () => {
  /** A medium with old data, an image with a hole in its map, and what to do while it is written. */
  async function writing(
    size: number,
    options: {
      readBack?: (data: Buffer, range: Range) => Buffer;
      at?: (done: number, abort: () => void) => void;
    } = {},
  ) {
    const where = await own();
    const image = randomBytes(12 * MiB);
    const old = Buffer.alloc(size, 0xee);
    await writeFile(join(where, 'image'), image);
    await writeFile(join(where, 'medium'), old);
    const source = await open(join(where, 'image'), 'r');
    const target = await open(join(where, 'medium'), 'r+');
    const controller = new AbortController();
    const stages: string[] = [];
    try {
      const written = await writeImage({
        image: source,
        imageSize: image.length,
        ranges: [mib(0, 6), mib(8, 12)],
        target,
        targetSize: size,
        readBack: async (range) => {
          const data = Buffer.alloc(range.length);
          await target.read(data, 0, range.length, range.offset);
          return options.readBack?.(data, range) ?? data;
        },
        signal: controller.signal,
        onProgress: (stage, done, total) => {
          stages.push(`${stage} ${done / MiB} ${total / MiB}`);
          if (stage === 'writing') options.at?.(done, () => controller.abort());
        },
      }).then(
        (bytes) => ({ bytes }),
        (error: unknown) => ({ error }),
      );
      return { ...written, image, stages, medium: await readFile(join(where, 'medium')) };
    } finally {
      await source.close();
      await target.close();
    }
  }
  const only = (data: Buffer, byte: number): boolean => data.every((each) => each === byte);

  test('what is mapped is there, what is not is left, the end of the medium is wiped, the head comes last', async () => {
    const result = await writing(20 * MiB);
    assert.ok('bytes' in result);
    const { bytes, image, medium, stages } = result;
    assert.equal(bytes, 11 * MiB);
    for (const [from, to] of [
      [0, 6],
      [8, 12],
    ] as const)
      assert.ok(medium.subarray(from * MiB, to * MiB).equals(image.subarray(from * MiB, to * MiB)));
    assert.ok(only(medium.subarray(6 * MiB, 8 * MiB), 0xee));
    assert.ok(only(medium.subarray(12 * MiB, 19 * MiB), 0xee));
    assert.ok(only(medium.subarray(19 * MiB), 0));
    assert.deepEqual(stages.slice(0, 1), ['writing 1 11']);
    assert.deepEqual(stages.slice(-3), ['verifying 10 11', 'writing 11 11', 'verifying 11 11']);
  });

  test('a medium as large as the image, or a little larger', async () => {
    for (const size of [12 * MiB, 12 * MiB + 512, 13 * MiB - 512]) {
      const result = await writing(size);
      assert.ok('bytes' in result);
      assert.ok(result.medium.subarray(8 * MiB, 12 * MiB).equals(result.image.subarray(8 * MiB)));
      assert.ok(only(result.medium.subarray(12 * MiB), 0));
    }
  });

  test('stopped half-way, nothing of a partition table is on it', async () => {
    for (const stopAt of [1, 5, 10]) {
      const result = await writing(20 * MiB, {
        at: (done, abort) => {
          if (done === stopAt * MiB) abort();
        },
      });
      assert.ok('error' in result, `${stopAt}`);
      assert.equal((result.error as Error).name, 'AbortError');
      assert.ok(only(result.medium.subarray(0, MiB), 0));
      assert.ok(only(result.medium.subarray(19 * MiB), 0));
    }
  });

  test('a medium that does not keep what it is given is told, and nothing boots from it', async () => {
    const result = await writing(20 * MiB, {
      readBack: (data, { offset }) => {
        if (offset === 8 * MiB) data[17] = (data[17] ?? 0) ^ 1;
        return data;
      },
    });
    assert.ok('error' in result && result.error instanceof Failure);
    assert.match(result.error.message, /does not hold what was written to it, at byte 8388608/);
    assert.ok(only(result.medium.subarray(0, MiB), 0));
    const short = await writing(20 * MiB, { readBack: (data) => data.subarray(1) });
    assert.ok('error' in short && short.error instanceof Failure);
  });

  test('a medium that takes no more', async () => {
    const full = await open('/dev/full', 'r+');
    const image = await open('/dev/zero', 'r');
    try {
      await assert.rejects(
        writeImage({
          image,
          imageSize: MiB,
          ranges: [mib(0, 1)],
          target: full,
          targetSize: 2 * MiB,
          readBack: async () => Buffer.alloc(0),
          signal: new AbortController().signal,
          onProgress: () => {},
        }),
        /cannot write to the medium at byte 0 \(ENOSPC\)/,
      );
    } finally {
      await full.close();
      await image.close();
    }
  });
});

/** A loop device on `path`, or why there can be none. */
function loopDevice(path: string): { device: string } | { why: string } {
  if (process.getuid?.() !== 0) return { why: 'loop devices need root' };
  try {
    return {
      device: execFileSync('losetup', ['--find', '--show', path], { stdio: 'pipe' }).toString().trim(),
    };
  } catch (error) {
    return {
      why: `losetup does not work here: ${(error as Error).message.split('\n').slice(0, 2).join(' ')}`,
    };
  }
}

test('a block device: opened for us alone, read back past the page cache', async (t) => {
  const where = await own();
  const file = join(where, 'medium');
  await writeFile(file, randomBytes(60 * MiB));
  const loop = loopDevice(file);
  if ('why' in loop) return t.skip(loop.why);
  const { device } = loop;
  try {
    const roots: Roots = { sys: '/sys', proc: '/proc', udev: '/run/udev/data' };
    const asked = { path: device, imageSize: SIZE, imageSector: 512, file: true };
    await assert.rejects(findTarget({ ...asked, file: false }, roots), /made by software/);
    await assert.rejects(findTarget({ ...asked, imageSize: 61 * MiB }, roots), /too small/);
    const target = await findTarget(asked, roots);
    assert.equal(target.size, 60 * MiB);
    const sdk = await fakeTree(join(where, 'sdk'), { dd: 'PATH=/usr/bin:/bin; exec dd "$@"' });
    const image = diskImage();
    randomBytes(MiB).copy(image, 34 * MiB);
    await writeFile(join(where, 'image'), image);
    const source = await open(join(where, 'image'), 'r');
    const handle = await openTarget(target);
    try {
      await assert.rejects(openTarget(target), { exitCode: 2, message: /is in use/ });
      const ranges = await mappedRanges(source, SIZE);
      await writeImage({
        image: source,
        imageSize: SIZE,
        ranges,
        target: handle,
        targetSize: target.size,
        readBack: readerOf(target, sdk),
        signal: new AbortController().signal,
        onProgress: () => {},
      });
      const medium = await readFile(file);
      for (const { offset, length } of ranges) {
        const digest = (data: Buffer): string =>
          createHash('sha256')
            .update(data.subarray(offset, offset + length))
            .digest('hex');
        assert.equal(digest(medium), digest(image));
      }
    } finally {
      await handle.close();
      await source.close();
    }
  } finally {
    execFileSync('losetup', ['--detach', device]);
    await truncate(file, 0);
  }
});
