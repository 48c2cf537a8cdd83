import { machine } from '../../../ignition/index.ts';

/**
 * A NAS: a raidz1 pool of three disks, two datasets, a media server that reads one of them.
 * The pool is made when all three disks are blank, imported otherwise, and never forced.
 */
const MEDIA_USER = 1500;

export default machine({
  hostname: 'nas',
  time: { zone: 'Europe/Berlin' },
  users: {
    root: {
      // Put your own key here: it is the only way in. The image has no sudo.
      sshKeys: [
        'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1p1Lq2Pp6m0p2m1zKq3l9mW1mJ0y0o7x0mYb1r2s3t you@example',
      ],
    },
    // Its backups come by sftp. It has no shell and no other rights.
    laptop: {
      ssh: { only: 'sftp' },
      sshKeys: [
        'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1p1Lq2Pp6m0p2m1zKq3l9mW1mJ0y0o7x0mYb1r2s4t laptop@example',
      ],
    },
  },
  // Two ports as one towards the switch; the other two are left alone.
  network: {
    bonds: {
      bond0: {
        ports: [{ path: 'pci-0000:01:00.0' }, { path: 'pci-0000:02:00.0' }],
        mode: '802.3ad',
        addresses: ['192.0.2.10/24'],
        gateway: '192.0.2.1',
        dns: ['192.0.2.1'],
      },
    },
  },
  firewall: { allow: ['ssh'] },
  pools: {
    tank: {
      vdevs: [
        {
          raidz1: [
            '/dev/disk/by-id/ata-EXAMPLE_DISK_1',
            '/dev/disk/by-id/ata-EXAMPLE_DISK_2',
            '/dev/disk/by-id/ata-EXAMPLE_DISK_3',
          ],
        },
      ],
    },
  },
  datasets: {
    'tank/media': { owner: { user: MEDIA_USER, group: MEDIA_USER }, properties: { recordsize: '1M' } },
    'tank/backup': {
      quota: '500G',
      owner: { user: 'laptop', mode: 0o700 },
      properties: { compression: 'zstd' },
    },
  },
  snapshots: { 'tank/backup': { keep: { daily: 14, monthly: 6 } } },
  scrubs: { tank: { schedule: 'monthly' } },
  containers: {
    jellyfin: {
      image: 'docker.io/jellyfin/jellyfin:10.10',
      user: MEDIA_USER,
      group: MEDIA_USER,
      ports: [{ host: 8096, from: ['192.0.2.0/24'] }],
      volumes: [
        { dataset: 'tank/media', at: '/media', readOnly: true },
        { volume: 'jellyfin-config', at: '/config' },
        { volume: 'jellyfin-cache', at: '/cache' },
      ],
      limits: { memory: '4G', processes: 1000 },
    },
  },
});
