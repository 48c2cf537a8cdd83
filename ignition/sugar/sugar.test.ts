import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { unitEscape } from '../../packages/box/settings/storage.ts';
import { shellQuote } from '../../sdk/lib/shell.ts';
import { resolveSecrets, secret } from '../base/secret.ts';
import { validate } from '../check/validate.ts';
import { quadlet } from './container.ts';
import { dataset, datasetScript, datasetService } from './dataset.ts';
import { dir, file, link } from './file.ts';
import { firewall, ruleset } from './firewall.ts';
import { mergeFragments } from './fragment.ts';
import { section, systemdQuote, unitText } from './ini.ts';
import { mountUnit } from './mount-unit.ts';
import { network } from './network.ts';
import { hostname, kernelArguments, time } from './system.ts';
import { textOf } from './testing.ts';
import { unit } from './unit.ts';
import { unitPath } from './unit-name.ts';
import { scrub, snapshotPolicy } from './upkeep.ts';
import { group, sshKey, user } from './user.ts';
import { luks, swap, zram } from './volumes.ts';
import { type Disk, type PoolOptions, poolLayout, poolScript, zpool } from './zpool.ts';

const disk = (name: string): `/dev/disk/by-id/${string}` => `/dev/disk/by-id/${name}`;
const MIRROR: PoolOptions = { vdevs: [{ mirror: [disk('a'), disk('b')] }] };

function isShell(script: string): void {
  const { status, stderr } = spawnSync('sh', ['-n'], { input: script, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

test('Ignition accepts the result of every function', async () => {
  const parts = [
    file('/a', { contents: 'x', user: 'core', group: 5 }),
    dir('/b', { mode: 0o700 }),
    link('/c', { target: '/a' }),
    user('core', { uid: 5, sshKeys: ['ssh-ed25519 AAAA me'], groups: ['wheel'] }),
    group('media', { gid: 1500 }),
    sshKey('core', 'ecdsa-sha2-nistp256 BBBB'),
    unit('a.service', {
      enabled: true,
      contents: { Service: { ExecStart: '/bin/true' }, Install: { WantedBy: 'x.target' } },
    }),
    unit('b.service', { mask: true, dropins: { '10-x': '[Unit]\nA=b\n' } }),
    hostname('box'),
    time({ zone: 'Europe/Berlin', servers: ['a', 'b'] }),
    kernelArguments({ present: ['quiet'] }),
    network({ interfaces: { lan: { port: { name: 'en*' }, dhcp: true } } }),
    firewall({ allow: ['ssh'] }),
    swap('/dev/disk/by-partlabel/swap'),
    zram({ size: '2G' }),
    luks('data', {
      device: '/dev/sdb',
      unlock: { key: secret({ command: ['echo', 'k'] }) },
      filesystem: { format: 'xfs', path: '/var/d' },
    }),
    zpool('tank', MIRROR),
    dataset('tank/a', { quota: '1T' }),
    snapshotPolicy('tank/a', { keep: { daily: 3 } }),
    scrub('tank'),
  ];
  const { value } = resolveSecrets(mergeFragments(...parts), '.');
  const config = { ...(value as object), ignition: { version: '3.3.0' } };
  assert.deepEqual((await validate(Buffer.from(JSON.stringify(config)))).entries, []);
});

describe('unit names and texts', () => {
  test('are escaped as systemd-escape does', () => {
    assert.equal(unitEscape('tank/my-data.v1'), 'tank-my\\x2ddata.v1');
    assert.equal(unitEscape('.a é'), '\\x2ea\\x20\\xc3\\xa9');
    assert.equal(unitPath('/'), '-');
    assert.equal(unitPath('/dev//disk/by-id/'), 'dev-disk-by\\x2did');
  });

  test('a value cannot start another line', () => {
    assert.throws(() => unitText([section('A', { B: 'c\n[Install]' })]), /line break/);
    assert.equal(systemdQuote('a"b\\c%n'), '"a\\"b\\\\c%%n"');
    assert.equal(
      spawnSync('sh', ['-c', `printf %s ${shellQuote("a'b$c`d")}`], { encoding: 'utf8' }).stdout,
      "a'b$c`d",
    );
  });
});

test('a LUKS volume by TPM is refused, with a hint', () => {
  const unlock = { tpm2: true } as unknown as { key: ReturnType<typeof secret> };
  assert.throws(() => luks('data', { device: '/dev/sdb', unlock }), {
    message: /TPM and Tang need Clevis/,
    where: 'luks.data.unlock',
  });
});

describe('network', () => {
  test('a VLAN on a bond over two ports', () => {
    const made = network({
      bonds: {
        bond0: { ports: [{ mac: '00:11:22:33:44:AA' }, { path: 'pci-1' }], none: true, vlans: ['vlan5'] },
      },
      vlans: { vlan5: { id: 5, addresses: ['192.0.2.2/24'], gateway: '192.0.2.1' } },
    });
    const folder = '/etc/systemd/network';
    assert.match(
      textOf(made, `${folder}/20-bond0-0.network`),
      /PermanentMACAddress=00:11:22:33:44:aa\n.*\n\n\[Network\]\nBond=bond0/s,
    );
    assert.match(textOf(made, `${folder}/30-bond0.network`), /LinkLocalAddressing=no\nVLAN=vlan5/);
    assert.match(textOf(made, `${folder}/10-vlan5.netdev`), /Kind=vlan\n\n\[VLAN\]\nId=5/);
    assert.match(
      textOf(made, `${folder}/30-vlan5.network`),
      /Address=192\.0\.2\.2\/24\nGateway=192\.0\.2\.1\n\n\[IPv6AcceptRA\]\nUseRedirect=no\n/,
    );
  });

  test('an interface can have addresses of its own besides those of the network', () => {
    const lan = (options: object) => () =>
      network({ interfaces: { lan: { port: { name: 'a' }, ...options } as never } });
    const text = textOf(
      lan({ dhcp: 'ipv6', addresses: ['192.0.2.2/24'], gateway: '192.0.2.1' })(),
      '/etc/systemd/network/30-lan.network',
    );
    assert.match(text, /\nDHCP=ipv6\nAddress=192\.0\.2\.2\/24\nGateway=192\.0\.2\.1\n/);
    assert.throws(lan({}), /lan has no addresses/);
    assert.throws(lan({ addresses: [] }), /lan has no addresses/);
    assert.throws(lan({ none: true, dhcp: true }), /lan has addresses, and none as well/);
    assert.throws(lan({ none: true, port: { name: '' } }), /not a name of a port/);
    assert.throws(lan({ none: true, port: { path: '' } }), /not a path of a port/);
  });

  test('refuses two parts with one name or one port', () => {
    const port = { name: 'a' };
    const lan = { port, none: true } as const;
    assert.throws(
      () => network({ interfaces: { x: lan }, bridges: { x: { ports: [{ name: 'b' }], none: true } } }),
      {
        where: 'network.bridges.x',
      },
    );
    assert.throws(() => network({ interfaces: { x: lan }, bonds: { y: { ports: [port], none: true } } }), {
      message: 'interfaces.x and bonds.y of the network have the same port a',
    });
  });

  test('refuses a VLAN without an interface, bad ids, addresses without prefix, bad MACs', () => {
    assert.throws(() => network({ vlans: { v: { id: 5, dhcp: true } } }), /is in the vlans of 0 interfaces/);
    const port = { name: 'a' };
    assert.throws(
      () =>
        network({
          interfaces: { a: { port, none: true, vlans: ['v'] } },
          vlans: { v: { id: 0, dhcp: true } },
        }),
      /not 1 to 4094/,
    );
    assert.throws(() => network({ interfaces: { a: { port, addresses: ['192.0.2.2'] } } }), /prefix length/);
    assert.throws(() => network({ interfaces: { a: { port: { mac: 'x' }, dhcp: true } } }), /MAC address/);
  });
});

describe('firewall', () => {
  test('named services, own ports, sources of both families', () => {
    const rules = ruleset({
      allow: [
        'ssh',
        { name: 'smb', from: ['10.0.0.0/8', 'fd00::/8'] },
        { name: 'x', udp: [1, 2], interface: 'lan0' },
      ],
    });
    assert.match(rules, /policy drop/);
    assert.match(rules, /^ {4}tcp dport \{ 22 \} accept comment "ssh"$/m);
    assert.match(rules, /^ {4}ip saddr \{ 10\.0\.0\.0\/8 \} tcp dport \{ 445 \}/m);
    assert.match(rules, /^ {4}ip6 saddr \{ fd00::\/8 \} tcp dport \{ 445 \}/m);
    assert.match(rules, /^ {4}iifname "lan0" udp dport \{ 1, 2 \}/m);
  });
  test('refuses texts that could break out of a rule', () => {
    assert.throws(() => ruleset({ allow: [{ name: 'a" drop', tcp: [1] }] }), /service name/);
    assert.throws(() => ruleset({ allow: [{ name: 'a', tcp: [0] }] }), /not a port/);
    assert.throws(() => ruleset({ allow: [{ name: 'gopher' }] }), /unknown service/);
    assert.throws(() => ruleset({ allow: [{ name: 'ssh', from: ['any }'] }] }), /not a network/);
  });
});

describe('pools', () => {
  const everything: PoolOptions = {
    vdevs: [
      { raidz1: [disk('a'), disk('b'), disk('c')] },
      { draid: [disk('d'), disk('e')], parity: 1, data: 1, spares: 0 },
    ],
    log: { mirror: [disk('f'), disk('g')] },
    cache: [disk('h')],
    special: { mirror: [disk('i'), disk('j')] },
    encryption: { key: secret({ file: 'k' }) },
  };

  test('the layout is in the form of zpool create', () => {
    assert.deepEqual(
      poolLayout(everything).map((word) => word.replace('/dev/disk/by-id/', '')),
      'raidz1 a b c draid1:1d:2c:0s d e special mirror i j log mirror f g cache h'.split(' '),
    );
  });

  test('never force, import before create, only blank disks', () => {
    const script = poolScript('tank', everything);
    isShell(script);
    assert.doesNotMatch(script, /^\s*(?:until said=\$\(|if ! said=\$\()?'?zpool'? .*\s'?-f'?\s/m);
    assert.match(script, /'-o' 'compatibility=openzfs-2\.2-linux'/);
    assert.ok(script.indexOf('zpool import') < script.indexOf("'create'"));
    assert.ok(script.indexOf('blkid') < script.indexOf("'create'"));
    assert.match(script, /'-O' 'keylocation=file:\/\/\/etc\/draisine\/keys\/tank'/);
    assert.doesNotMatch(poolScript('tank', { ...MIRROR, create: 'never' }), /'create'/);
  });

  test('groups that ZFS puts into one pool only with force are refused', () => {
    const [a, b, c, d, e, f] = ['a', 'b', 'c', 'd', 'e', 'f'].map(disk) as [
      Disk,
      Disk,
      Disk,
      Disk,
      Disk,
      Disk,
    ];
    const pairs = { raidz2: [a, b, c, d] } as const;
    const refused = (options: PoolOptions) =>
      assert.throws(() => poolScript('tank', options), /ZFS makes no pool of .*: their redundancy differs/);
    refused({ vdevs: [pairs], special: { mirror: [e, f] } });
    refused({ vdevs: [{ mirror: [a, b] }, { disk: c }] });
    refused({ vdevs: [{ raidz1: [a, b] }, { raidz1: [c, d, e] }] });
    refused({ vdevs: [{ mirror: [a, b, c] }], special: { mirror: [d, e] } });
    poolScript('tank', { vdevs: [{ raidz1: [a, b, c] }], special: { mirror: [d, e] } });
    poolScript('tank', { vdevs: [{ disk: a }, { disk: b }], log: { mirror: [c, d] }, cache: [e] });
    poolScript('tank', { vdevs: [pairs], special: { mirror: [e, f] }, create: 'never' });
  });

  test('refuse words of zpool as names, disks that are named twice, and unstable disk names', () => {
    assert.throws(() => zpool('mirror', MIRROR), /word of zpool/);
    assert.throws(
      () => zpool('tank', { vdevs: [{ mirror: [disk('a'), disk('a')] }] }),
      /has the disk .* twice/,
    );
    assert.throws(() => zpool('tank', { vdevs: [{ disk: '/dev/sda' as never }] }), /not a disk of a pool/);
  });

  test('only root can read a key', () => {
    const { files } = zpool('tank', everything).storage as { files: { path: string; mode: number }[] };
    assert.equal(files.find(({ path }) => path === '/etc/draisine/keys/tank')?.mode, 0o400);
  });
});

describe('datasets', () => {
  test('are made once, set at each boot, mounted and owned', () => {
    const script = datasetScript('tank/a', {
      quota: '1T',
      owner: { user: 1000, mode: 0o750 },
      properties: { utf8only: 'on' },
    });
    isShell(script);
    assert.match(script, /'create' '-p' '-u' '-o' 'quota=1T' '-o' 'utf8only=on' 'tank\/a'/);
    assert.match(script, /^has 'quota\t1099511627776' \|\| set -- "\$@" 'quota=1T'$/m);
    assert.match(script, /^find "\$where" -maxdepth 0 \\\( ! -user '1000' \\\) -exec chown '1000' \{\} \+$/m);
    assert.match(script, /^find "\$where" -maxdepth 0 ! -perm 0750 -exec chmod 0750 \{\} \+$/m);
  });

  test('a limit that ZFS does not read is refused', () => {
    for (const quota of ['1,5T', 'much', '500 G', '-1G'] as never[])
      assert.throws(() => dataset('tank/a', { quota }), { where: 'datasets.tank/a.quota' }, quota);
    for (const reservation of ['500G', '1.5TB', 'none', '0'] as never[]) dataset('tank/a', { reservation });
  });

  test('wait for the pool and the datasets above', () => {
    const { units } = dataset('tank/a/b').systemd as { units: { contents: string }[] };
    assert.match(
      units[0]?.contents ?? '',
      new RegExp(`Requires=zpool-tank.service\nAfter=zpool-tank.service ${datasetService('tank/a')}\n`),
    );
  });
});

describe('containers', () => {
  test('a quadlet with everything', () => {
    const text = quadlet('web', {
      image: 'docker.io/library/caddy:2',
      volumes: [
        { dataset: 'tank/a', at: '/a', readOnly: true, below: 'x' },
        { path: '/srv', at: '/srv' },
        { volume: 'v', at: '/v' },
      ],
      ports: [80, { host: 53, container: 5353, protocol: 'udp', address: '::1' }],
      environment: { A: 'b "c" 50%' },
      command: ['run', '--x=y z'],
      limits: { memory: '1G', cpu: '150%', processes: 10 },
      health: { command: 'test "50%"' },
      pools: ['scratch'],
    });
    assert.match(text, /Requires=zfs-dataset-tank-a\.service zpool-scratch\.service\n/);
    assert.match(text, /Volume=\/mnt\/tank\/a\/x:\/a:ro\nVolume=\/srv:\/srv\nVolume=v:\/v\n/);
    assert.ok(
      text.includes(
        String.raw`ExecStartPre=/bin/sh "-c" "[ -e \"$$3\" ] || install -d -o \"$$1\" -g \"$$2\" \"$$3\"" "sh" "0" "0" "/mnt/tank/a/x"`,
      ),
    );
    assert.match(text, /PublishPort=80:80\nPublishPort=\[::1\]:53:5353\/udp\n/);
    assert.match(text, /Environment="A=b \\"c\\" 50%%"\n/);
    assert.match(text, /Exec="run" "--x=y z"\n/);
    assert.match(text, /HealthCmd=\{ test "50%%"; \}\n/);
    assert.match(text, /MemoryMax=1G\nCPUQuota=150%\n/);
    assert.doesNotMatch(text, /AutoUpdate/);
  });
  test('refuse short image names, ports in a pod, relative mounts', () => {
    assert.throws(() => quadlet('a', { image: 'caddy' }), /fully qualified/);
    assert.throws(
      () => quadlet('a', { image: 'a.b/c', pod: 'p', ports: [1] }),
      /publish them on the pod|publishes ports/,
    );
    assert.throws(() => quadlet('a', { image: 'a.b/c', volumes: [{ path: 'x', at: '/y' }] }), /host path/);
  });
});

test('a percent sign in a path of a mount unit is not a specifier', () => {
  const { contents } = mountUnit({ device: '/dev/mapper/50%', format: 'ext4', path: '/srv/50%n' }, false);
  assert.match(contents, /^Where=\/srv\/50%%n\nWhat=\/dev\/mapper\/50%%$/m);
});

test('host names, users and keys are checked', () => {
  assert.throws(() => hostname('a_b'), /host name/);
  assert.throws(() => hostname(`${'a'.repeat(32)}.${'b'.repeat(32)}`), /host name/); // Linux has 64 bytes for it
  assert.throws(() => user('Core'), /user name/);
  assert.throws(() => sshKey('core', 'secret key'), /public SSH key/);
  for (const zone of ['../x', 'Europe/Berlim', 'europe/berlin', 'US/Eastern', 'CET', '', 'Europe'])
    assert.throws(() => time({ zone }), { where: 'time.zone' }, zone);
  for (const zone of ['UTC', 'Etc/GMT+5', 'America/Argentina/Buenos_Aires', 'America/Port-au-Prince'])
    time({ zone });
});
