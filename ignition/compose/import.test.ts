import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { compileConfig } from '../load.ts';
import { importCompose } from './import.ts';
import { wordsOf } from './nodes.ts';
import { portOf, qualifiedImage } from './service.ts';
import { toSource } from './source.ts';

const COMPOSE = `name: shop
x-common: &common
  restart: unless-stopped
  environment: {LOG: info}
services:
  web:
    <<: *common
    image: nginx:1.27
    ports: ["8080:80", "127.0.0.1:53:53/udp", {target: 443, published: 8443}]
    volumes:
      - ./html:/usr/share/nginx/html:ro
      - cache:/var/cache/nginx
    depends_on:
      db: {condition: service_healthy}
    networks: [front, back]
    tmpfs: /run
    cap_drop: [ALL]
    cap_add: [NET_BIND_SERVICE]
    deploy: {resources: {limits: {memory: 256m, cpus: "0.5", pids: 100}}}
    labels: {team: "it's ours"}
    command: nginx -g 'daemon off;'
  db:
    image: docker.io/library/postgres:\${TAG:-17}
    user: "999:999"
    env_file: db.env
    secrets: [password]
    healthcheck:
      test: [CMD-SHELL, "pg_isready -U x || exit 1"]
      interval: 10s
      retries: 5
    volumes:
      - {type: volume, source: data, target: /var/lib/postgresql/data}
    networks: [back]
    devices: ["/dev/dri:/dev/dri", "/dev/ttyACM0:/dev/stick"]
networks:
  front:
  back: {internal: true}
volumes: {cache: , data: }
secrets:
  password: {file: ./password.txt}
`;

const lines = (text: string): string[] =>
  importCompose(text, '/srv/shop/compose.yaml').entries.map(
    ({ kind, line, message }) => `${line} ${kind} ${message}`,
  );

test('folders of the host are made, as Docker makes them; a file beside the compose file is taken over', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'draisine-compose-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'nginx.conf'), 'x', { mode: 0o600 });
  const one = (volume: string) =>
    importCompose(
      `name: p\nservices:\n  a: {image: a, volumes: ["${volume}"]}\n`,
      join(folder, 'compose.yaml'),
    );
  assert.match(one('/srv/data/:/data').text ?? '', /directories: \{ '\/srv\/data': \{\} \}/);
  assert.doesNotMatch(one('/etc/localtime:/etc/localtime:ro').text ?? '', /directories/);
  assert.match(one('/srv/app.conf:/a.conf').entries[0]?.message ?? '', /nothing makes \/srv\/app\.conf/);
  const { text, entries } = one('./nginx.conf:/etc/nginx/nginx.conf:ro');
  assert.deepEqual(entries, []);
  assert.match(
    text ?? '',
    /files: \{ '\/var\/lib\/p\/nginx\.conf': \{ contents: secret\(\{ file: '\.\/nginx\.conf' \}\), mode: 0o600 \} \}/,
  );
});

test('a compose file becomes a machine that the type checker accepts', { timeout: 120_000 }, async () => {
  const folder = mkdtempSync(fileURLToPath(new URL('.import-', import.meta.url)));
  try {
    const output = join(folder, 'machine.ts');
    const { text = '', entries } = importCompose(COMPOSE, join(folder, 'compose.yaml'), output);
    assert.deepEqual(
      entries.map(({ line, message }) => [line, message.split(':')[0]]),
      [[11, './html lies beside the compose file']],
    );
    assert.match(text, /back: \{ internal: true \}/);
    writeFileSync(output, text);
    writeFileSync(join(folder, 'db.env'), 'A=b\n');
    writeFileSync(join(folder, 'password.txt'), 'hunter2\n');
    const tsc = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url));
    const config = {
      extends: '../../../tsconfig.json',
      compilerOptions: { types: ['node'] },
      include: ['machine.ts'],
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    assert.equal(spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' }).stdout, '');
    const { config: made, entries: said } = await compileConfig(output);
    assert.deepEqual(said, []);
    const quadlets = decodeURIComponent(JSON.stringify(made).replaceAll(/%(?![0-9A-F]{2})/g, '%25'));
    for (const line of [
      'Image=docker.io/library/nginx:1.27',
      'PublishPort=8080:80',
      'PublishPort=127.0.0.1:53:53/udp',
      'PublishPort=8443:443',
      'Volume=/var/lib/shop/html:/usr/share/nginx/html:ro',
      'Requires=db.service',
      'Notify=healthy',
      'MemoryMax=256M',
      'CPUQuota=50%',
      'AddCapability=CAP_NET_BIND_SERVICE',
      'DropCapability=ALL',
      'User=999',
      'Environment="LOG=info"',
      'AddDevice=/dev/ttyACM0:/dev/stick',
    ]) {
      assert.ok(quadlets.includes(line) || quadlets.includes(line.replaceAll('"', '')), line);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

describe('options that are not taken over are reported with their line', () => {
  const service = (body: string): string[] => lines(`services:\n  a:\n    image: docker.io/a/b:1\n${body}`);
  const cases: readonly (readonly [string, RegExp])[] = [
    ['    privileged: true\n', /^4 warning privileged of a is not taken over/],
    ['    volumes: [/var/run/docker.sock:/var/run/docker.sock]\n', /^4 warning Docker's socket/],
    ['    ports: ["80"]\n', /^4 warning 80 names no port of the host/],
    ['    environment: [HOME]\n', /^4 warning HOME has no value/],
    ['    environment: {DB_PASSWORD: x}\n', /^4 warning everybody can read DB_PASSWORD in the result/],
    ['    command: echo $' + '{NAME}\n', /^4 warning the variable NAME has no value/],
    ['    network_mode: service:vpn\n', /^4 warning network_mode service:vpn is not taken over/],
    ['    ulimits: {nofile: many}\n', /^4 warning the limit nofile is not a number/],
    [
      '    entrypoint: []\n',
      /^2 warning the result does not compile yet: entrypoint names no program, and command/,
    ],
    ['    command: []\n', /^4 warning an empty command is not taken over/],
    [
      '    sysctls: {vm.max_map_count: 262144}\n',
      /^2 warning the result does not compile yet: a container has no kernel parameter "vm.max_map_count"/,
    ],
    ['    cpus: half\n', /^4 warning cpus: "half" is not a number/],
    [
      '    volumes: [../../x:/x]\n',
      /^4 warning ..\/..\/x lies beside .* the result uses \/var\/lib\/shop\/x;/,
    ],
    ['    user: postgres\n', /^4 warning user "postgres" is not a number/],
    ['    restart: "no"\n', /^4 warning restart: no is not taken over/],
    ['    build: .\n', /^4 warning build of a is not taken over/],
    ['    volumes: ["/:/host:ro,rslave"]\n', /^4 warning rslave of the volume at \/host is not taken over/],
    [
      '    volumes: [{type: volume, source: v, target: /v, volume: {subpath: x}}]\n',
      /^4 warning volume of the volume at \/v/,
    ],
    [
      '    volumes: [{type: image, source: v, target: /v}]\n',
      /^4 warning the volume at \/v .* of type image/,
    ],
    ['    healthcheck: {start_interval: 1s, test: x}\n', /^4 warning start_interval of the health check/],
    ['    healthcheck: {test: x, retries: few}\n', /^4 warning number of retries "few" is not a number/],
    ['    mem_limit: much\n', /^2 warning the result does not compile yet: not a limit of memory: "much"/],
    ['    healthcheck: {interval: 1s}\n', /^4 warning interval of the health check is not taken over/],
    ['    healthcheck: {disable: true}\n', /^4 warning a disabled health check is not taken over/],
    ['    healthcheck: {test: [NONE]}\n', /^4 warning a disabled health check is not taken over/],
    [
      '    deploy: {resources: {reservations: {memory: 1g}}}\n',
      /^4 warning reservations of deploy.resources/,
    ],
    [
      '    extends: {file: x.yml, service: y}\n',
      /^4 warning extends of a .*: write the keys of that service/,
    ],
    [
      '    network_mode: host\n    ports: ["80:80"]\n',
      /^5 warning ports of a are not taken over: with network_mode host/,
    ],
    ['    depends_on: [b]\n', /^2 warning the result does not compile yet: .*; declare it in containers$/],
    [
      '    ports: ["99999:80"]\n',
      /^2 warning the result does not compile yet: 99999 is not a port; write a number/,
    ],
  ];
  for (const [body, pattern] of cases) {
    test(body.trim(), () => {
      const found = service(body);
      assert.equal(found.length, 1, found.join('\n'));
      assert.match(found.join(), pattern);
    });
  }
  test('a health check that is not disabled, a network of the same file, and a folder that two services share', () => {
    const none =
      '    cpus: 0\n    mem_limit: 0\n    pids_limit: -1\n    privileged: false\n    init: false\n';
    assert.deepEqual(service(none), []);
    const { text } = importCompose(`services:\n  a:\n    image: a\n${none}`, '/srv/a/compose.yaml');
    assert.doesNotMatch(text ?? '', /limits/);
    assert.deepEqual(service('    healthcheck: {disable: false}\nnetworks: {n: {external: false}}\n'), []);
    const shared =
      'x-e: &e {A: $' +
      '{A}}\nservices:\n  a: {image: a, environment: *e}\n  b: {image: b, environment: *e}\n';
    assert.equal(lines(shared).length, 1, lines(shared).join('\n'));
    const job =
      'services:\n  a: {image: a, depends_on: {b: {condition: service_completed_successfully}}}\n  b: {image: b}\n';
    assert.match(lines(job).join(), /^2 warning service_completed_successfully of b is not taken over/);
    const both = 'services:\n  a: {image: a, networks: [default, n]}\nnetworks: {n: }\n';
    assert.match(lines(both).join(), /^2 warning default beside n is not taken over/);
  });
  test('values in quotes of an env_file', () => {
    const folder = mkdtempSync('/tmp/draisine-import-');
    try {
      writeFileSync(
        join(folder, '.env'),
        'A=1\nB="x y"\n# C="z"\nexport D=\'q\' # r\nE=a"b"\nF=a#b\nG=a # b\n',
      );
      const { entries } = importCompose(
        'services:\n  a: {image: a, env_file: [{path: .env}]}\n',
        join(folder, 'compose.yaml'),
      );
      assert.deepEqual(
        entries.map(({ message }) => message),
        ['.env has values with quotes or comments, which podman does not remove; remove them: B, D, G'],
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
  test('no compose file', () => {
    assert.deepEqual(lines('a: 1\n'), [
      '1 error not a compose file: it has no services; write services: at the top, and the containers below it',
    ]);
    assert.match(lines('services: [\n').join(), /^\d+ error /);
  });
});

test('shared memory, limits of processes, kernel parameters and the program of a service', () => {
  const body =
    '{image: a, shm_size: 128mb, ulimits: {nproc: 65535, nofile: {soft: 20000, hard: 40000}, memlock: -1}, ' +
    'sysctls: [net.core.somaxconn=1024], entrypoint: "sh -c \'echo a\'"}';
  const { text = '', entries } = importCompose(`services:\n  a: ${body}\n`, '/srv/a/compose.yaml');
  assert.deepEqual(entries, []);
  for (const part of [
    "shmSize: '128M'",
    'ulimits: { nproc: 65535, nofile: { soft: 20000, hard: 40000 }, memlock: -1 }',
    "sysctls: { 'net.core.somaxconn': '1024' }",
    "entrypoint: ['sh', '-c', 'echo a']",
  ])
    assert.ok(text.replace(/\s+/g, ' ').includes(part), text);
});

test('an empty entrypoint leaves the program to the command; null leaves both to the image', () => {
  const one = (body: string) => importCompose(`services:\n  a: {image: a, ${body}}\n`, '/srv/a/compose.yaml');
  const emptied = one('entrypoint: [], command: [sh, -c, id]');
  assert.deepEqual(emptied.entries, []);
  assert.match(emptied.text ?? '', /command: \['sh', '-c', 'id'\]/);
  assert.match(emptied.text ?? '', /entrypoint: \[\]/);
  assert.match(one("command: id, entrypoint: ''").text ?? '', /entrypoint: \[\]/);
  const left = one('entrypoint: null, command: ~');
  assert.deepEqual(left.entries, []);
  assert.doesNotMatch(left.text ?? '', /entrypoint|command/);
});

test('values of .env are without quotes and comments', () => {
  const folder = mkdtempSync('/tmp/draisine-compose-');
  try {
    writeFileSync(join(folder, '.env'), 'TAG=1.2 # stable\nA="x # y" # z\nB=c#d\nC=\n');
    const body = '{image: "a:$TAG", environment: {A: "$A", B: "$B", C: "$C"}}';
    const { text = '', entries } = importCompose(`services:\n  a: ${body}\n`, join(folder, 'compose.yaml'));
    assert.deepEqual(entries, []);
    assert.match(text, /library\/a:1\.2'/);
    assert.match(text, /environment: \{ A: 'x # y', B: 'c#d', C: '' \}/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('images, ports, words and source text', () => {
  assert.deepEqual(['nginx', 'a/b:1', 'ghcr.io/a/b@sha256:00', 'localhost:5000/x'].map(qualifiedImage), [
    'docker.io/library/nginx:latest',
    'docker.io/a/b:1',
    'ghcr.io/a/b@sha256:00',
    'localhost:5000/x:latest',
  ]);
  assert.deepEqual(portOf('3000-3001:4000-4001'), [
    { host: 3000, container: 4000 },
    { host: 3001, container: 4001 },
  ]);
  assert.deepEqual(portOf('8080:80'), [{ host: 8080, container: 80 }]);
  assert.deepEqual(portOf('[::1]:80:80'), [{ host: 80, address: '::1' }]);
  assert.equal(portOf('a'), undefined);
  assert.deepEqual(wordsOf(`sh -c "echo \\"a b\\"" 'c d' e\\ f`), ['sh', '-c', 'echo "a b"', 'c d', 'e f']);
  assert.equal(toSource({ 'a-b': ["it's", 1], c: undefined }), "{ 'a-b': ['it\\'s', 1] }");
});

test('the name of a project has letters and digits, wherever the file lies and whatever it is called', () => {
  const made = (name: string, file: string) =>
    importCompose(`${name}services: {a: {image: a, volumes: ["./x:/x", /y]}}\n`, file);
  for (const [name, file, path] of [
    ['', '/srv/Meine Größe #1/compose.yaml', '/var/lib/meinegre1/x'],
    ['name: ../../etc\n', '/srv/a/compose.yaml', '/var/lib/etc/x'],
    ['', '/compose.yaml', '/var/lib/compose/x'],
  ] as const) {
    const { text = '', entries } = made(name, file);
    assert.ok(text.includes(`'${path}'`), text);
    assert.ok(!entries.some(({ message }) => /does not compile/.test(message)), JSON.stringify(entries));
  }
});

test('variables: a default may have variables in braces; devices in the long form', () => {
  const text = (image: string) =>
    importCompose(`services:\n  a: {image: "${image}"}\n`, '/srv/shop/compose.yaml').text ?? '';
  assert.match(text('a/$' + '{X:-b$' + '{Y-c}}:1'), /'docker\.io\/a\/bc:1'/);
  assert.match(text('a/$' + '{X:-b}$' + '{Z:+d}$' + '{W-}:1'), /'docker\.io\/a\/b:1'/);
  const device = '{source: /dev/ttyACM0, target: /dev/stick, permissions: rw}';
  const made = importCompose(`services:\n  a: {image: a, devices: [${device}]}\n`, '/srv/shop/compose.yaml');
  assert.match(made.text ?? '', /devices: \[\{ path: '\/dev\/ttyACM0', at: '\/dev\/stick' \}\]/);
  assert.deepEqual(made.entries, []);
});

describe('files that are not compose files, and services without an image', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['', /^1 error .*; the file is empty$/],
    ['web:\n  image: nginx\n', /of version 1: write services: at the top, and indent/],
    ['apiVersion: v1\nkind: Pod\n', /of Kubernetes: .*NAME\.kube/],
    ['variant: fcos\nversion: 1.4.0\n', /draisine ignition compile/],
    ['ignition: {version: 3.3.0}\n', /draisine ignition validate/],
    ['version: "3"\n', /write services: at the top, and the containers below it$/],
    ['services:\n  a: {image: ""}\n', /^2 warning a has no image and is left out/],
    ['services:\n  a: {image: [x]}\n', /^2 warning a has no image and is left out/],
  ];
  for (const [text, pattern] of cases)
    test(JSON.stringify(text), () => assert.match(lines(text).join('\n'), pattern));
});
