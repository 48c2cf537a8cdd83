import assert from 'node:assert/strict';
import { register } from '../harness/run/register.ts';

const disks = (...names: string[]) => ({ box: { disks: names.map((name) => ({ name, size: 128 })) } });

register(
  {
    name: 'zfs.raidz1',
    what: 'A RAID-Z1 pool survives a wiped disk, and is whole again after its replacement.',
    machines: disks('a', 'b', 'c'),
  },
  async (_t, { box }) => {
    const [a, b, c] = ['a', 'b', 'c'].map((name) => box.disk(name));
    await box.succeed(`zpool create tank raidz1 ${a} ${b} ${c}`);
    await box.succeed('head -c 8M /dev/urandom >/tank/blob && sync');
    const sum = await box.succeed('sha256sum </tank/blob');

    // One disk of three is wiped while the pool is exported. The two other disks have all the data.
    await box.succeed(`zpool export tank && dd if=/dev/zero of=${b} bs=1M count=126 conv=fsync status=none`);
    await box.succeed('zpool import tank');
    assert.equal(await box.succeed('zpool list -H -o health tank'), 'DEGRADED');
    assert.equal(await box.succeed('sha256sum </tank/blob'), sum);

    await box.succeed(`zpool replace -f -w tank ${b}`);
    assert.equal(await box.succeed('zpool list -H -o health tank'), 'ONLINE');
    assert.match(await box.succeed('zpool status tank'), /errors: No known data errors/);
    await box.succeed('zpool scrub -w tank && zpool status -x tank | grep healthy');
  },
);

register(
  {
    name: 'zfs.scrub-heals',
    what: 'A scrub repairs damaged blocks from the mirror.',
    machines: disks('left', 'right'),
  },
  async (_t, { box }) => {
    await box.succeed(`zpool create tank mirror ${box.disk('left')} ${box.disk('right')}`);
    await box.succeed('head -c 16M /dev/urandom >/tank/blob');
    const sum = await box.succeed('sha256sum </tank/blob');
    // The damage spares the labels at both ends (0.5 MiB each) and the boot block.
    await box.succeed(
      `zpool export tank && dd if=/dev/zero of=${box.disk('left')}-part1 bs=1M seek=8 count=100 conv=fsync status=none`,
    );
    await box.succeed('zpool import tank && zpool scrub -w tank');
    const status = await box.succeed('zpool status tank');
    assert.match(status, /scrub repaired [1-9][0-9.]*[KM] in .* with 0 errors/);
    assert.match(status, /virtio-left +ONLINE +0 +0 +[1-9]/);
    assert.match(status, /virtio-right +ONLINE +0 +0 +0/);
    assert.equal(await box.succeed('sha256sum </tank/blob'), sum);
    // The repair is permanent: a second scrub finds no damage.
    await box.succeed('zpool clear tank && zpool scrub -w tank');
    assert.match(await box.succeed('zpool status tank'), /scrub repaired 0B in .* with 0 errors/);
  },
);

register(
  {
    name: 'zfs.health',
    what: 'Health reports damaged data of a pool, also after a restart of the pool, and reads from zpool how full it is.',
    machines: disks('disk'),
  },
  async (_t, { box }) => {
    await box.succeed(`zpool create tank ${box.disk('disk')}`);
    await box.succeed('head -c 40M /dev/urandom >/tank/blob && zpool sync tank');
    const { pools } = JSON.parse(await box.succeed('zpool status --json -p -P'));
    const { alloc_space: used, total_space: all } = pools.tank.vdevs.tank;
    const capacity = Number.parseInt(await box.succeed('zpool list -H -o capacity tank'), 10);
    assert.ok(
      capacity > 20 && Math.abs((100 * used) / all - capacity) <= 2,
      `${used} of ${all}, ${capacity} %`,
    );

    // The damage hits data. Metadata has copies at other places.
    const random = 'dd if=/dev/urandom bs=1M count=6 conv=fsync,notrunc status=none';
    await box.succeed(`zpool export tank && ${random} of=${box.disk('disk')}-part1 seek=10`);
    await box.succeed('zpool import tank && zpool scrub -w tank');
    const damage = /pool tank has [1-9]\d* errors in its data that it could not repair: zpool status -v tank/;
    assert.match(await box.succeed('draisine health'), damage);
    await box.succeed('zpool export tank && zpool import tank');
    assert.match(await box.succeed('draisine health'), damage);
    await box.succeed('zpool destroy tank');
  },
);

// zed(8) replaces a lost disk by the spare. When the disk is back, this test detaches the spare by hand: zed recognizes a
// returned disk by its bus, which SATA disks have and virtio disks lack.
register(
  {
    name: 'zfs.spare',
    what: 'A spare takes the place of a lost disk by itself.',
    machines: disks('left', 'right', 'spare'),
  },
  async (_t, { box }) => {
    await box.succeed(
      `zpool create tank mirror ${box.disk('left')} ${box.disk('right')} spare ${box.disk('spare')} && head -c 4M /dev/urandom >/tank/data`,
    );
    await box.waitForUnit('zfs-zed.service');
    await box.unplug('right');
    await box.waitUntilSucceeds('zpool status tank | grep -E "spare.* INUSE"', { seconds: 60 });
    await box.succeed('zpool wait -t resilver tank && zpool scrub -w tank');
    assert.match(await box.succeed('zpool status tank'), /scrub repaired 0B .* with 0 errors/);
    await box.plug('right');
    await box.waitForFile(box.disk('right'));
    await box.succeed(
      `zpool online tank ${box.disk('right')} && zpool wait -t resilver tank && zpool detach tank ${box.disk('spare')}`,
    );
    assert.match(await box.succeed('zpool status tank'), /spare.* AVAIL/);
    assert.equal(await box.succeed('zpool list -H -o health tank'), 'ONLINE');
  },
);

register(
  {
    name: 'zfs.degraded',
    what: 'A pool that lost a disk can be written to, and is whole again on a new disk.',
    machines: disks('left', 'right', 'spare'),
  },
  async (_t, { box }) => {
    await box.succeed(`zpool create tank mirror ${box.disk('left')} ${box.disk('right')}`);
    await box.succeed(`zpool offline tank ${box.disk('right')}`);
    assert.equal(await box.succeed('zpool list -H -o health tank'), 'DEGRADED');
    await box.succeed('head -c 8M /dev/urandom >/tank/written-while-degraded');
    const sum = await box.succeed('sha256sum </tank/written-while-degraded');

    await box.succeed(`zpool replace -w tank ${box.disk('right')} ${box.disk('spare')}`);
    assert.equal(await box.succeed('zpool list -H -o health tank'), 'ONLINE');
    // The new disk has all the data, so the old disk may be removed.
    await box.succeed(`zpool offline tank ${box.disk('left')} && zpool export tank && zpool import tank`);
    assert.equal(await box.succeed('sha256sum </tank/written-while-degraded'), sum);
    await box.succeed(`zpool online tank ${box.disk('left')} && zpool wait -t resilver tank`);
    await box.waitUntilSucceeds('zpool status -x tank | grep healthy');
  },
);
