import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { secret } from '../base/secret.ts';
import { machine } from '../machine.ts';
import { container, quadlet } from './container.ts';
import type { Fragment } from './fragment.ts';
import { containerNetwork, pod } from './pod.ts';
import { textOf } from './testing.ts';

const image = 'a.example/b:1';
const unitNames = (fragment: Fragment) =>
  ((fragment.systemd ?? {}) as { units?: { name: string }[] }).units?.map(({ name }) => name) ?? [];

describe('a quadlet', () => {
  test('has the user, the groups and the rights of the container', () => {
    const text = quadlet('a', {
      image,
      user: 1500,
      groups: ['render', 44],
      userns: 'auto',
      capabilities: { add: ['CAP_DAC_READ_SEARCH'], drop: ['CAP_CHOWN'] },
    });
    assert.match(text, /User=1500\nGroup=1500\nGroupAdd=render\nGroupAdd=44\nUserNS=auto\n/);
    assert.match(text, /AddCapability=CAP_DAC_READ_SEARCH\nDropCapability=CAP_CHOWN\n/);
  });

  test('has the time zone of the host unless it names one', () => {
    assert.match(quadlet('a', { image }), /^Timezone=local$/m);
    assert.throws(() => quadlet('a', { image, timeZone: 'Europe/Berlim' }), {
      where: 'containers.a.timeZone',
    });
    assert.match(quadlet('a', { image, timeZone: 'Europe/Berlin' }), /^Timezone=Europe\/Berlin$/m);
  });

  test('restarts less and less often while it fails', () => {
    assert.match(quadlet('a', { image }), /RestartSec=5s\nRestartSteps=8\nRestartMaxDelaySec=5min\n/);
  });

  test('stops and starts with a device that can be unplugged', () => {
    const stick = '/dev/serial/by-id/usb-Zigbee_1-if00';
    const text = quadlet('a', {
      image,
      devices: [{ path: stick, at: '/dev/ttyUSB0', unplugs: true }, '/dev/dri'],
    });
    const unit = String.raw`dev-serial-by\x2did-usb\x2dZigbee_1\x2dif00.device`;
    assert.ok(text.includes(`BindsTo=${unit}\nAfter=${unit} network-online.target\n`), text);
    assert.doesNotMatch(text, /WantedBy/); // a boot without the stick would wait for it
    assert.ok(text.includes(`AddDevice=${stick}:/dev/ttyUSB0\nAddDevice=/dev/dri\n`), text);
  });

  test('labels, memory folders, pull, health that starts it', () => {
    const health = { command: 'true', startsWhenHealthy: true };
    const text = quadlet('a', { image, pull: 'newer', labels: { 'a.b': 'c d' }, tmpfs: ['/run/a'], health });
    assert.match(text, /^Pull=newer$/m);
    assert.match(text, /^Label="a\.b=c d"$/m);
    assert.match(text, /^Tmpfs=\/run\/a$/m);
    assert.match(text, /^Notify=healthy$/m);
  });

  test('dollar signs reach the container: systemd reads $$ as $, and a word after $ as its own variable', () => {
    const text = quadlet('a', {
      image,
      command: ['sh', '-c', 'echo $' + '{X}', '$Y'],
      environment: { HASH: 'a$$b' },
      labels: { rule: 'Host(`a`)$' },
      health: { command: 'test -n "$Z"' },
    });
    assert.match(text, /^Exec="sh" "-c" "echo \$\$\{X\}" "\$\$Y"$/m);
    assert.match(text, /^Environment="HASH=a\$\$\$\$b"$/m);
    assert.match(text, /^Label="rule=Host\(`a`\)\$\$"$/m);
    assert.match(text, /^HealthCmd=\{ test -n "\$\$Z"; \}$/m);
  });
});

test('paths, devices and words reach podman as they are written', () => {
  const odd = '/srv/50% of $HOME/it\'s "new"';
  const text = quadlet('a', {
    image,
    volumes: [{ path: odd, at: '/data/100%' }],
    tmpfs: ['/run/$x'],
    devices: ['/dev/by-id/usb%2F\\x20a', { path: '/dev/a$', at: '/dev/b' }],
    command: ['a\nb%'],
    environment: { TEXT: '1\n"2"' },
    health: { command: 'test a \\' },
  });
  const path = `/srv/50%% of $$HOME/it's "new"`;
  assert.ok(text.includes(`\nVolume=${path}:/data/100%%\nTmpfs=/run/$$x\n`), text);
  assert.ok(text.includes('\nAddDevice=/dev/by-id/usb%%2F\\x20a\nAddDevice=/dev/a$$:/dev/b\n'), text);
  assert.ok(text.includes('\nExec="a\\nb%%"\n'), text);
  assert.ok(text.includes('\nEnvironment="TEXT=1\\n\\"2\\""\n'), text);
  assert.ok(text.includes('\nHealthCmd={ test a \\; }\n'), text);
});

test('an empty word of a command is kept, and so are the words after it', () => {
  const text = quadlet('a', { image, command: ['redis-server', '--save', '', '--appendonly', 'no'] });
  assert.ok(
    text.includes('\nExec="redis-server" "--save" $' + '{DRAISINE_EMPTY} "--appendonly" "no"\n'),
    text,
  );
  assert.match(text, /\[Service\]\n[^[]*^Environment=DRAISINE_EMPTY=$/m);
  assert.doesNotMatch(quadlet('a', { image, command: ['a'] }), /EMPTY/);
});

test('has the size of /dev/shm, limits, kernel parameters and the program of the container', () => {
  const text = quadlet('a', {
    image,
    shmSize: '256M',
    ulimits: { memlock: -1, nofile: { soft: 1024, hard: 65536 } },
    sysctls: { 'net.ipv4.ip_local_port_range': '1024 65000', 'net.core.somaxconn': 1024 },
    entrypoint: ['/bin/sh', '-c', 'echo "100%" $A\n\\', ''],
  });
  assert.match(text, /^ShmSize=256M\nUlimit=memlock=-1:-1\nUlimit=nofile=1024:65536$/m);
  assert.match(
    text,
    /^Sysctl="net\.ipv4\.ip_local_port_range=1024 65000"\nSysctl="net\.core\.somaxconn=1024"$/m,
  );
  assert.ok(text.includes(String.raw`Entrypoint=["/bin/sh","-c","echo \"100%%\" $$A\n\\",""]`), text);
  const refused = (options: object, where: string) =>
    assert.throws(() => quadlet('a', { image, ...options }), { where: `containers.a.${where}` });
  refused({ shmSize: '256MB' }, 'shmSize');
  refused({ shmSize: '0' }, 'shmSize');
  refused({ shmSize: '1G', pod: 'p' }, 'shmSize');
  refused({ ulimits: { files: 1 } }, 'ulimits.files');
  refused({ ulimits: { nofile: 1.5 } }, 'ulimits.nofile');
  refused({ ulimits: { nofile: { soft: 2, hard: 1 } } }, 'ulimits.nofile');
  refused({ sysctls: { 'vm.max_map_count': 262144 } }, 'sysctls.vm.max_map_count');
  refused({ sysctls: { 'net.core.somaxconn': 1 }, network: 'host' }, 'sysctls.net.core.somaxconn');
  refused({ sysctls: { 'kernel.sem': '1"' } }, 'sysctls.kernel.sem');
  refused({ entrypoint: [] }, 'entrypoint');
  refused({ entrypoint: [''], command: ['a'] }, 'entrypoint');
  assert.match(quadlet('a', { image, entrypoint: [], command: ['id'] }), /^Exec="id"$.*^Entrypoint=\[\]$/ms);
  assert.throws(() => machine({ containers: { a: { image, ulimits: { core: { sot: 1 } as never } } } }), {
    where: 'containers.a.ulimits.core',
  });
});

test('options with which podman 5.4 makes no service, or does not start it, are refused', () => {
  const refused = (options: object, what: RegExp) =>
    assert.throws(() => quadlet('a', { image, ...options }), what, JSON.stringify(options));
  refused({ group: 5 }, /has a group and no user/);
  refused({ userns: 'auto', secrets: { key: 'x' } }, /cannot read files of secrets/);
  refused({ command: ['find', '.', ';'] }, /lone semicolon/);
  refused({ environment: { '': 'x' } }, /not a name of a variable/);
  refused({ environment: { TOKEN: process.env.DRAISINE_NO_SUCH as never } }, /variable TOKEN has no text/);
  refused({ labels: { a: secret({ file: 'a' }) as never } }, /label a has no text/);
  refused({ labels: { 'a=b': 'x' } }, /not a name of a label/);
  refused({ health: { command: ' ' } }, /a health check has a command/);
  for (const interval of ['1min', '30', '', '-1s', '1 h'])
    refused({ health: { command: 'true', interval } }, /not a duration/);
  refused({ health: { command: 'true', startPeriod: 'disable' } }, /not a duration/);
  refused({ health: { command: 'true', retries: 0 } }, /not a number of retries/);
  for (const interval of ['disable', '0', '1h30m', '1.5s', '500ms'])
    quadlet('a', { image, health: { command: 'true', interval } });
});

test('networks that podman does not make are refused', () => {
  assert.throws(() => containerNetwork('host'), { where: 'containerNetworks.host' });
  const networks = (subnet: string) => () =>
    machine({ containerNetworks: { a: { subnet: '10.9.0.0/24' }, b: { subnet } } });
  assert.throws(networks('10.9.0.128/25'), { where: 'containerNetworks.b.subnet' });
  assert.doesNotThrow(networks('10.9.1.0/24'));
});

test('a container with user numbers of its own cannot write a dataset', () => {
  const config = (readOnly: boolean) => () =>
    machine({
      pools: { tank: { vdevs: [{ disk: '/dev/disk/by-id/a' }] } },
      datasets: { 'tank/a': {} },
      containers: { a: { image, userns: 'auto', volumes: [{ dataset: 'tank/a', at: '/a', readOnly }] } },
    });
  assert.throws(config(false), /with user numbers of its own and cannot write dataset tank\/a/);
  assert.doesNotThrow(config(true));
});

test('a text that would break a line of the quadlet is refused', () => {
  const refused = (options: object, what: RegExp) =>
    assert.throws(() => quadlet('a', { image, ...options }), what, JSON.stringify(options));
  refused({ image: 'a.example/b:$' + '{TAG}' }, /not a fully qualified image/);
  for (const wrong of [
    'docker.io/library/Nginx:1',
    'docker.io/library/nginx::latest',
    'docker.io/a b:1',
    'linuxserver/plex:latest',
    'docker.io/library/nginx:1@sha256:abc',
  ])
    refused({ image: wrong }, /not a fully qualified image/);
  for (const right of ['localhost/a', 'registry:5000/a/b:1', `quay.io/a/b:1@sha256:${'0a'.repeat(32)}`])
    assert.ok(quadlet('a', { image: right }).includes(`\nImage=${right}\n`));
  refused({ volumes: [{ path: '/a', at: '/x' }], tmpfs: ['/x/'] }, /two mounts at \/x$/);
  refused(
    {
      volumes: [
        { path: '/a', at: '/x' },
        { volume: 'b', at: '/x' },
      ],
    },
    /two mounts at \/x$/,
  );
  refused({ volumes: [{ path: '/a\\', at: '/b' }] }, /host path .*backslash/);
  refused({ volumes: [{ path: '/a', at: '/b ' }] }, /mount point/);
  refused({ devices: ['/dev/a b'] }, /not a device/);
  refused({ groups: ['a b'] }, /not a group/);
  refused({ capabilities: { add: ['NET ADMIN'] } }, /not a capability/);
  refused({ timeZone: '%n' }, /not a time zone/);
  for (const address of ['[::1]', '', 'lan', '192.0.2', '192.0.2.1/24'])
    refused({ ports: [{ host: 80, address }] }, /is not an address of the machine/);
  quadlet('a', { image, volumes: [{ path: '/', at: '/host' }] });
  for (const memory of ['512mb', '', '0', '0M', '1 G', 'much', '-1'])
    refused({ limits: { memory } }, /not a limit of memory/);
  for (const cpu of ['0%', '50', '-5%', '50 %']) refused({ limits: { cpu } }, /not a limit of the CPU/);
  for (const processes of [0, -1, 1.5]) refused({ limits: { processes } }, /not a limit of processes/);
  quadlet('a', { image, limits: { memory: '1.5G', cpu: '150%', processes: 1 } });
  quadlet('a', { image, limits: { memory: '50%' } });
  refused({ network: 'host', ports: [80] }, /publishes ports, and its network is host/);
  refused({ network: 'none', ports: [80] }, /publishes ports, and its network is none/);
  quadlet('a', { image, network: 'host', ports: [] });
  assert.throws(() => pod('a', { network: 'host', ports: [80] }), {
    where: 'pods.a.ports',
    message: /pods\.a publishes ports, and its network is host/,
  });
});

test('secrets are files that only the container’s user can read', () => {
  const made = container('a', { image, user: 1500, secrets: { token: 'x' } });
  assert.match(
    textOf(made, '/etc/containers/systemd/a.container'),
    /^Volume=\/etc\/draisine\/secrets\/a\/token:\/run\/secrets\/token:ro$/m,
  );
  const { files } = made.storage as { files: { path: string; mode: number; user?: { id: number } }[] };
  const file = files.find(({ path }) => path === '/etc/draisine/secrets/a/token');
  assert.equal(file?.mode, 0o400);
  assert.equal(file?.user?.id, 1500);
  container('b', { image, secrets: { key: secret({ command: ['true'] }) } });
});

test('a device that is plugged in starts its container by a separate unit, even while the container is stopping', () => {
  const devices = ['/dev/ttyA', '/dev/ttyB'].map((path) => ({ path, unplugs: true }));
  const { systemd } = container('a', { image, devices: [...devices, '/dev/dri'] }) as {
    systemd: { units: { name: string; enabled: boolean; contents: string }[] };
  };
  assert.deepEqual(
    systemd.units.map(({ name, enabled }) => [name, enabled]),
    [['draisine-plugged-a.service', true]],
  );
  const contents = systemd.units[0]?.contents ?? '';
  assert.match(contents, /^ExecStart=\/usr\/bin\/systemctl start --no-block a\.service$/m);
  assert.match(contents, /^ConditionPathExists=\/dev\/ttyA\nConditionPathExists=\/dev\/ttyB$/m);
  assert.match(contents, /^WantedBy=dev-ttyA\.device dev-ttyB\.device$/m);
  assert.deepEqual(unitNames(container('a', { image, devices: ['/dev/dri'] })), []);
  assert.match(quadlet('a', { image }), /^WantedBy=multi-user\.target$/m);
});

test('updates by registry come with their timer', () => {
  assert.deepEqual(unitNames(container('a', { image, autoUpdate: 'registry' })), [
    'podman-auto-update.timer',
  ]);
  assert.deepEqual(unitNames(container('a', { image })), []);
});

describe('a machine', () => {
  test('has containers that need each other, on separate networks', () => {
    const config = machine({
      containerNetworks: { inner: { internal: true } },
      containers: {
        db: { image, network: { names: ['inner'] } },
        app: { image, needs: ['db'], network: { names: ['inner'] } },
      },
    });
    const app = textOf(config, '/etc/containers/systemd/app.container');
    assert.match(app, /Requires=db\.service\nAfter=db\.service network-online\.target\n/);
    assert.match(app, /^Network=inner\.network$/m);
    assert.match(
      textOf(config, '/etc/containers/systemd/inner.network'),
      /NetworkName=inner\nInternal=yes\n/,
    );
  });

  test('refuses two quadlets with one service, and a service that a unit file or the image has', () => {
    const refused = (options: object, where: string, message: RegExp) =>
      assert.throws(() => machine(options), { where, message });
    const contents = '[Service]\nExecStart=/usr/bin/true\n';
    const units = { 'a.service': { contents } };
    refused(
      { containers: { 'a-pod': { image } }, pods: { a: {} } },
      'pods.a',
      /a-pod\.service.*containers\.a-pod/,
    );
    refused(
      { containers: { a: { image } }, units },
      'containers.a',
      /a\.service, .* a unit file of the config/,
    );
    refused({ containers: { ssh: { image } } }, 'containers.ssh', /ssh\.service, .* of the image/);
    refused(
      { pods: { a: {} }, containerNetworks: { 'systemd-x': {} } },
      'containerNetworks.systemd-x',
      /image/,
    );
    refused(
      { containers: { a: { image } }, pods: { a: {} } },
      'pods.a',
      /a container and a pod are called a: /,
    );
    const dropins = { own: '[Service]\nNice=5\n' };
    machine({
      containers: { a: { image }, sshd2: { image } },
      pods: { b: {} },
      units: { 'a.service': { dropins } },
    });
  });

  test('refuses names that are not declared, and circles', () => {
    const refused = (containers: object, where: string) =>
      assert.throws(() => machine({ containers: containers as never }), { where });
    refused({ a: { image, needs: ['b'] } }, 'containers.a.needs');
    refused({ a: { image, network: { names: ['x'] } } }, 'containers.a.network');
    refused({ a: { image, needs: ['b'] }, b: { image, needs: ['a'] } }, 'containers.a.needs');
    assert.throws(() => containerNetwork('a', { subnet: '10.0.0.0' }), /subnet/);
  });
});
