import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeVerity } from '../../build/fs/verity.ts';
import { buildTargets } from '../../build/graph/run.ts';
import { sdkTree } from '../../build/image/sdk.ts';
import { loadImage } from '../../build/product/images.ts';
import { runTool, toolCommand } from '../../sdk/tool.ts';

/* The script of the initrd, with the image's own wget and veritysetup, against real servers. */

const SCRIPT = fileURLToPath(new URL('../overlays/netboot/usr/lib/draisine/netboot-fetch', import.meta.url));
const SIZE = 1 << 20;

let folder = '';
let usr = Buffer.alloc(0);
let rootHash = '';
const closers: (() => void)[] = [];
let plain = '';
let secure = '';
const asked: string[] = [];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'draisine-fetch-'));
  const sdk = await sdkTree('sdk-image');
  const image = await loadImage('n100', { dev: false });
  const target = image.targets['n100:root'];
  assert.ok(target);
  const root = (await buildTargets([target])).get(target.name)?.path ?? '';
  await mkdir(join(folder, 'bin'));
  for (const tool of ['wget', 'veritysetup']) {
    const { file, args } = toolCommand(root, tool);
    const path = join(folder, 'bin', tool);
    await writeFile(path, `#!/bin/sh\nexec ${file} ${args.join(' ')} "$@"\n`);
    await chmod(path, 0o755);
  }
  const erofs = randomBytes(SIZE);
  erofs.writeUInt32LE(0xe0f5e1e2, 1024);
  await writeFile(join(folder, 'erofs'), erofs);
  const hashTree = join(folder, 'tree');
  rootHash = await makeVerity({
    ...{ image: join(folder, 'erofs'), hashTree, salt: '00'.repeat(32), sdk, scratch: folder },
    uuid: '01234567-89ab-4def-8123-456789abcdef',
  });
  usr = Buffer.concat([erofs, await readFile(hashTree)]);
  await writeFile(join(folder, 'bundle.crt'), '');
  // A certificate for localhost, and none for 127.0.0.1.
  await runTool(sdk, 'openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'],
    ...['-addext', 'subjectAltName=DNS:localhost', '-config', '/dev/null'],
    ...['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')],
  ]);
  const [key, cert] = await Promise.all(['key.pem', 'cert.pem'].map((name) => readFile(join(folder, name))));
  plain = `http://127.0.0.1:${await listen(createServer(answer))}`;
  secure = `https://localhost:${await listen(createTlsServer({ key, cert }, answer))}`;
});
after(async () => {
  for (const close of closers) close();
  await rm(folder, { recursive: true, force: true });
});

async function listen(
  server: ReturnType<typeof createServer> | ReturnType<typeof createTlsServer>,
): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

let failures = 0;
const answer: RequestListener = ({ url = '', headers }, response) => {
  asked.push(url);
  const whole = { 'content-length': usr.length };
  const path = url.replace(/^http:\/\/[^/]+/, ''); // as a proxy is asked
  if (path === '/usr.img') response.end(usr);
  else if (path === '/sometimes') {
    failures += 1;
    response.writeHead(failures < 3 ? 503 : 200).end(failures < 3 ? 'later' : usr);
  } else if (path === '/breaks') {
    const from = Number(/bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0);
    if (from > 0) {
      response.writeHead(206, { 'content-range': `bytes ${from}-${usr.length - 1}/${usr.length}` });
      response.end(usr.subarray(from));
    } else {
      response.writeHead(200, whole).write(usr.subarray(0, 300_000));
      setTimeout(() => response.destroy(), 200);
    }
  } else if (path === '/stalls') response.writeHead(200, whole).write('abc');
  else if (path === '/short') response.end(usr.subarray(0, SIZE));
  else if (path === '/html') response.end('<!DOCTYPE html><html>Please log in</html>');
  else if (path === '/other') response.end(randomBytes(5000));
  else if (path === '/tampered') {
    const other = Buffer.from(usr);
    other[500_000] = (other[500_000] ?? 0) ^ 1;
    response.end(other);
  } else response.writeHead(404).end();
};

async function fetched(
  url: string,
  words = '',
  env: Record<string, string> = {},
): Promise<{ code: number; said: string }> {
  const cmdline = join(folder, 'cmdline');
  await writeFile(
    cmdline,
    `usrhash=${rootHash} systemd.verity_usr_options=hash-offset=${SIZE} quiet ${words}\n`,
  );
  const child = spawn('/bin/sh', [SCRIPT, url, join(folder, 'usr.img')], {
    env: {
      PATH: `${join(folder, 'bin')}:/usr/bin:/bin`,
      ...{ DRAISINE_RUN: folder, DRAISINE_CMDLINE: cmdline, DRAISINE_BUNDLE: join(folder, 'bundle.crt') },
      ...{ DRAISINE_CA: join(folder, 'none.crt'), DRAISINE_TIMEOUT: '1', DRAISINE_TRIES: '3', ...env },
    },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => {
      said += text;
    });
  return await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? -1, said }));
  });
}

async function isThere(url: string, words?: string, env?: Record<string, string>): Promise<void> {
  const { code, said } = await fetched(url, words, env);
  assert.equal(code, 0, said);
  assert.match(said, /bytes, verified\n$/);
  assert.equal((await stat(join(folder, 'usr.img'))).size, usr.length);
}

async function isRefused(
  url: string,
  what: RegExp,
  words?: string,
  env?: Record<string, string>,
): Promise<void> {
  const { code, said } = await fetched(url, words, env);
  assert.equal(code, 1, said);
  assert.match(said, what);
  // The console shows the last three lines (emergency of the initrd).
  assert.ok(said.trim().split('\n').length <= 3, said);
  assert.ok(!existsSync(join(folder, 'usr.img')), 'a refused file is left over');
}

test('the file is fetched and verified', async () => await isThere(`${plain}/usr.img`));
test('a temporary error of the server: the fetch is tried again', async () =>
  await isThere(`${plain}/sometimes`));
test('a broken connection: the fetch continues where it ended', async () => await isThere(`${plain}/breaks`));

test('each refusal is one line with its reason', async () => {
  await isRefused(`${plain}/none`, /cannot fetch \S+\/none: ERROR 404: Not Found/);
  await isRefused(`${plain}/html`, /is a web page, not a \/usr image/);
  await isRefused(`${plain}/other`, /is not a \/usr image \(5000 bytes\)/);
  await isRefused(`${plain}/short`, /is cut short: 1048576 bytes/);
  await isRefused(`${plain}/tampered`, /Verification failed at position.*was tampered with: refused/s);
});

test('a server that stalls is given up', async () => {
  await isRefused(`${plain}/stalls`, /cannot fetch \S+\/stalls: .*timed out.*\(after 3 attempts\)/);
});

test('HTTPS: only the authorities of the image and of the owner are trusted', async () => {
  await isRefused(`${secure}/usr.img`, /cannot fetch.*(trusted|certificate|issuer)/i);
  const own = { DRAISINE_CA: join(folder, 'cert.pem') };
  await isThere(`${secure}/usr.img`, '', own);
  assert.match(await readFile(join(folder, 'network.env'), 'utf8'), /^SSL_CERT_FILE=/);
  await isRefused(`${secure.replace('localhost', '127.0.0.1')}/usr.img`, /match/, '', own);
  await isRefused(`${secure}/usr.img`, /no certificate in PEM/, '', { DRAISINE_CA: join(folder, 'erofs') });
});

test('a proxy is asked instead of the server', async () => {
  await isThere('http://elsewhere.invalid/usr.img', `draisine.proxy=${plain}`);
  assert.ok(asked.includes('http://elsewhere.invalid/usr.img'));
});
