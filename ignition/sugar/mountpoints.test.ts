import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { machine } from '../machine.ts';
import type { DatasetOptions } from './dataset.ts';
import { textOf } from './testing.ts';
import type { SnapshotPolicy } from './upkeep.ts';
import type { PoolOptions } from './zpool.ts';

const pool = (disk: string, more: object = {}): PoolOptions => ({
  vdevs: [{ disk: `/dev/disk/by-id/${disk}` }],
  ...more,
});
const tank = pool('a');

const config = (
  datasets: { [name: string]: DatasetOptions },
  pools: { [name: string]: PoolOptions } = { tank },
  snapshots: { [name: string]: SnapshotPolicy } = {},
) => machine({ pools, datasets, snapshots } as never);

/** The units that a unit of the config starts after. */
function after(made: object, name: string): string[] {
  const { units } = (made as { systemd: { units: { name: string; contents?: string }[] } }).systemd;
  const text = units.find((unit) => unit.name === name)?.contents ?? '';
  return /^After=(.*)$/m.exec(text)?.[1]?.split(' ') ?? [];
}

describe('a dataset is mounted', () => {
  test('after the datasets and pools around its mount point, whatever their names are', () => {
    const made = config(
      {
        'tank/a': { mountpoint: '/srv/b/inner' },
        'tank/b': { mountpoint: '/srv/b/' },
        'fast/c': { mountpoint: '/srv/b-x' },
      },
      { tank, fast: pool('b', { mountpoint: '/mnt/tank/fast' }) },
    );
    assert.deepEqual(after(made, 'zfs-dataset-tank-a.service'), [
      'zpool-tank.service',
      'zfs-dataset-tank-b.service',
    ]);
    assert.deepEqual(after(made, 'zfs-dataset-tank-b.service'), ['zpool-tank.service']);
    assert.deepEqual(after(made, 'zfs-dataset-fast-c.service'), ['zpool-fast.service']);
    assert.deepEqual(after(made, 'zpool-fast.service'), [
      'systemd-modules-load.service',
      'zpool-tank.service',
    ]);
    assert.deepEqual(after(made, 'zpool-tank.service'), ['systemd-modules-load.service']);
  });

  test('at a place of its own, which hides nothing', () => {
    const refused = (where: string, ...options: Parameters<typeof config>) =>
      assert.throws(() => config(...options), { where });
    refused('datasets.tank/b.mountpoint', {
      'tank/a': { mountpoint: '/srv' },
      'tank/b': { mountpoint: '/srv/' },
    });
    refused('datasets.tank/a.mountpoint', { 'tank/a': { mountpoint: '/mnt/tank' } });
    refused('datasets.tank/a.mountpoint', {
      'tank/a': { mountpoint: '/srv/x/y' },
      'tank/a/b': { mountpoint: '/srv/x' },
    });
    refused(
      'pools.tank',
      { 'tank/a': { mountpoint: '/mnt/fast/a' }, 'fast/b': { mountpoint: '/mnt/tank/b' } },
      { tank, fast: pool('b') },
    );
    for (const mountpoint of ['/', '/var', '/etc/', '/usr/local', '/run/x', '/root', '//var/../etc'])
      refused('datasets.tank/a.mountpoint', { 'tank/a': { mountpoint } });
    refused('pools.tank.mountpoint', {}, { tank: pool('a', { mountpoint: '/var' }) });
    config({ 'tank/a': { mountpoint: '/var/lib/app' }, 'tank/b': { mountpoint: '/home' } });
  });

  test('nowhere, as its parent, or if it only contains others', () => {
    config({ 'tank/a': { mountpoint: 'none' }, 'tank/a/b': {}, 'tank/a/c': {} });
    config({
      'tank/a': { mountpoint: '/srv', properties: { canmount: 'off' } },
      'tank/b': { mountpoint: '/srv' },
    });
  });
});

test('two pools do not share a disk', () => {
  assert.throws(() => config({}, { tank, fast: pool('b', { cache: ['/dev/disk/by-id/a'] }) }), {
    message: 'the pools tank and fast have the same disk, /dev/disk/by-id/a',
    where: 'pools.fast',
  });
});

test('a dataset has one policy of snapshots for a period', () => {
  const snapshots = (keep: object) => () =>
    config(
      { 'tank/a': {} },
      { tank },
      { tank: { keep: { daily: 30, weekly: 0 }, recursive: true }, 'tank/a': { keep } },
    );
  assert.throws(snapshots({ daily: 7 }), { where: 'snapshots.tank/a' });
  assert.doesNotThrow(snapshots({ hourly: 24, weekly: 4, daily: 0 }));
});

describe('paths on pools and datasets', () => {
  const image = 'a.example/b:1';
  const made = (more: object) => () =>
    machine({
      pools: { tank: pool('t') },
      datasets: { 'tank/a': {}, 'tank/home': { mountpoint: '/home' } },
      ...more,
    });

  test('a container that mounts one by its path waits for the unit that mounts it', () => {
    const requires = (path: string) =>
      /^Requires=(.*)$/m.exec(
        textOf(
          made({ containers: { web: { image, volumes: [{ path, at: '/x' }] } } })(),
          '/etc/containers/systemd/web.container',
        ),
      )?.[1];
    assert.equal(requires('/mnt/tank/a/films'), 'zfs-dataset-tank-a.service');
    assert.equal(requires('/mnt/tank/ab'), 'zpool-tank.service');
    assert.equal(requires('/mnt/other'), undefined);
  });

  test('files and keys that they would hide are refused', () => {
    const contents = 'x';
    assert.throws(made({ files: { '/mnt/tank/a/b': { contents } } }), { where: 'files./mnt/tank/a/b' });
    assert.throws(made({ directories: { '/mnt/tank/b': {} } }), /would be hidden: .* at \/mnt\/tank later/);
    assert.doesNotThrow(made({ files: { '/mnt/tankb': { contents } }, directories: { '/mnt/tank': {} } }));
    const sshKeys = ['ssh-ed25519 AAAA'];
    assert.throws(made({ users: { me: { sshKeys } } }), { where: 'users.me.home' });
    assert.doesNotThrow(made({ users: { root: { sshKeys }, me: {} } }));
    assert.doesNotThrow(made({ users: { me: { sshKeys, home: '/var/home/me' } } }));
  });
});
