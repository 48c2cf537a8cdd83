import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeUtf8 } from '../io/utf8.ts';
import { disk, fakeWorld, tank, type World } from '../trial/testing.ts';
import { baselineHealth } from './health.ts';
import type { Service } from './services.ts';

const CONTAINERS: World['containers'] = [
  { name: 'systemd-web', state: 'running', status: 'Up', unit: 'web.service' },
  { name: 'db', state: 'running', status: 'Up', unit: 'db.service' },
];
const MOUNTS = ['/dev/sda3 / ext4', 'nas:/share /mnt/my-share nfs4'];
const DATASETS = ['tank /mnt/tank zfs', 'tank/a /mnt/tank/a zfs', 'tank/a/b /srv/b zfs'];

/** The losses that an apply with these actions reports, after a change of the world. */
function lost(
  after: Partial<Pick<World, 'containers' | 'pools'>> & { readonly mounts?: readonly string[] },
  services: readonly Service[],
): readonly string[] {
  const { box, world } = fakeWorld();
  const read = box.readFile.bind(box);
  let mounts: readonly string[] = [...MOUNTS, ...DATASETS];
  box.readFile = (path) =>
    path === '/proc/self/mounts' ? encodeUtf8(mounts.map((line) => `${line} rw 0 0\n`).join('')) : read(path);
  Object.assign(world, { containers: CONTAINERS, pools: tank('ONLINE', disk('ONLINE')) });
  const before = baselineHealth.record(box);
  Object.assign(world, after);
  mounts = after.mounts ?? mounts;
  return baselineHealth.lost(box, before, services, 60);
}
const stop = (unit: string): Service[] => [{ do: 'stop', unit }];
const script = (name: string): Service[] => [
  { do: 'run', what: name, argv: ['/bin/sh', `/etc/draisine/${name}.sh`] },
];

test('a container whose unit is stopped is not missed, whatever its name is; others are', () => {
  const after = { containers: CONTAINERS.slice(1) };
  assert.deepEqual(lost(after, stop('web.service')), []);
  assert.deepEqual(lost(after, stop('db.service')), ['container systemd-web does not run']);
});

test('a unit may give its container another name', () => {
  const [web, db] = CONTAINERS;
  assert.deepEqual(lost({ containers: [{ ...web!, name: 'web' }, db!] }, []), []);
  const stopped = { ...web!, name: 'web', state: 'exited' };
  assert.deepEqual(lost({ containers: [stopped, db!] }, []), ['container systemd-web does not run']);
});

test('a mount whose unit is stopped is not missed', () => {
  const mounts = [MOUNTS[0]!, ...DATASETS];
  assert.deepEqual(lost({ mounts }, stop('mnt-my\\x2dshare.mount')), []);
  assert.deepEqual(lost({ mounts }, stop('mnt-other.mount')), ['/mnt/my-share is not mounted']);
});

test('a dataset may get another mount point, and the datasets below follow it', () => {
  const mounts = [...MOUNTS, DATASETS[0]!, 'tank/a /srv/a zfs', 'tank/a/b /srv/a/b zfs'];
  assert.deepEqual(lost({ mounts }, script('datasets/tank/a')), []);
  assert.deepEqual(lost({ mounts }, script('datasets/tank/a/b')), ['/mnt/tank/a is not mounted']);
  assert.deepEqual(lost({ mounts: MOUNTS }, script('pools/tank')), []);
});

test('a pool whose unit is stopped is exported', () => {
  const after = { mounts: MOUNTS, pools: {} };
  assert.deepEqual(lost(after, stop('zpool-tank.service')), []);
  assert.match(lost(after, []).join(), /tank/);
});

test('a container may need time until it is healthy, as much as the confirmation leaves', () => {
  const { box, world } = fakeWorld();
  const before = baselineHealth.record(box);
  const container = { name: 'web', state: 'running', unit: 'web.service' };
  world.containers = [{ ...container, status: 'Up (starting)' }];
  const start = box.monotonic();
  const { sleep } = box;
  box.sleep = (milliseconds) => {
    sleep.call(box, milliseconds);
    if (box.monotonic() - start >= 200_000) world.containers = [{ ...container, status: 'Up (healthy)' }];
  };
  assert.deepEqual(baselineHealth.lost(box, before, [], 60), ['container web was healthy and is not']);
  assert.deepEqual(baselineHealth.lost(box, before, [], 300), []);
});
