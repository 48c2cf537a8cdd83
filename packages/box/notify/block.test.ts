import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BoxError } from '../io/box.ts';
import { FakeBox } from '../io/fake.ts';
import { arrayConditions, readOnlyConditions, recordedErrors } from './block.ts';

const texts = (conditions: readonly { readonly text: string }[]) => conditions.map(({ text }) => text);

test('an array without one of its disks, or one that does not run, is a problem', () => {
  const box = new FakeBox();
  assert.deepEqual(arrayConditions(box), []);
  const array = (name: string, state: string, degraded?: string) =>
    box.put({
      [`/sys/block/${name}/md/array_state`]: `${state}\n`,
      ...(degraded === undefined ? {} : { [`/sys/block/${name}/md/degraded`]: degraded }),
    });
  box.put({ '/sys/block/sda/size': '5' });
  array('md0', 'clean', '0\n');
  array('md1', 'active'); // striped
  array('md2', 'clear');
  assert.deepEqual(arrayConditions(box), []);
  array('md126', 'active', '1\n');
  array('md127', 'inactive', '2\n');
  const [less, off] = texts(arrayConditions(box));
  assert.match(less ?? '', /^array md126 lacks 1 of its disks: mdadm --detail \/dev\/md126$/);
  assert.match(off ?? '', /^array md127 does not run: mdadm --detail \/dev\/md127$/);
});

test('an array tells which disk has failed, also when a spare has replaced it, and what a check has found', () => {
  const box = new FakeBox();
  const array = (level: string, degraded: string, differs: string) =>
    box.put({
      '/sys/block/md5/md/array_state': 'clean\n',
      '/sys/block/md5/md/level': `${level}\n`,
      '/sys/block/md5/md/degraded': `${degraded}\n`,
      '/sys/block/md5/md/mismatch_cnt': `${differs}\n`,
      '/sys/block/md5/md/dev-sda/state': 'in_sync\n',
      '/sys/block/md5/md/dev-sdb/state': 'faulty\n',
    });
  const names = () => arrayConditions(box).map(({ name, severity }) => `${severity} ${name}`);
  array('raid5', '1', '0');
  assert.deepEqual(names(), ['error array md5']);
  array('raid5', '0', '128');
  assert.deepEqual(names(), ['warning array md5', 'error differences md5']);
  assert.match(texts(arrayConditions(box))[0] ?? '', /^array md5 has failed disks: sdb: mdadm/);
  assert.match(texts(arrayConditions(box))[1] ?? '', /^array md5: its last check found 128 sectors/);
  array('raid1', '0', '128');
  assert.deepEqual(names(), ['warning array md5'], 'mirrors of swap and of files in use differ');
});

test('file systems that the kernel made read-only are a problem, those of read-only mounts are not', () => {
  // From a real kernel: sysfs, /usr, and ext4 whose error was made by /sys/fs/ext4/loop0/trigger_fs_error.
  const mounted = (...lines: string[]) =>
    texts(
      readOnlyConditions(
        new FakeBox().put({
          '/proc/self/mountinfo': ['23 27 0:22 / /sys rw,relatime - sysfs sysfs rw', ...lines, ''].join('\n'),
        }),
      ),
    ).map((text) => text.split(' is read-only')[0]);
  const state = (mount: string, options: string) => `27 1 254:6 / / ${mount} - ext4 /dev/vda6 ${options}`;
  assert.deepEqual(mounted(state('rw,relatime shared:1', 'rw,errors=remount-ro')), []);
  assert.deepEqual(mounted(state('rw,relatime', 'ro,errors=remount-ro')), ['the state partition']);
  assert.deepEqual(mounted(state('rw,relatime', 'rw,emergency_ro')), ['the state partition']);
  assert.deepEqual(mounted(state('ro,relatime', 'ro')), ['the state partition']);
  assert.deepEqual(
    mounted(
      '30 27 0:30 / /usr rw - erofs /dev/mapper/usr ro',
      '42 27 7:0 / /srv/my\\040data rw,relatime shared:4 master:2 - ext4 /dev/sdb1 rw,errors=remount-ro,emergency_ro',
      '43 27 7:0 /x /home/x rw,relatime - ext4 /dev/sdb1 rw,errors=remount-ro,emergency_ro',
      '44 27 7:1 / /srv/archive ro,relatime - ext4 /dev/sdc1 ro',
      '45 27 0:43 / /srv/b rw,relatime - btrfs /dev/sdd ro,subvolid=5,subvol=/',
      '46 27 0:43 / /srv/c ro,relatime - btrfs /dev/sde rw',
    ),
    ['/srv/my data', '/srv/b'],
  );
});

test('xfs that has stopped does not answer', () => {
  const line = '90 27 7:0 / /srv/x rw,relatime - xfs /dev/sdb1 rw,inode64,noquota';
  const box = new FakeBox().put({ '/proc/self/mountinfo': `${line}\n`, '/srv/x/file': '' });
  assert.deepEqual(texts(readOnlyConditions(box)), []);
  const stat = box.stat.bind(box);
  box.stat = (path) => {
    if (path === '/srv/x') throw new BoxError('cannot look at a file: Input/output error', { code: 'EIO' });
    return stat(path);
  };
  assert.match(texts(readOnlyConditions(box)).join(), /^\/srv\/x cannot be read after an error of its disk/);
});

test('errors that ext4 and btrfs have recorded are a problem', () => {
  const box = new FakeBox();
  assert.deepEqual(recordedErrors(box), []);
  const stats = (errors: number) => `write_errs 0\nread_errs 0\nflush_errs 0\ncorruption_errs ${errors}\n`;
  box.put({
    '/sys/fs/ext4/features/casefold': 'supported\n',
    '/sys/fs/ext4/vda6/errors_count': '0\n',
    '/sys/fs/ext4/md127/errors_count': '3\n',
    '/sys/fs/btrfs/features/raid56': '0\n',
    '/sys/fs/btrfs/7e56/devinfo/1/error_stats': stats(0),
    '/sys/fs/btrfs/7e56/devinfo/1/missing': '0\n',
    '/sys/fs/btrfs/7e56/devinfo/2/error_stats': stats(4),
    '/sys/fs/btrfs/7e56/devinfo/3/missing': '1\n',
  });
  assert.deepEqual(
    texts(recordedErrors(box)).map((text) => text.replace(/(errors|missing).*/, '$1')),
    [
      'the ext4 file system of /dev/md127 has had 3 errors',
      'the btrfs file system 7e56: its disk 2 has had 4 errors',
      'the btrfs file system 7e56: its disk 3 is missing',
    ],
  );
});
