import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FakeBox } from '../io/fake.ts';
import { parsePools, poolLosses, readFirst } from '../zfs/pools.ts';
import { BASELINE, isOutside, lookAtBox, lossesOf, readBaseline, writeBaseline } from './baseline.ts';
import { disk, fakeWorld, OLD, tank, type World } from './testing.ts';

describe('losses of a trial', () => {
  /** What is lost after a change of the world. */
  const lost = (change: (world: World, box: FakeBox) => void, before: (world: World) => void = () => {}) => {
    const { box, world } = fakeWorld();
    before(world);
    const baseline = lookAtBox(box, OLD, { 'the channel': () => true });
    writeBaseline(box, baseline);
    assert.deepEqual(readBaseline(box), baseline);
    change(world, box);
    return lossesOf(box, readBaseline(box)!, { 'the channel': () => world.answering.has('channel') || true });
  };

  test('none if nothing has changed', () => {
    assert.deepEqual(
      lost(() => {}),
      [],
    );
  });

  test('units: failed, stopped; not those that the release no longer has, or that a first boot only runs', () => {
    assert.deepEqual(
      lost(({ units }) => units.set('web.service', 'failed')),
      ['web.service has failed'],
    );
    assert.deepEqual(
      lost(({ units }) => units.set('web.service', 'inactive')),
      ['web.service was active and is inactive (dead)'],
    );
    assert.deepEqual(
      lost(({ units }) => units.set('new.service', 'failed')),
      ['new.service has failed'],
    );
    assert.deepEqual(
      lost(({ units, notFound }) => units.set('web.service', 'inactive') && notFound.add('web.service')),
      [],
    );
    assert.deepEqual(
      lost(({ units, unmet }) => units.set('web.service', 'inactive') && unmet.add('web.service')),
      [],
    );
  });

  test('no health check of podman: its unit has another name at each start of the container', () => {
    const check = `${'0a'.repeat(32)}-5f3759df.service`;
    assert.deepEqual(
      lost(({ units }) => units.set(check, 'failed')),
      [],
    );
  });

  test('earlier faults do not count', () => {
    assert.deepEqual(
      lost(
        () => {},
        ({ units }) => units.set('web.service', 'failed'),
      ),
      [],
    );
    const unhealthy = { name: 'web', state: 'running', status: 'Up (unhealthy)', unit: 'web.service' };
    assert.deepEqual(
      lost(
        () => {},
        (world) => {
          world.containers = [unhealthy];
        },
      ),
      [],
    );
    assert.deepEqual(
      lost(
        ({ answering }) => answering.clear(),
        ({ answering }) => answering.clear(),
      ),
      [],
    );
  });

  test('containers of units that are gone or unhealthy, but not those that were started by hand', () => {
    assert.deepEqual(
      lost((world) => {
        world.containers = [];
      }),
      ['container web does not run'],
    );
    const starting = [
      { name: 'web', state: 'running', status: 'Up 1 second (starting)', unit: 'web.service' },
    ];
    assert.deepEqual(
      lost((world) => {
        world.containers = starting;
      }),
      ['container web was healthy and is not'],
    );
    const byHand = { name: 'x', state: 'running', status: 'Up' };
    assert.deepEqual(
      lost(
        (world) => {
          world.containers = world.containers.slice(0, 1);
        },
        (world) => {
          world.containers = [...world.containers, byHand];
        },
      ),
      [],
    );
  });

  test('mounts, routes, gateways', () => {
    assert.deepEqual(
      lost(({ mounts }) => mounts.delete('/data')),
      ['/data is not mounted'],
    );
    assert.deepEqual(
      lost(({ mounts }) => mounts.set('/data', 'autofs')),
      [],
      'nobody has used it yet',
    );
    assert.deepEqual(
      lost(({ mounts }) => mounts.set('/data', 'ro')),
      ['/data was writable and is read-only'],
    );
    assert.deepEqual(
      lost((world) => {
        world.routes = [];
      }),
      ['the default route IPv4 by eth0 is gone'],
    );
    assert.deepEqual(
      lost((world, box) => {
        world.routes = [];
        for (const path of [...box.nodes.keys()])
          if (path.startsWith('/sys/class/net/eth0')) box.nodes.delete(path);
      }),
      ['network device eth0 is missing'],
    );
    const hops = (...gateways: string[]) => gateways.map((gateway) => ({ gateway, dev: 'eth0' }));
    assert.deepEqual(
      lost(
        (world) => {
          world.routes = hops('10.0.2.2');
        },
        (world) => {
          world.routes = [{ nexthops: hops('10.0.2.2', '10.0.2.3') }];
        },
      ),
      [],
      'one of two routers is left',
    );
    assert.deepEqual(
      lost(({ answering }) => answering.clear()),
      ['10.0.2.2 cannot be reached'],
    );
  });

  test('pools', () => {
    const withPool = (world: World, box: FakeBox, pools: object) => {
      world.pools = pools as Record<string, unknown>;
      box.put({ '/proc/spl/kstat/zfs/x': '' });
    };
    const { box, world } = fakeWorld();
    withPool(world, box, tank('ONLINE', disk('ONLINE', 0, '1'), disk('ONLINE', 2, '2')));
    const baseline = lookAtBox(box, OLD);
    const now = (pools: object) => {
      world.pools = pools as Record<string, unknown>;
      return lossesOf(box, baseline);
    };
    assert.deepEqual(now(tank('ONLINE', disk('ONLINE', 0, '1'), disk('ONLINE', 1, '2'))), []);
    assert.deepEqual(now({}), ['pool tank is not imported']);
    assert.deepEqual(now(tank('DEGRADED', disk('ONLINE', 0, '1'), disk('UNAVAIL', 0, '2'))), [
      'pool tank: tank was ONLINE and is DEGRADED',
      'pool tank: /dev/disk/by-id/d2 was ONLINE and is UNAVAIL',
    ]);
    assert.match(
      now(tank('ONLINE', disk('ONLINE', 3, '1'), disk('ONLINE', 0, '2'))).join(),
      /d1 has 3 errors and had 0/,
    );
    assert.match(now(tank('ONLINE', disk('ONLINE', 0, '1'))).join(), /has lost .*d2/);
    const degraded = parsePools(JSON.stringify({ pools: tank('DEGRADED', disk('UNAVAIL', 0, '1')) }))[0]!;
    assert.deepEqual(poolLosses(degraded, degraded), [], 'degraded before');
  });

  test('a disk that was being replaced is gone when the replacement has ended', () => {
    const replacing = (...vdevs: object[]) => ({
      ...{ name: 'replacing-0', guid: '8', state: 'ONLINE' },
      vdevs: { ...vdevs },
    });
    const pool = (...disks: object[]) => parsePools(JSON.stringify({ pools: tank('ONLINE', ...disks) }))[0]!;
    const before = pool(disk('ONLINE', 0, '1'), replacing(disk('ONLINE', 0, '2'), disk('ONLINE', 0, '3')));
    assert.deepEqual(poolLosses(before, pool(disk('ONLINE', 0, '1'), disk('ONLINE', 0, '3'))), []);
    assert.match(poolLosses(before, pool(disk('ONLINE', 0, '3'))).join(), /has lost .*d1/);
    const worse = poolLosses(before, pool(disk('ONLINE', 0, '1'), disk('FAULTED', 0, '3')));
    assert.match(worse.join(), /d3 was ONLINE and is FAULTED/);
  });

  test('a damaged record is ignored', () => {
    const { box } = fakeWorld();
    for (const text of ['', '{"format": 2}', '{"format": 1, "units": 3}']) {
      box.put({ [BASELINE]: text });
      assert.equal(readBaseline(box), undefined);
    }
    assert.equal(box.journal('warning').length, 3);
  });
});

test('losses that may have a cause outside: a server, a router, a file system of another machine, a job of a timer', () => {
  const { box } = fakeWorld();
  const readFile = box.readFile.bind(box);
  box.readFile = (path) =>
    path === '/proc/self/mounts'
      ? new TextEncoder().encode(
          'nas:/films /mnt/my-films nfs4 rw,vers=4.2 0 0\n/dev/vdb1 /data ext4 rw 0 0\n',
        )
      : readFile(path);
  const baseline = lookAtBox(box, OLD);
  const remote = ['/mnt/my-films is not mounted', 'mnt-my\\x2dfilms.mount has failed'];
  assert.ok(isOutside(baseline, [...remote, '10.0.2.2 cannot be reached']));
  assert.ok(isOutside(baseline, ['the default route IPv4 by eth0 is gone', '10.0.2.2 cannot be reached']));
  assert.ok(!isOutside(baseline, ['network device eth0 is missing', '10.0.2.2 cannot be reached']));
  assert.ok(isOutside(baseline, ['backup.service has failed', '10.0.2.2 cannot be reached']));
  assert.ok(!isOutside(baseline, ['web.service has failed', 'backup.service has failed']));
  const { jobs, ...older } = baseline;
  assert.deepEqual(jobs, ['backup.service']);
  assert.ok(!isOutside(older, ['backup.service has failed']), 'a record of an earlier release');
  assert.ok(!isOutside(baseline, [...remote, '/data is not mounted']));
  assert.ok(!isOutside(baseline, ['10.0.2.3 cannot be reached']), 'nothing is known of that address');
  assert.ok(!isOutside(baseline, []) && !isOutside(undefined, remote));
});

test('pools are read first: read-only, exported again, and never written when something is wrong', () => {
  const { box, world } = fakeWorld();
  const before = parsePools(JSON.stringify({ pools: tank('ONLINE', disk('ONLINE')) }));
  box.put({ '/dev/disk/by-id/d1': '', '/proc/spl/kstat/zfs/x': '' });
  world.pools = tank('ONLINE', disk('ONLINE'));
  box.program('udevadm', () => ({ code: 1, stderr: 'Timed out' })); // another disk is slow
  assert.deepEqual(readFirst(box, before), []);
  const zpool = box.ran.filter(([name]) => name === 'zpool').map((argv) => argv.join(' '));
  assert.equal(zpool[0], 'zpool import -d /dev/disk/by-id -o readonly=on -N -R /run/draisine/pools tank');
  assert.equal(zpool.at(-1), 'zpool export tank');
  world.pools = tank('DEGRADED', disk('FAULTED'));
  assert.match(readFirst(box, before).join(), /d1 was ONLINE and is FAULTED/);
  box.program('zpool', () => ({
    code: 1,
    stderr: 'This pool uses the following feature(s) not supported\n',
  }));
  assert.match(readFirst(box, before).join(), /pool tank cannot be imported: This pool uses/);
});
