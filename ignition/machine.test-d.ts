import { machine } from './machine.ts';
import type { Vdev } from './sugar/zpool.ts';

/** Configs that the type checker must refuse. `tsc` reports a directive below that suppresses no error. */

const mirror = { mirror: ['/dev/disk/by-id/a', '/dev/disk/by-id/b'] } as const;
const image = 'docker.io/library/x:1';

/** Configs that the type checker must accept. */
export const accepted = machine({
  pools: { tank: { vdevs: [mirror] }, fast: { vdevs: [{ disk: '/dev/disk/by-id/c' }] } },
  datasets: { 'tank/a': { quota: '1T' }, 'fast/b': {} },
  snapshots: { 'tank/a': { keep: { daily: 1 } }, tank: { keep: {} } },
  scrubs: { tank: {} },
  pods: { p: {} },
  containers: {
    a: { image, volumes: [{ dataset: 'tank/a', at: '/a' }], pools: ['fast'], pod: 'p' },
    b: { image, volumes: [{ path: '/x', at: '/x' }] },
  },
});

// @ts-expect-error an unknown section
machine({ hostnam: 'a' });
// @ts-expect-error an unknown key of a user
machine({ users: { core: { shel: '/bin/sh' } } });
// @ts-expect-error an unknown key of a container
machine({ containers: { a: { image, volume: [] } } });
// @ts-expect-error an unknown key of a dataset
machine({ pools: { tank: { vdevs: [mirror] } }, datasets: { 'tank/a': { qouta: '1T', mountpoint: '/a' } } });
// @ts-expect-error an unknown key of a pool
machine({ pools: { tank: { vdevs: [mirror], ashfit: 12 } } });
// @ts-expect-error an unknown section of plain Ignition
machine({ ignition: { storag: {} } });

// @ts-expect-error a mirror of one disk
machine({ pools: { tank: { vdevs: [{ mirror: ['/dev/disk/by-id/a'] }] } } });
// @ts-expect-error a raidz2 of two disks
machine({ pools: { tank: { vdevs: [{ raidz2: ['/dev/disk/by-id/a', '/dev/disk/by-id/b'] }] } } });
// @ts-expect-error a pool without disks
machine({ pools: { tank: { vdevs: [] } } });
// @ts-expect-error a disk with an unstable name
machine({ pools: { tank: { vdevs: [{ disk: '/dev/sda' }] } } });
// @ts-expect-error a special vdev without redundancy
machine({ pools: { tank: { vdevs: [mirror], special: { disk: '/dev/disk/by-id/c' } } } });

// @ts-expect-error a dataset of an undeclared pool
machine({ pools: { tank: { vdevs: [mirror] } }, datasets: { 'tnak/a': {} } });
// @ts-expect-error a dataset without any pool
machine({ datasets: { 'tank/a': {} } });
machine({
  pools: { tank: { vdevs: [mirror] } },
  datasets: { 'tank/a': {} },
  // @ts-expect-error a container volume on an undeclared dataset
  containers: { c: { image, volumes: [{ dataset: 'tank/b', at: '/b' }] } },
});
machine({
  pools: { tank: { vdevs: [mirror] } },
  // @ts-expect-error a container that waits for an undeclared pool
  containers: { c: { image, pools: ['tnak'] } },
});
// @ts-expect-error a container in an undeclared pod
machine({ pods: { p: {} }, containers: { c: { image, pod: 'q' } } });
// @ts-expect-error snapshots of an undeclared dataset
machine({ pools: { tank: { vdevs: [mirror] } }, snapshots: { 'tank/a': { keep: { daily: 1 } } } });
// @ts-expect-error a static address is not DHCP
machine({ network: { interfaces: { a: { port: { name: 'a' }, dhcp: true, id: 5 } } } });
// @ts-expect-error a bond without ports
machine({ network: { bonds: { b: { ports: [], dhcp: true } } } });
// @ts-expect-error an unknown service
machine({ firewall: { allow: ['gopher'] } });

/** Similar boxes (docs/ignition.md). */
export const nas = (hostname: string, disks: Vdev) =>
  machine({ hostname, pools: { tank: { vdevs: [disks] } } });
nas('nas1', mirror);
