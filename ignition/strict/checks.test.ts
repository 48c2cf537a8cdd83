import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { dataUrl } from '../base/data-url.ts';
import type { JsonObject } from '../json/value.ts';
import { machine } from '../machine.ts';
import { checkAccounts, checkGroups, checkUsers } from './accounts.ts';
import { checkDevices, checkMounts } from './devices.ts';
import type { ImageView } from './image.ts';
import { checkPaths } from './paths.ts';
import { checkPools } from './pools.ts';
import { checkPorts } from './ports.ts';
import { checkRoom } from './room.ts';
import { CONTAINER, file, INSTALL, lines, quadlets, subject, unit, units } from './testing.ts';
import { checkVolumes } from './volumes.ts';

/** A folder that stands for an image. Checks only ask whether files exist. */
let made: ImageView;
before(() => {
  const root = mkdtempSync(join(tmpdir(), 'draisine-image-'));
  const files = {
    'usr/sbin/mkfs.ext4': '',
    'usr/bin/sgdisk': '',
    'usr/lib/systemd/system/ssh.service': '',
    'usr/lib/systemd/system/ssh.socket': '[Socket]\nListenStream=22\n',
    'usr/lib/systemd/system/systemd-resolved.service': '',
    'usr/lib/podman/aardvark-dns': '',
    'usr/share/draisine/etc/nsswitch.conf': 'hosts: files\n',
    'usr/share/draisine/etc/skel/.bashrc': '',
    'usr/lib/repart.d/40-state.conf': '[Partition]\nSizeMinBytes=16M\nSizeMaxBytes=16M\n',
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  mkdirSync(join(root, 'usr/share/zoneinfo'));
  writeFileSync(join(root, 'usr/share/zoneinfo/UTC'), '');
  symlinkSync('../usr/share/zoneinfo/UTC', join(root, 'usr/share/draisine/etc/localtime'));
  made = { name: 'test', root, sandbox: '', modules: new Set(['ext4', 'ahci', 'sd_mod', 'raid1', 'nvme']) };
});
after(() => rmSync(made.root, { recursive: true, force: true }));

describe('ports', () => {
  async function conflicts(...sections: JsonObject[]): Promise<string[]> {
    const all = Object.assign({}, ...sections) as JsonObject;
    const { units: found, files } = await subject(all);
    return lines(checkPorts(found, files, made));
  }

  test('two quadlets that publish the same port', async () => {
    const found = await conflicts(
      quadlets({
        'a.container': `${CONTAINER}PublishPort=80:80\n`,
        'b.container': `${CONTAINER}PublishPort=127.0.0.1:80:8080\n`,
        'c.container': `${CONTAINER}PublishPort=80:80/udp\nPublishPort=8080\n#PublishPort=80:80\n`,
      }),
    );
    assert.deepEqual(found, [
      'storage.files.1.contents.source port tcp/80 is taken by /etc/containers/systemd/a.container already; take another one',
    ]);
  });
  test('overlapping ranges conflict; different addresses do not', async () => {
    const range = `${CONTAINER}PublishPort=8000-8010:1-11\n`;
    const inside = `${CONTAINER}PublishPort=8010:1\n`;
    assert.equal((await conflicts(quadlets({ 'a.container': range, 'b.pod': inside }))).length, 1);
    assert.equal((await conflicts(quadlets({ 'a.container': inside, 'b.pod': range }))).length, 1);
    const apart = ['192.0.2.1:80:80', '192.0.2.2:80:80', '[2001:db8::1]:80:80'];
    const text = `${CONTAINER}${apart.map((port) => `PublishPort=${port}\n`).join('')}`;
    assert.deepEqual(await conflicts(quadlets({ 'a.container': text })), []);
    assert.equal((await conflicts(quadlets({ 'a.container': `${text}PublishPort=80:80\n` }))).length, 1);
    const spelt = `${text}PublishPort=[2001:DB8:0::1]:80:80\n`;
    assert.equal((await conflicts(quadlets({ 'a.container': spelt }))).length, 1);
  });
  test('a socket on every IPv6 address takes IPv4 as well, unless it says otherwise', async () => {
    const socket = (more: string) =>
      units(unit('my.socket', `[Socket]\nListenStream=[::]:80\n${more}${INSTALL}`));
    const container = quadlets({ 'a.container': `${CONTAINER}PublishPort=0.0.0.0:80:80\n` });
    assert.equal((await conflicts(socket(''), container)).length, 1);
    assert.deepEqual(await conflicts(socket('BindIPv6Only=ipv6-only\n'), container), []);
  });
  test('a socket against a quadlet, and against sshd', async () => {
    const socket = units(
      unit('my.socket', `[Socket]\nListenStream=0.0.0.0:80\nListenStream=/run/x\n${INSTALL}`),
    );
    const [found = '', ...others] = await conflicts(
      socket,
      quadlets({ 'a.container': `${CONTAINER}PublishPort=80:80\n` }),
    );
    assert.match(found, /^storage\.files\.0\S* port tcp\/80 is taken by my\.socket already/);
    assert.deepEqual(others, []);
    const ssh = units(unit('my.socket', '[Socket]\nListenStream=22\n'));
    assert.match(
      (await conflicts(ssh))[0] ?? '',
      /^systemd\.units\.0\.contents .*22 is taken by sshd of the image/,
    );
    assert.deepEqual(await conflicts(units(unit('ssh.socket', undefined, { enabled: true }))), []);
  });
  test('a DNS server on the host’s own network', async () => {
    const host = (more: string) => quadlets({ 'a.container': `[Container]\nNetwork=host\n${more}` });
    const pattern =
      /^storage\.files\.0\S* port udp\/53 is taken by systemd-resolved of the image already; have it on one address, or make room/;
    for (const more of [
      'Image=docker.io/pihole/pihole:latest\n',
      'Image=docker.io/adguard/adguardhome@sha256:00\n',
      'Image=a.example/x:1\nExec=named -p 53\n',
      'Image=a.example/x:1\nEnvironment=FTLCONF_dns_port=53\n',
    ])
      assert.match((await conflicts(host(more))).join(), pattern, more);
    for (const more of [
      'Image=a.example/x:1\nExec=serve --port 5353\n',
      'Image=a.example/x:1\nPublishPort=53:53/udp\n', // podman publishes nothing there
      'Image=a.example/mypihole-exporter:1\n',
    ])
      assert.deepEqual(await conflicts(host(more)), [], more);
    const stub = file(
      '/etc/containers/systemd/a.container',
      '[Container]\nNetwork=host\nImage=docker.io/pihole/pihole:1\n',
    );
    const off = file('/etc/systemd/resolved.conf.d/a.conf', '[Resolve]\nDNSStubListener=no\n');
    const moved = file('/etc/containers/containers.conf.d/a.conf', '[network]\ndns_bind_port = 1053\n');
    assert.deepEqual(await conflicts({ storage: { files: [stub, off, moved] } }), []);
  });
  test('sshd and the resolver on ports that the config sets', async () => {
    const dns = file('/etc/containers/systemd/a.container', `${CONTAINER}PublishPort=53:53/udp\n`);
    const web = file(
      '/etc/containers/systemd/b.container',
      `${CONTAINER}PublishPort=2222:22\nPublishPort=22:22\n`,
    );
    const both = { storage: { files: [dns, web] } };
    assert.equal((await conflicts(both)).length, 2);
    const ssh = file('/etc/ssh/sshd_config.d/port.conf', 'Port 2222\n');
    const stub = file('/etc/systemd/resolved.conf.d/no.conf', '[Resolve]\nDNSStubListener=no\n');
    const [names = ''] = await conflicts({ storage: { files: [dns, stub] } });
    assert.match(names, /udp\/53 is taken by aardvark-dns of the image already; .*dns_bind_port = 1053/);
    const names53 = file('/etc/containers/containers.conf.d/a.conf', '[network]\ndns_bind_port = 1053\n');
    const [resolver = ''] = await conflicts({ storage: { files: [dns, names53] } });
    assert.match(resolver, /udp\/53 is taken by systemd-resolved of the image already; .*DNSStubListener=no/);
    const one = file('/etc/containers/systemd/a.container', `${CONTAINER}PublishPort=192.0.2.1:53:53/udp\n`);
    assert.deepEqual(await conflicts({ storage: { files: [one] } }), []);
    const [moved = '', ...others] = await conflicts({ storage: { files: [dns, web, ssh, stub, names53] } });
    assert.match(moved, /tcp\/2222 is taken by sshd/);
    assert.deepEqual(others, []);
    const off = units(
      unit('ssh.service', undefined, { mask: true }),
      unit('systemd-resolved.service', undefined, { enabled: false }),
    );
    const files = { storage: { files: [dns, web, names53] } };
    assert.deepEqual(await conflicts(files, off), []);
  });
});

describe('room', () => {
  async function room(storage: JsonObject): Promise<string[]> {
    const { config, files } = await subject({ storage });
    return lines(checkRoom(config, files, made));
  }
  const packed = (path: string, size: number): JsonObject => ({
    path,
    contents: { source: dataUrl(gzipSync(Buffer.alloc(size))), compression: 'gzip' },
  });

  test('contents larger than the state partition, unpacked', async () => {
    const [found = '', ...others] = await room({
      files: [packed('/var/a', 1 << 24), packed('/var/b', 1000)],
    });
    assert.match(
      found,
      /^storage\.files\.0\S* contents of 16\.0 MiB do not fit on the state partition \(16\.0 MiB\)/,
    );
    assert.deepEqual(others, []);
  });
  test('files that are too large together', async () => {
    const found = await room({ files: ['/a', '/b'].map((path) => packed(path, 8_000_000)) });
    assert.match(found.join(), /^storage\.files\.1\S* 2 files of 15\.3 MiB together do not fit/);
    assert.deepEqual(await room({ files: [packed('/a', 8_000_000)] }), []);
  });
  test('a file counts for the file system of its path', async () => {
    const disks = [{ device: '/dev/sda', partitions: [{ number: 1, label: 'd', sizeMiB: 1 }] }];
    const filesystems = [{ device: '/dev/disk/by-partlabel/d', format: 'ext4', path: '/var/d' }];
    const found = await room({
      disks,
      filesystems,
      files: [packed('/var/d/a', 1 << 20), packed('/var/da', 1 << 20)],
    });
    assert.match(
      found.join(),
      /^storage\.files\.0\S* .*do not fit on the file system on \S+partlabel\/d \(1\.0 MiB\)/,
    );
    assert.equal(found.length, 1);
  });
  test('/usr cannot be written', async () => {
    const found = await room({ files: [file('/usr/local/bin/x', 'a'), file('/etc/usr/x', 'a')] });
    assert.deepEqual(found, [
      'storage.files.0.path /usr/local/bin/x is on the read-only /usr; put it below /etc, /opt or /var',
    ]);
  });
});

describe('devices and volumes', () => {
  async function devices(sections: JsonObject): Promise<string[]> {
    const { config, files, units: found } = await subject(sections);
    return lines([
      ...checkDevices(config, found, files, made),
      ...checkVolumes(config, made),
      ...checkMounts(found, made),
    ]);
  }

  test('disks without a driver, in the storage section and in units', async () => {
    const disks = ['/dev/xvda', '/dev/nvme0n1', '/dev/disk/by-id/ata-A', '/dev/disk/by-id/usb-A'];
    const found = await devices({
      storage: {
        luks: disks.map((device, index) => ({ name: `l${index}`, device })),
        files: [
          file('/etc/pool.sh', 'zpool create b /dev/disk/by-id/virtio-C', { mode: 0o755 }),
          file('/etc/notes', '/dev/disk/by-id/virtio-D'),
        ],
      },
      ...units(
        unit(
          'p.service',
          '[Service]\nExecStart=zpool create a /dev/disk/by-id/mmc-A /dev/disk/by-id/nvme-B\n',
        ),
      ),
    });
    assert.deepEqual(
      found.filter((line) => line.includes('driver')).map((line) => line.replace(/;.*/, '')),
      [
        'storage.luks.0.device the image test has no driver for /dev/xvda: xen_blkfront',
        'storage.luks.3.device the image test has no driver for /dev/disk/by-id/usb-A: usb_storage or uas',
        'systemd.units.0.contents line 2: the image test has no driver for /dev/disk/by-id/mmc-A: mmc_block',
        'storage.files.0.contents.source line 1: the image test has no driver for /dev/disk/by-id/virtio-C: virtio_blk',
      ],
    );
  });
  test('file systems that the image cannot make or mount are named', async () => {
    const found = await devices({
      storage: {
        disks: [{ device: '/dev/sda', wipeTable: true }],
        raid: [{ name: 'r', level: 'raid1', devices: ['/dev/sda', '/dev/sdb'] }],
        filesystems: [
          { device: '/dev/sda1', format: 'ext4', path: '/a' },
          { device: '/dev/sda2', format: 'xfs', path: '/b' },
        ],
      },
      ...units(
        unit('b.mount', '[Mount]\nWhat=/dev/sda2\nWhere=/b\nType=btrfs\n'),
        unit('c.mount', '[Mount]\nType=tmpfs\n'),
      ),
    });
    assert.deepEqual(
      found.map((line) => line.replace(/;.*/, '')),
      [
        'storage.raid.0.level the image test cannot make raid1: it has no mdadm',
        'storage.filesystems.1.format the image test cannot make xfs: it has no mkfs.xfs',
        'storage.filesystems.1.format the image test cannot mount xfs: its kernel has no module xfs',
        'systemd.units.0.contents line 4: the image test cannot mount btrfs: its kernel has no such module',
      ],
    );
  });
  test('groups nobody has', async () => {
    const users = [
      { name: 'a', groups: ['own', 'disk', '27', 'b', 'docker'] },
      { name: 'b', primaryGroup: 'none' },
    ];
    const { config } = await subject({ passwd: { users, groups: [{ name: 'own' }] } });
    assert.deepEqual(
      checkGroups(config, 'root:x:0:\ndisk:x:6:\n').map(({ path, message }) => [
        path.join('.'),
        message.split(':')[0],
      ]),
      [
        ['passwd.users.0.groups.4', 'no group docker'],
        ['passwd.users.1.primaryGroup', 'no group none'],
      ],
    );
  });
});

describe('paths and accounts that stop a boot', () => {
  async function paths(sections: JsonObject): Promise<string[]> {
    const { config } = await subject(sections);
    return checkPaths(config, made).map(({ kind, path, message }) => `${kind} ${path.join('.')} ${message}`);
  }
  const target = '../usr/share/zoneinfo/Europe/Madrid';

  test('a path that the image has already is an error without overwrite', async () => {
    const link = (more: JsonObject): JsonObject => ({
      storage: { links: [{ path: '/etc/localtime', target, ...more }], files: [] },
    });
    const [found = '', ...others] = await paths(link({}));
    assert.match(
      found,
      /^error storage\.links\.0\.path the image test has a link at \/etc\/localtime and overwrite is false/,
    );
    const nowhere =
      'undefined storage.links.0.path /etc/localtime leads to /usr/share/zoneinfo/Europe/Madrid, which the image does not have: the clock shows UTC, and no container with this zone starts';
    assert.deepEqual(others, [nowhere]);
    assert.deepEqual(await paths(link({ overwrite: true })), [nowhere]);
    assert.deepEqual(await paths(link({ target: '../usr/share/zoneinfo/UTC' })), []);
    const named = (more: JsonObject): JsonObject => ({
      storage: { files: [file('/etc/nsswitch.conf', 'a', more), { path: '/etc/nsswitch.conf.d' }] },
    });
    assert.equal((await paths(named({}))).length, 1);
    assert.deepEqual(await paths(named({ overwrite: true })), []);
    const attributes = { storage: { files: [{ path: '/etc/nsswitch.conf', mode: 0o600 }] } };
    assert.deepEqual(await paths(attributes), []);
    assert.equal((await paths({ storage: { directories: [{ path: '/etc/nsswitch.conf' }] } })).length, 1);
  });
  test('files that useradd copies into a home', async () => {
    const storage = { files: [file('/home/a/.bashrc', 'x', { user: { name: 'a' } })] };
    const [found = ''] = await paths({ storage, passwd: { users: [{ name: 'a' }] } });
    assert.match(found, /^error storage\.files\.0\.path useradd, from \/etc\/skel, has a file at/);
    assert.deepEqual(await paths({ storage, passwd: { users: [{ name: 'a', noCreateHome: true }] } }), []);
  });
  test('a file at a path that is the folder of another file', async () => {
    const [found = '', ...others] = await paths({
      storage: { files: [file('/etc/app', 'a'), file('/etc/app/x/y', 'b'), file('/etc/apples/x', 'c')] },
    });
    assert.match(found, /^error storage\.files\.1\.path \/etc\/app is a file of this config and cannot hold/);
    assert.deepEqual(others, []);
    const link = { files: [file('/etc/app', 'a')], links: [{ path: '/etc/app/x', target: 'y' }] };
    assert.match(
      (await paths({ storage: link })).join(),
      /^error storage\.links\.0\.path \/etc\/app is a file/,
    );
    const image = { directories: [{ path: '/etc/nsswitch.conf/x' }] };
    assert.match(
      (await paths({ storage: image })).join(),
      /^error storage\.directories\.0\.path \/etc\/nsswitch\.conf is a file of the image test and cannot hold/,
    );
  });
  test('folders on the way to a file of a user', async () => {
    const path = '/home/a/.config/systemd/user';
    const mine = { user: { name: 'a' }, group: { name: 'a' } };
    const passwd = { users: [{ name: 'a' }] };
    const [found = '', ...others] = await paths({ passwd, storage: { directories: [{ path, ...mine }] } });
    assert.match(
      found,
      /^undefined .* Ignition makes \/home\/a\/\.config, \/home\/a\/\.config\/systemd on the way, for root; /,
    );
    assert.deepEqual(others, []);
    const all = ['/home/a/.config', '/home/a/.config/systemd', path].map((each) => ({ path: each, ...mine }));
    assert.deepEqual(await paths({ passwd, storage: { directories: all } }), []);
  });
  test('plain passwords and relative homes', async () => {
    const users = [
      { name: 'a', passwordHash: 'hunter2' },
      { name: 'b', passwordHash: '$y$j9T$x$y' },
      { name: 'c', passwordHash: '!' },
      { name: 'd', homeDir: 'var/d' },
    ];
    const { config } = await subject({ passwd: { users } });
    const found = checkAccounts(config);
    assert.deepEqual(
      found.map(({ kind, path }) => [kind, path.join('.')]),
      [
        [undefined, 'passwd.users.0.passwordHash'],
        ['error', 'passwd.users.3.homeDir'],
      ],
    );
    assert.ok(!found.some(({ message }) => message.includes('hunter2')));
  });
});

test('a colon or a line break in an account stops the boot', () => {
  const users = [
    { name: 'a', gecos: 'Ann: boss' },
    { name: 'b', homeDir: '/srv/b:c' },
    { name: 'c', gecos: 'Zoë "Z" O\'Neil, 1' },
  ];
  const found = checkUsers({ passwd: { users } }, '');
  assert.deepEqual(
    found.map(({ kind, path }) => [kind, path.join('.')]),
    [
      ['error', 'passwd.users.0.gecos'],
      ['error', 'passwd.users.1.homeDir'],
    ],
  );
});

test('accounts that useradd refuses', async () => {
  const users = [
    { name: 'a b' },
    { name: 'ok', uid: 1500, shell: '/bin/bash' },
    { name: 'twice', uid: 1500 },
    { name: 'rooty', uid: 0 },
    { name: 'root', uid: 0, shell: 'zsh' },
    { name: 'minus', uid: -1 },
    { name: 'sh', shell: 'zsh' },
  ];
  const { config } = await subject({ passwd: { users } });
  const found = checkUsers(config, 'root:x:0:0::/root:/bin/bash\n');
  assert.deepEqual(
    found.map(({ kind, path }) => [kind, path.join('.')]),
    [
      ['error', 'passwd.users.0.name'],
      ['error', 'passwd.users.2.uid'],
      ['error', 'passwd.users.3.uid'],
      ['error', 'passwd.users.5.uid'],
      ['error', 'passwd.users.6.shell'],
    ],
  );
  assert.match(found[1]?.message ?? '', /^ok has the number 1500, .*; leave it out, or write another one/);
  assert.match(found[4]?.message ?? '', /write \/bin\/zsh$/);
});

test('a pool with the place of a disk has a warning, a pool with its id has none', async () => {
  const on = async (...devices: string[]) => {
    const disks = devices as `/dev/disk/by-id/${string}`[];
    const { storage, systemd } = machine({ pools: { tank: { vdevs: [{ mirror: disks as never }] } } });
    return lines(checkPools((await subject({ storage, systemd } as JsonObject)).files));
  };
  assert.deepEqual(await on('/dev/disk/by-id/a', '/dev/disk/by-id/b'), []);
  const [found = '', ...others] = await on('/dev/disk/by-path/pci-a', '/dev/disk/by-path/pci-b');
  assert.match(found, /by-path\/pci-a is a place, not a disk: .*unless two disks have one serial number$/);
  assert.deepEqual(others, []);
});

test('lines that are not public keys', async () => {
  const good = [
    'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA you@example',
    'from="192.0.2.0/24",command="a b" ssh-rsa AAAAB3Nza== x y',
    'sk-ssh-ed25519@openssh.com AAAAGnNr',
    'ecdsa-sha2-nistp256 AAAAE2Vj',
    '# a comment',
    '',
  ];
  const bad = [
    'hello',
    'ssh-rsa',
    '-----BEGIN OPENSSH PRIVATE KEY-----',
    `ssh-ed25519 \${KEY}`,
    'AAAAB3Nza==',
  ];
  const { config } = await subject({
    passwd: { users: [{ name: 'root', sshAuthorizedKeys: [...good, ...bad] }] },
  });
  const found = checkAccounts(config);
  assert.deepEqual(
    found.map(({ path }) => path.at(-1)),
    bad.map((_, index) => good.length + index),
  );
  assert.match(found[2]?.message ?? '', /private key/);
  assert.match(found[3]?.message ?? '', /fill the template in first/);
});

test('parts that cannot be checked are reported, without secrets in their addresses', async () => {
  const { findings } = await subject({
    ignition: { version: '3.3.0', config: { merge: [{ source: 'https://a/c' }] } },
    storage: {
      files: [
        { path: '/a', contents: { source: 'https://a/b?token=hunter2' } },
        { path: '/b', contents: { source: 'data:,no', compression: 'gzip' } },
        { path: '/c' },
      ],
    },
  });
  const [merge = '', remote = '', broken = '', ...others] = lines(findings);
  assert.match(merge, /^ignition\.config\.merge\.0\.source .*not checked/);
  assert.match(
    remote,
    /^storage\.files\.0\.contents\.source contents at https:\/\/a\/b are fetched by the machine and were not checked/,
  );
  assert.match(
    broken,
    /^storage\.files\.1\.contents\.source contents do not unpack \(incorrect header check\)/,
  );
  assert.deepEqual(others, []);
});
