import assert from 'node:assert/strict';
import { link, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { HOST, type Roots, readDevice } from './flash-device.ts';
import { type Asked, refusal, usesOf } from './flash-refuse.ts';
import { findTarget } from './flash-target.ts';
import { MiB } from './testing.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'draisine-flash-device-'));
});
after(() => rm(folder, { recursive: true, force: true }));
const own = () => mkdtemp(join(folder, 'own-'));

/** A sysfs and a procfs with a USB stick sdb (8:16) and the given additions. */
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
    // As in sysfs, `device` of a disk leads to its controller.
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
  test('a block device is read from sysfs', async () => {
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
    // A stick needs no serial number, but a wrong one means a wrong disk.
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
    'part of an array',
    () => fakeHost({ 'STICK/sdb/holders/md0/x': '' }),
    /sdb is in use/,
    'sdb is part of md0',
  );
  refuses(
    'the system is on it, through a mapping',
    () => fakeHost({ 'STICK/sdb/sdb1/holders/dm-0/x': '' }, '30 1 254:0 / / rw - ext4 /dev/mapper/x rw\n'),
    /a disk that this system runs from/,
    'dm-0 on sdb1 is mounted on /',
  );
  refuses('a partition', () => fakeHost(), /is a partition/, '/dev/sdb1', '8:17');
  refuses('software: a mapping', () => fakeHost(), /is a software device/, '/dev/dm-0', '254:0');
  refuses('software: a loop device', () => fakeHost(), /is a software device/, '/dev/loop3', '7:3');
  refuses('no medium', () => fakeHost({ 'STICK/sdb/size': '0\n' }), /no medium/, '/dev/sdb');
  refuses('read-only', () => fakeHost({ 'STICK/sdb/ro': '1\n' }), /write-protected/, '/dev/sdb');
  refuses('too small', () => fakeHost({ 'STICK/sdb/size': '2047\n' }), /too small: 1048064/, '/dev/sdb');
  refuses(
    'sectors of 4096 bytes',
    () => fakeHost({ 'STICK/sdb/queue/logical_block_size': '4096\n' }),
    /sectors of 4096 bytes/,
    '/dev/sdb',
  );
  test('sectors of 4096 bytes: the installer is named', () => {
    const stick = { kind: 'disk', size: 2 ** 33, sectorSize: 4096, serials: ['1'], removable: true } as const;
    const device = {
      ...stick,
      name: 'sdb',
      model: 'm',
      transport: 'USB',
      readOnly: false,
      partitions: [],
      numbers: '8:16',
    };
    const asked = { path: '/dev/sdb', imageSize: 1, imageSector: 512, serial: undefined, file: false };
    assert.match(refusal(device, [], asked)?.hint ?? '', /draisine-install/);
  });

  test('a regular file is accepted only with --file and if it is large enough; any other path is refused', async () => {
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
      message: /is not a disk/,
    });
    await assert.rejects(findTarget({ ...asked, path: '/dev/null' }, roots), { exitCode: 2 });
    await assert.rejects(findTarget({ ...asked, path: `${path}x` }, roots), {
      exitCode: 2,
      message: /there is no/,
    });
  });

  test('the image itself, under any name, and a file with several names are never overwritten', async () => {
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
