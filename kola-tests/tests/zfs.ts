import assert from 'node:assert/strict';
import { register } from '../harness/run/register.ts';

register(
  {
    name: 'zfs.mirror',
    what: 'A mirrored pool keeps its data over export and import.',
    machines: {
      box: {
        disks: [
          { name: 'left', size: 512 },
          { name: 'right', size: 512 },
        ],
      },
    },
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

    await box.succeed('zpool export tank && zpool import tank');
    assert.equal(await box.succeed('zpool list -H -o health tank'), 'ONLINE');
    assert.equal(await box.succeed('sha256sum </tank/data/blob'), sum);
  },
);

register(
  { name: 'zfs.arc-cap', what: 'The cache of ZFS takes at most a quarter of the memory.' },
  async (_t, { box }) => {
    await box.succeed('modprobe zfs');
    const total = Number(await box.succeed("awk '/^MemTotal:/ {print $2 * 1024}' /proc/meminfo"));
    const cap = Number(await box.succeed('awk \'$1 == "c_max" {print $3}\' /proc/spl/kstat/zfs/arcstats'));
    assert.ok(cap > 0 && cap <= total / 4, `the ARC may grow to ${cap} bytes of ${total}`);
    assert.ok(cap >= total / 8, `an ARC of at most ${cap} bytes of ${total} is too small for a cache`);
  },
);
