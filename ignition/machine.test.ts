import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { dataOf } from './base/data-url.ts';
import { secret } from './base/secret.ts';
import { validate } from './check/validate.ts';
import { compileConfig } from './load.ts';
import { machine } from './machine.ts';

const POOLS = { tank: { vdevs: [{ mirror: ['/dev/disk/by-id/a', '/dev/disk/by-id/b'] }] } } as const;
const image = 'docker.io/library/x:1';

test('the smallest machine is the smallest config', () => {
  assert.deepEqual(machine({}), { ignition: { version: '3.3.0' } });
});

test('the error for an unknown option names the most similar one', () => {
  const wrong = (options: object) => () => machine(options);
  for (const [options, where, hint] of [
    [{ firewal: { allow: [] } }, 'machine', 'did you mean firewall?'],
    [{ firewall: { alow: [] } }, 'firewall', 'did you mean allow?'],
    [{ users: { core: { sshkeys: [] } } }, 'users.core', 'did you mean sshKeys?'],
    [
      { containers: { c: { image, limits: { memry: '1G' } } } },
      'containers.c.limits',
      'did you mean memory?',
    ],
    [
      { containers: { web: { image, volumes: [{ at: '/a', path: '/a', readonly: true }] } } },
      'containers.web.volumes[0]',
      'did you mean readOnly?',
    ],
    [
      { containers: { web: { image, ports: [80, { host: 81, contianer: 8080 }] } } },
      'containers.web.ports[1]',
      'did you mean container?',
    ],
    [{ pods: { p: { ports: [{ host: 1, form: [] }] } } }, 'pods.p.ports[0]', 'did you mean from?'],
    [{ firewall: { allow: [{ name: 'a', tpc: [1] }] } }, 'firewall.allow[0]', 'did you mean tcp?'],
    [
      { network: { bonds: { b: { dhcp: true, ports: [{ nam: 'eth0' }] } } } },
      'network.bonds.b.ports[0]',
      'did you mean name?',
    ],
    [{ update: { gates: [{ unt: 'a.service' }] } }, 'update.gates[0]', 'did you mean unit?'],
    [{ containers: { c: { image, toString: 1 } } }, 'containers.c', /^(there are|did you mean)/],
  ] as const)
    assert.throws(wrong(options), {
      name: 'Failure',
      exitCode: 2,
      message: /^unknown option "/,
      where,
      hint,
    });
});

test('plain Ignition wins over the sugar', () => {
  const made = machine({
    hostname: 'a',
    ignition: { storage: { files: [{ path: '/etc/hostname', contents: { source: 'data:,b' } }] } },
  }) as { storage?: { files?: { contents: { source: string } }[] } };
  assert.equal(made.storage?.files?.[0]?.contents.source, 'data:,b');
});

test('a pool is scrubbed every month, or on its own schedule', () => {
  const pool = (disk: string) => ({ vdevs: [{ disk: `/dev/disk/by-id/${disk}` }] }) as const;
  const made = machine({
    pools: { tank: pool('a'), fast: pool('b'), scratch: pool('c') },
    scrubs: { fast: { schedule: 'weekly' }, scratch: 'never' },
  });
  const timers = JSON.stringify(made).match(/OnCalendar=\w+|"scrub-\w+\.timer"/g);
  assert.deepEqual(timers?.sort(), [
    '"scrub-fast.timer"',
    '"scrub-tank.timer"',
    'OnCalendar=monthly',
    'OnCalendar=weekly',
  ]);
});

test('a dataset is mounted below its pool or its parent', () => {
  const made = machine({
    pools: { tank: { ...POOLS.tank, mountpoint: '/srv/tank' } },
    datasets: { 'tank/a': {}, 'tank/b': { mountpoint: '/b' } },
    containers: {
      c: {
        image,
        volumes: [
          { dataset: 'tank/a', at: '/a' },
          { dataset: 'tank/b', at: '/b' },
        ],
      },
    },
  });
  assert.match(
    JSON.stringify(made).replace(/%[0-9A-F]{2}/g, decodeURIComponent),
    /Volume=\/srv\/tank\/a:\/a\\?\n?.*Volume=\/b:\/b/s,
  );
});

test('a container user that cannot read or write its dataset is an error', () => {
  const give = (owner: object, readOnly: boolean) => () =>
    machine({
      pools: POOLS,
      datasets: { 'tank/a': { owner: { user: 0, ...owner } } },
      containers: {
        app: { image, user: 1000, group: 1000, volumes: [{ dataset: 'tank/a', at: '/a', readOnly }] },
      },
    });
  assert.throws(give({ mode: 0o700 }, true), /user 1000 and cannot read dataset tank\/a/);
  assert.throws(give({ mode: 0o755 }, false), /cannot write dataset tank\/a/);
  assert.doesNotThrow(give({ mode: 0o755 }, true));
  assert.doesNotThrow(give({ user: 1000, mode: 0o700 }, false));
  assert.doesNotThrow(give({ group: 1000, mode: 0o770 }, false));
});

test('two services on one port are an error', () => {
  const ports = [{ host: 80 }] as const;
  assert.throws(
    () => machine({ containers: { a: { image, ports }, b: { image, ports: [80] } } }),
    /port tcp 80 is claimed twice/,
  );
  assert.doesNotThrow(() =>
    machine({ containers: { a: { image, ports }, b: { image, ports: [{ host: 80, protocol: 'udp' }] } } }),
  );
  const both = (one: string, other: string) => () =>
    machine({
      containers: {
        a: { image, ports: [{ host: 80, address: one }] },
        b: { image, ports: [{ host: 80, address: other }] },
      },
    });
  for (const [one, other] of [
    ['0.0.0.0', '192.0.2.1'],
    ['192.0.2.1', '0.0.0.0'],
    ['::', '2001:db8::1'],
    ['2001:DB8:0::1', '2001:db8::1'],
  ] as const)
    assert.throws(both(one, other), /port tcp 80 is claimed twice/, `${one} ${other}`);
  for (const [one, other] of [
    ['0.0.0.0', '::'],
    ['0.0.0.0', '::1'],
    ['192.0.2.1', '192.0.2.2'],
  ] as const)
    assert.doesNotThrow(both(one, other), `${one} ${other}`);
});

test('names that are not declared, misspelt periods and kinds, and numbers that make no sense are errors', () => {
  const disk = '/dev/disk/by-id/a';
  const pools = { tank: { vdevs: [{ disk }] } };
  const refused = (options: object, message: RegExp, where?: string) =>
    assert.throws(() => machine({ pools, ...options } as never), { message, ...(where && { where }) });
  refused(
    { snapshots: { tnak: { keep: { daily: 1 } } } },
    /dataset or pool tnak is not declared/,
    'snapshots.tnak',
  );
  refused({ scrubs: { tnak: 'never' } }, /pool tnak is not declared/, 'scrubs.tnak');
  refused({ containers: { a: { image, pod: 'p' } } }, /pod p is not declared/, 'containers.a.pod');
  refused({ containers: { a: { image, pools: ['p'] } } }, /pool p is not declared/, 'containers.a.pools');
  refused({ snapshots: { tank: { keep: { dayly: 7 } } } }, /unknown option "dayly"/, 'snapshots.tank.keep');
  for (const daily of [1.5, -1, '7', Number.NaN])
    refused(
      { snapshots: { tank: { keep: { daily } } } },
      /must be a (whole )?number/,
      'snapshots.tank.keep.daily',
    );
  refused({ datasets: { 'tank/a': { owner: { user: 1, mod: 7 } } } }, /unknown option "mod"/);
  refused({ datasets: { 'tank/a': { owner: { user: 1, mode: 755 } } } }, /mode 755 is 01363/);
  refused({ datasets: { 'tank/a': { mountpoint: 'media' } } }, /mount point "media" is not absolute/);
  refused({ datasets: { [`tank/${'a'.repeat(255)}`]: {} } }, /more than 255 characters/);
  refused(
    { pools: { tank: { vdevs: [{ miror: [disk] }] } } },
    /unknown option "miror"/,
    'pools.tank.vdevs[0]',
  );
  refused({ pools: { tank: { vdevs: [] } } }, /pool tank has no disks/);
  refused({ pools: { tank: { vdevs: [{ mirror: [disk] }] } } }, /mirror has 1 disks and needs at least 2/);
  refused({ pools: { tank: { vdevs: [{ disk, mirror: [disk, `${disk}2`] }] } } }, /has 2 kinds/);
  refused(
    { pools: { tank: { vdevs: [{ disk }], mountpoint: 'tank' } } },
    /mount point "tank" is not absolute/,
  );
  assert.doesNotThrow(() =>
    machine({
      pools: { tank: { vdevs: [{ disk }], mountpoint: 'none' } },
      datasets: { 'tank/a': { owner: { user: 1, mode: 0o1777 }, mountpoint: 'legacy' } },
      snapshots: { 'tank/a': { keep: { daily: 0 } }, tank: { keep: {} } },
      scrubs: { tank: {} },
    }),
  );
});

test('keys below a key have paths of their own: the file of a key is not also a folder', () => {
  const encryption = { key: secret({ file: 'key' }) };
  const config = machine({
    pools: { tank: { vdevs: [{ disk: '/dev/disk/by-id/a' }], encryption } },
    datasets: { 'tank/a': { encryption }, 'tank/a/b': { encryption }, 'tank/c': {} },
  });
  const { files } = config.storage as { files: { path: string; contents: { source: string } }[] };
  const paths = files.map(({ path }) => path);
  assert.deepEqual(
    paths.filter((path) => path.startsWith('/etc/draisine/keys/')),
    ['tank', 'tank+a', 'tank+a+b'].map((name) => `/etc/draisine/keys/${name}`),
  );
  for (const path of paths) assert.ok(!paths.some((other) => other.startsWith(`${path}/`)), path);
  const script = files.find(({ path }) => path.endsWith('/tank/a/b.sh'))?.contents.source ?? '';
  assert.match(dataOf(script)?.toString() ?? '', /keylocation=file:\/\/\/etc\/draisine\/keys\/tank\+a\+b/);
  const alone = machine({
    pools: { tank: { vdevs: [{ disk: '/dev/disk/by-id/a' }] } },
    datasets: { 'tank/a': { encryption } },
  });
  assert.match(JSON.stringify(alone), /"\/etc\/draisine\/keys\/tank\/a"/);
});

test('mistakes that types cannot detect are errors at run time', () => {
  assert.throws(
    () => machine({ datasets: { 'gone/a': {} as never } }),
    /the pool of dataset gone\/a is not declared/,
  );
  const volumes = [{ dataset: 'tank/x' as never, at: '/a' }];
  assert.throws(() => machine({ pools: POOLS, containers: { c: { image, volumes } } }), /not declared/);
});

test('a mount point among the properties is an error, because volumes of containers would not use it', () => {
  const datasets = { 'tank/x': { properties: { mountpoint: '/srv/x' } } };
  assert.throws(() => machine({ pools: POOLS, datasets }), {
    name: 'Failure',
    exitCode: 2,
    message: /tank\/x has its mount point among the properties/,
    where: 'datasets.tank/x.properties.mountpoint',
  });
});

test('a secret is a placeholder until the config is compiled', () => {
  const made = machine({ files: { '/k': { contents: secret({ file: 'k' }) } } });
  assert.deepEqual((made as { storage?: object }).storage, {
    files: [
      {
        path: '/k',
        mode: 0o600,
        overwrite: true,
        contents: { source: { secret: { file: 'k' }, as: 'data-url' } },
      },
    ],
  });
});

const EXAMPLES = new URL('../images/n100/examples/', import.meta.url);
for (const name of readdirSync(EXAMPLES)) {
  test(`the example ${name} is valid`, async () => {
    const { default: config } = (await import(new URL(name, EXAMPLES).href)) as { default: object };
    const verdict = await validate(Buffer.from(JSON.stringify(config)));
    assert.deepEqual(verdict, { valid: true, entries: [] });
  });
}

test('the example in docs/ignition.md compiles', async () => {
  const folder = mkdtempSync('/tmp/draisine-docs-');
  try {
    const page = readFileSync(new URL('../docs/ignition.md', import.meta.url), 'utf8');
    const [, example = ''] = /```ts\n(import .*?)```/s.exec(page) ?? [];
    const file = join(folder, 'box.ts');
    const index = new URL('index.ts', import.meta.url).pathname;
    writeFileSync(file, example.replace('../ignition/index.ts', index).replaceAll('…', ''));
    const { config, entries } = await compileConfig(file);
    assert.deepEqual([config?.ignition, entries], [{ version: '3.3.0' }, []]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a value that an option does not have is refused, although compiling does not check types', () => {
  const container = { image: 'docker.io/library/x:1' };
  const pool = { vdevs: [{ disk: '/dev/disk/by-id/a' }] };
  const refused = (where: string, options: object) =>
    assert.throws(() => machine(options as never), { where });
  refused('containers.a.ports[0].protocol', {
    containers: { a: { ...container, ports: [{ host: 53, protocol: 'UDP' }] } },
  });
  refused('containers.a.health.onFailure', {
    containers: { a: { ...container, health: { command: 'x', onFailure: 'die' } } },
  });
  refused('pools.tank.create', { pools: { tank: { ...pool, create: 'Never' } } });
  refused('scrubs.tank', { pools: { tank: pool }, scrubs: { tank: 'Never' } });
  refused('users.me.ssh.only', { users: { me: { ssh: { only: 'ftp' } } } });
  refused('network.bonds.b.mode', {
    network: { bonds: { b: { mode: 'lacp', dhcp: true, ports: [{ name: 'a' }] } } },
  });
  refused('network: dhcp of lan', { network: { interfaces: { lan: { port: { name: 'a' }, dhcp: 'yes' } } } });
  refused('freeImages', { freeImages: 'dayly' });
});
