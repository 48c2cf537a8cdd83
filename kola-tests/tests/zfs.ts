import assert from 'node:assert/strict';
import { register } from '../harness/register.ts';

register(
  {
    name: 'zfs.mirror',
    machines: {
      box: {
        firmware: 'none',
        disks: [
          { name: 'left', size: 512 },
          { name: 'right', size: 512 },
          { name: 'other', size: 128 },
        ],
      },
    },
    timeout: 240,
  },
  async (_t, { box }) => {
    const disks = `${box.disk('left')} ${box.disk('right')}`;
    await box.succeed(`zpool create tank mirror ${disks} && zfs create tank/data`);
    await box.succeed('head -c 32M /dev/urandom >/tank/data/blob && sync');
    const sum = await box.succeed('sha256sum </tank/data/blob');

    await box.succeed('zpool scrub -w tank');
    const status = await box.succeed('zpool status tank');
    assert.match(status, /scrub repaired 0B .* with 0 errors/);
    assert.match(status, /errors: No known data errors/);

    // A pool that is handed back stays away; the machine's own is there after a boot without anybody asking.
    await box.succeed(`zpool export tank && zpool create own ${box.disk('other')} && zfs create own/data`);
    await box.succeed('echo kept >/own/data/file && zpool sync own && sync');
    await box.fail('zpool list tank');

    await box.reboot();

    await box.waitForUnit('zfs.target');
    assert.equal(await box.succeed('zpool list -H -o health own'), 'ONLINE');
    await box.fail('zpool list tank');
    assert.equal(await box.succeed('cat /own/data/file'), 'kept');
    assert.match(await box.succeed('cat /sys/module/zfs/parameters/zfs_arc_max'), /^[1-9]\d+$/);
    await box.succeed('zpool import tank');
    assert.equal(await box.succeed('zpool list -H -o health tank'), 'ONLINE');
    assert.equal(await box.succeed('sha256sum </tank/data/blob'), sum);
  },
);

register({ name: 'zfs.arc-cap' }, async (_t, { box }) => {
  await box.succeed('modprobe zfs');
  const total = Number(await box.succeed("awk '/^MemTotal:/ {print $2 * 1024}' /proc/meminfo"));
  const cap = Number(await box.succeed('awk \'$1 == "c_max" {print $3}\' /proc/spl/kstat/zfs/arcstats'));
  assert.ok(cap > 0 && cap <= total / 4, `the ARC may grow to ${cap} bytes of ${total}`);
  assert.ok(cap >= total / 8, `an ARC of at most ${cap} bytes of ${total} is no cache`);
});
