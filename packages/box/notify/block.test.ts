import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeBox } from '../io/fake.ts';
import { arrayConditions, readOnlyConditions } from './block.ts';

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

test('a state partition that became read-only is a problem', () => {
  const mounted = (options: string) => {
    const others = 'sysfs /sys sysfs rw 0 0\n/dev/mapper/usr /usr erofs ro,relatime 0 0\n';
    const box = new FakeBox();
    box.put({
      '/proc/self/mounts': `${others}/dev/vda6 / ext4 ${options} 0 0\n/dev/sr0 /cd iso9660 ro 0 0\n`,
    });
    return texts(readOnlyConditions(box));
  };
  assert.deepEqual(mounted('rw,relatime,errors=remount-ro'), []);
  assert.match(mounted('ro,relatime,errors=remount-ro').join(), /state partition is read-only/);
  assert.match(mounted('rw,relatime,emergency_ro').join(), /state partition is read-only/);
});
