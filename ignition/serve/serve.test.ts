import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { sdkTree } from '../../build/image/sdk.ts';
import { formatManifest } from '../../build/product/manifest.ts';
import { Failure } from '../../sdk/lib/errors.ts';
import { sha256 } from '../../sdk/lib/files.ts';
import { runTool } from '../../sdk/tool.ts';
import { type Port, parseRange } from './address.ts';
import { configFor, readConfigs } from './configs.ts';
import { dnsmasqConfig } from './dnsmasq.ts';
import { answerTo, BOOT_PROGRAMS, settledScript } from './files.ts';
import { parseRange as parseByteRange, serveHttp } from './http.ts';
import { tftpFolder } from './serve.ts';
import { updatesFolder } from './updates.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'draisine-serve-test-'));
});
after(() => rm(folder, { recursive: true, force: true }));

const port: Port = { name: 'lan0', address: '192.168.7.1', netmask: '255.255.255.0' };
const badInput = (what: RegExp) => (error: unknown) =>
  error instanceof Failure && error.exitCode === 2 && what.test(`${error.message} ${error.hint}`);

test('the range of DHCP: addresses of the interface’s network, without its own', () => {
  assert.deepEqual(parseRange('192.168.7.10, 192.168.7.20', port), ['192.168.7.10', '192.168.7.20']);
  for (const [text, what] of [
    ['192.168.7.10', /FROM,TO/],
    ['192.168.7.10,192.168.7.300', /FROM,TO/],
    ['192.168.8.10,192.168.8.20', /not of the interface/],
    ['192.168.7.20,192.168.7.10', /ends before/],
    ['192.168.7.1,192.168.7.10', /own address/],
  ] as const)
    assert.throws(() => parseRange(text, port), badInput(what), text);
});

test('one range of bytes', () => {
  assert.deepEqual(parseByteRange('bytes=0-3', 10), { from: 0, to: 3 });
  assert.deepEqual(parseByteRange('bytes=4-', 10), { from: 4, to: 9 });
  assert.deepEqual(parseByteRange('bytes=-3', 10), { from: 7, to: 9 });
  assert.deepEqual(parseByteRange('bytes=8-99', 10), { from: 8, to: 9 });
  assert.equal(parseByteRange('bytes=10-', 10), 'outside');
  for (const odd of [undefined, 'bytes=-', 'bytes=3-1', 'bytes=0-1,4-5', 'lines=1-2'])
    assert.equal(parseByteRange(odd, 10), undefined);
});

describe('machine configs', () => {
  const at = async (name: string, files: Record<string, string>) => {
    const where = join(folder, name);
    await mkdir(where);
    for (const [file, text] of Object.entries(files)) await writeFile(join(where, file), text);
    return where;
  };
  const ign = '{"ignition":{"version":"3.3.0"}}';

  test('by hardware address, in any notation, else the default; Butane is compiled', async () => {
    const configs = await readConfigs(
      await at('good', {
        'AA-bb-cc-dd-ee-01.ign': ign,
        'default.bu': 'variant: fcos\nversion: 1.4.0\n',
        'notes.txt': 'not a config',
      }),
    );
    assert.equal(configFor(configs, 'aa:BB:cc:dd:ee:01')?.toString(), ign);
    assert.equal(
      JSON.parse(configFor(configs, '52-54-00-00-00-00')?.toString() ?? '').ignition.version,
      '3.3.0',
    );
  });

  test('a config that a machine would refuse is an error with its place, before anything is served', async () => {
    const wrong = await at('wrong', {
      'default.ign': '{"ignition":{"version":"3.3.0"},"storage":{"files":[{"path":"x"}]}}',
    });
    await assert.rejects(
      readConfigs(wrong),
      badInput(/default\.ign:1:\d+: error: .*storage\.files\.0\.path/s),
    );
    await assert.rejects(
      readConfigs(await at('name', { 'box.ign': ign })),
      badInput(/aa-bb-cc-dd-ee-ff\.ign/),
    );
    const once = await at('once', {
      'default.mts': `export default {
        ignition: { version: '3.3.0' },
        passwd: { users: [{ name: 'a', passwordHash: { as: 'text', secret: { command: ['sh', '-c', 'echo x | tee -a ran'] } } }] },
      };`,
    });
    await readConfigs(once);
    assert.equal(await readFile(join(once, 'ran'), 'utf8'), 'x\n', 'a secret’s program runs once');
    await assert.rejects(readConfigs(await at('none', {})), badInput(/no machine config/));
    await assert.rejects(readConfigs(join(folder, 'gone')), badInput(/no such folder/));
    const two = await at('two', { 'default.ign': ign, 'default.json': ign });
    await assert.rejects(readConfigs(two), badInput(/two configs for default/));
  });
});

test('the script has the server’s address as the client uses it, and the additions for machines', () => {
  const script = '#!ipxe\nboot\n';
  assert.equal(settledScript(script, 'box:81', {}), '#!ipxe\nset base http://box:81/\nboot\n');
  const all = settledScript(script, 'h', { configs: new Map(), ca: Buffer.from('x'), args: 'a=b c' });
  assert.ok(
    all.includes(
      `\nset config http://h/config/\${netX/mac:hexhyp}\nset ca http://h/ca.crt\nset args a=b c\nboot\n`,
    ),
  );
});

test('kernel arguments reach the script as they are written', () => {
  const args = "a=$& b=$$ c=$'";
  assert.ok(settledScript('#!ipxe\nboot\n', 'h', { args }).includes(`\nset args ${args}\nboot\n`));
});

test('HTTP: whole files, parts, heads; a machine without a config gets a hint', async () => {
  const file = join(folder, 'usr.img');
  await writeFile(file, '0123456789');
  const served = { image: 'n100', files: new Map([['/usr.img', file]]), script: '#!ipxe\n' };
  const lines: string[] = [];
  const server = await serveHttp({
    address: '127.0.0.1',
    port: 0,
    answer: (path, host) => answerTo(served, { configs: new Map() }, path, host),
    log: (line) => void lines.push(line),
  });
  const base = `http://127.0.0.1:${server.port}`;
  try {
    assert.equal(await (await fetch(`${base}/usr.img`)).text(), '0123456789');
    const part = await fetch(`${base}/usr.img`, { headers: { range: 'bytes=2-4' } });
    assert.deepEqual(
      [part.status, part.headers.get('content-range'), await part.text()],
      [206, 'bytes 2-4/10', '234'],
    );
    assert.equal((await fetch(`${base}/usr.img`, { headers: { range: 'bytes=10-' } })).status, 416);
    const head = await fetch(`${base}/usr.img`, { method: 'HEAD' });
    assert.deepEqual([head.headers.get('content-length'), await head.text()], ['10', '']);
    assert.equal((await fetch(`${base}/usr.img`, { method: 'PUT', body: 'x' })).status, 405);
    assert.equal((await fetch(`${base}/%2e%2e/etc/passwd`)).status, 404);
    const none = await fetch(`${base}/config/52-54-00-00-00-00`);
    assert.deepEqual(
      [none.status, /put 52-54-00-00-00-00\.ign or default\.ign/.test(await none.text())],
      [404, true],
    );
    assert.ok(
      lines.some((line) => /127\.0\.0\.1 {2}GET \/usr\.img {2}206 3 bytes/.test(line)),
      lines.join('\n'),
    );
    const again = serveHttp({
      address: '127.0.0.1',
      port: server.port,
      answer: () => undefined,
      log: () => {},
    });
    await assert.rejects(again, badInput(/in use.*--port/s));
  } finally {
    await server.close();
  }
});

test('a path below a file, a path that is too long, and a removed file do not end the server', async () => {
  const base = join(folder, 'odd');
  await mkdir(base);
  await writeFile(join(base, 'root.json'), '{}');
  const files = new Map([['/gone.efi', join(base, 'gone.efi')]]);
  const served = { image: 'n100', files, script: '' };
  const server = await serveHttp({
    address: '127.0.0.1',
    port: 0,
    answer: (path, host) => answerTo(served, { updates: updatesFolder(base) }, path, host),
    log: () => {},
  });
  try {
    const statuses: number[] = [];
    for (const path of ['updates/root.json/x', `updates/${'a'.repeat(300)}`, 'gone.efi', 'updates/root.json'])
      statuses.push((await fetch(`http://127.0.0.1:${server.port}/${path}`)).status);
    assert.deepEqual(statuses, [404, 404, 404, 200]);
  } finally {
    await server.close();
  }
});

test('a machine without a config is in the log by its name; no other characters of a client come there', () => {
  const at = (path: string) =>
    answerTo({ image: 'n100', files: new Map(), script: '' }, { configs: new Map() }, path, 'h');
  const known = at('/config/52-54-00-00-00-01');
  assert.match(known && 'note' in known ? (known.note ?? '') : '', /^no config for 52-54-00-00-00-01: /);
  for (const name of ['\x1b[2J', 'a\nb', 'a b']) assert.equal(at(`/config/${name}`), undefined, name);
});

test('updates: the current files of a published folder, and no others', async () => {
  const base = join(folder, 'base');
  await mkdir(join(base, 'n100'), { recursive: true });
  assert.throws(() => updatesFolder(base), badInput(/no root\.json.*channel init/s));
  assert.throws(() => updatesFolder(join(folder, 'gone')), badInput(/not a folder/));
  await writeFile(join(base, 'root.json'), 'root');
  await writeFile(join(folder, 'secret'), 'x');
  const updates = updatesFolder(base);
  const at = (path: string) =>
    answerTo({ image: 'n100', files: new Map(), script: '' }, { updates }, path, 'h');
  assert.deepEqual(at('/updates/root.json'), { file: join(base, 'root.json') });
  assert.equal(at('/updates/n100/stable.json'), undefined);
  await writeFile(join(base, 'n100', 'stable.json'), '{}');
  assert.deepEqual(at('/updates/n100/stable.json'), { file: join(base, 'n100', 'stable.json') });
  await writeFile(join(base, '.lock'), '');
  for (const path of [
    '/updates/',
    '/updates/n100',
    '/updates/../secret',
    '/updates/.lock',
    '/updates//root.json',
    '/root.json',
  ])
    assert.equal(at(path), undefined, path);
});

test('dnsmasq takes both configurations', async () => {
  const tools = await sdkTree('sdk-serve');
  const options = {
    port,
    folder,
    script: 'http://192.168.7.1/boot.ipxe',
    httpBoot: 'http://192.168.7.1/http.efi',
  };
  for (const range of [undefined, ['192.168.7.10', '192.168.7.20'] as const]) {
    const file = join(folder, 'dnsmasq.conf');
    await writeFile(file, dnsmasqConfig({ ...options, ...(range ? { range } : {}) }));
    await runTool(tools, 'dnsmasq', ['--test', `--conf-file=${file}`]);
  }
});

test('dnsmasq: other users cannot change its settings, and it writes no file outside of its folder', async () => {
  const program = join(folder, 'program');
  await writeFile(program, '');
  const made = await tftpFolder(new Map(Object.values(BOOT_PROGRAMS).map((name) => [`/${name}`, program])));
  try {
    assert.equal((await stat(made)).mode & 0o777, 0o755);
    assert.equal((await stat(join(made, 'tftp', BOOT_PROGRAMS.bios))).mode & 0o777, 0o644);
  } finally {
    await rm(made, { recursive: true });
  }
  const text = dnsmasqConfig({ port, folder: '/f', script: 's', httpBoot: 'h' });
  assert.match(text, /^dhcp-leasefile=\/f\/leases$/m);
  assert.match(text, /^pid-file=$/m);
});

const draisine = fileURLToPath(new URL('../../draisine', import.meta.url));

test('serves an image until Ctrl-C, which is not an error', async () => {
  const image = join(folder, 'image');
  await mkdir(image);
  const names = ['kernel', 'initrd', 'pxe.initrd', 'usr.img', 'uki', 'boot.ipxe', 'http.efi'];
  const artifacts = names.map((name) => {
    const text = name === 'boot.ipxe' ? '#!ipxe\nboot\n' : name;
    return { name, path: name, text, size: text.length, sha256: sha256(text) };
  });
  for (const { path, text } of artifacts) await writeFile(join(image, path), text);
  const manifest = {
    name: 'tiny',
    version: '1',
    lock: sha256(''),
    usrHash: sha256(''),
    artifacts: artifacts.map(({ text, ...artifact }) => artifact),
    packages: [],
  };
  await writeFile(join(image, 'manifest.json'), formatManifest(manifest));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const child = spawn(draisine, ['serve', image, '--http-only', '--port', '0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'close');
    let said = '';
    await new Promise<void>((resolve) => {
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        said += chunk;
        if (said.includes('Ctrl-C ends it')) resolve();
      });
      child.once('close', () => resolve());
    });
    const [base = ''] = /http:\S+/.exec(said) ?? [];
    assert.equal(await (await fetch(`${base}usr.img`)).text(), 'usr.img', said);
    child.kill(signal);
    assert.deepEqual(await ended, [0, null]);
    await assert.rejects(fetch(base));
  }
});

describe('wrong usage', () => {
  const run = (...args: string[]) =>
    new Promise<{ code: number | null; said: string }>((resolve, reject) => {
      const child = spawn(draisine, ['serve', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
      let said = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk));
      child.once('error', reject);
      child.once('close', (code) => resolve({ code, said }));
    });
  for (const [args, what] of [
    [[], /no interface is named.*--http-only/s],
    [['--interface', 'nosuch0'], /there is no interface nosuch0\n.*there are: .*lo/s],
    [['--http-only', '--port', '99999'], /not a port from 0 to 65535: 99999/],
    [['--http-only', '--dhcp', '10.0.0.1,10.0.0.2'], /exclude each other/],
    [['--http-only', '--args', 'a && reboot'], /not kernel arguments/],
    [['--http-only', '--ca', '/nonexistent'], /cannot read the certificate/],
    [['nosuch', '--http-only'], /nosuch is neither a manifest/],
  ] as const)
    test(args.join(' ') || 'nothing', async () => {
      const { code, said } = await run(...args);
      assert.equal(code, 2, said);
      assert.match(said, what);
    });
});
