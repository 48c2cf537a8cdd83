/** A valid config for each version, for tests. */

import type { Json } from '../json/value.ts';

const HASH512 = `sha512-${'0123456789abcdef'.repeat(8)}`;

/** A valid config of spec 3.`minor` that uses every section. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a table of data
export function fullConfig(minor: number): Json {
  const since = (version: number, value: { [key: string]: Json }): { [key: string]: Json } =>
    minor >= version ? value : {};
  const resource = {
    source: 'https://example.com/a?b=c#d',
    verification: { hash: HASH512 },
    ...since(1, { httpHeaders: [{ name: 'Authorization', value: 'Basic x' }, { name: 'X' }] }),
  };
  return {
    ignition: {
      version: minor === 4 ? '3.4.0-experimental' : `3.${minor}.0`,
      config: {
        merge: [{ ...resource }, { source: 's3://bucket/key?versionId=aB' }],
        replace: { ...resource },
      },
      security: {
        tls: { certificateAuthorities: [{ source: 'data:,cert', verification: { hash: HASH512 } }] },
      },
      timeouts: { httpResponseHeaders: 10, httpTotal: 0 },
      ...since(1, {
        proxy: {
          httpProxy: 'http://proxy',
          httpsProxy: 'https://user:pw@proxy:8080',
          noProxy: ['a', '10.0.0.0/8'],
        },
      }),
    },
    passwd: {
      groups: [{ name: 'g', gid: 5, passwordHash: 'x', system: true, ...since(2, { shouldExist: true }) }],
      users: [
        {
          name: 'core',
          uid: 1000,
          gecos: 'c',
          groups: ['wheel', 'g'],
          homeDir: '/home/core',
          noCreateHome: false,
          noLogInit: false,
          noUserGroup: true,
          passwordHash: '*',
          primaryGroup: 'g',
          shell: '/bin/sh',
          sshAuthorizedKeys: ['ssh-ed25519 AAAA', 'ssh-rsa BBBB'],
          system: false,
          ...since(2, { shouldExist: true }),
        },
        { name: 'other' },
      ],
    },
    storage: {
      directories: [
        { path: '/d', mode: 493, user: { id: 0 }, group: { name: 'g' }, overwrite: true },
        { path: '/d/e' },
      ],
      disks: [
        {
          device: '/dev/sda',
          wipeTable: true,
          partitions: [
            {
              number: 1,
              label: 'ROOT',
              startMiB: 1,
              sizeMiB: 100,
              guid: '01234567-89AB-CDEF-EDCB-A98765432101',
              typeGuid: '',
              wipePartitionEntry: true,
              shouldExist: true,
              ...since(2, { resize: true }),
            },
            { number: 2, startMiB: 101, sizeMiB: 0 },
            { number: 3, shouldExist: false },
          ],
        },
        { device: '/dev/sdb', partitions: [{ label: 'a' }, { label: 'b', sizeMiB: 0, startMiB: 0 }] },
      ],
      files: [
        {
          path: '/f',
          mode: 420,
          overwrite: true,
          user: { name: 'core' },
          group: { id: 0 },
          contents: { ...resource, compression: 'gzip' },
        },
        { path: '/g', append: [{ source: 'data:,a' }, { source: 'data:,a' }], contents: { compression: '' } },
        { path: '/h', contents: { source: 'data:text/plain;charset=utf-8;base64,aGVsbG8=' } },
      ],
      filesystems: [
        {
          device: '/dev/sda1',
          format: 'ext4',
          label: 'root',
          path: '/var',
          uuid: 'deadbeef',
          wipeFilesystem: true,
          options: ['-E', '-E'],
          ...since(1, { mountOptions: ['ro', 'ro'] }),
        },
        { device: '/dev/sda2', format: 'swap' },
      ],
      links: [
        { path: '/l', target: '/d' },
        { path: '/m', target: '/f', hard: true, overwrite: false, user: { id: 1 }, group: { id: 2 } },
      ],
      raid: [
        { name: 'md0', level: 'raid1', devices: ['/dev/sdc', '/dev/sdd'], spares: 1, options: ['-v', '-v'] },
        { name: 'md1', level: 'stripe', devices: ['/dev/sde'], spares: 0 },
      ],
      ...since(2, {
        luks: [
          {
            name: 'data',
            device: '/dev/sdf',
            label: 'l',
            uuid: 'u',
            wipeVolume: true,
            options: ['--x', '--x'],
            keyFile: { ...resource, compression: '' },
            clevis: { tang: [{ url: 'https://tang', thumbprint: 't' }], tpm2: true, threshold: 2 },
          },
          {
            name: 'own',
            device: '/dev/sdg',
            clevis: { custom: { pin: 'tpm2', config: '{}', needsNetwork: true } },
          },
        ],
      }),
    },
    systemd: {
      units: [
        {
          name: 'a.service',
          enabled: true,
          contents: '[Unit]\nDescription=x\n[Install]\nWantedBy=multi-user.target\n',
          dropins: [{ name: '10.conf', contents: '[Service]\nA=b\\\nc\n' }, { name: '20.conf' }],
        },
        { name: 'b.timer', mask: true },
      ],
    },
    ...since(3, { kernelArguments: { shouldExist: ['a', 'b'], shouldNotExist: ['c'] } }),
  };
}
