import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { startMirror } from '../debian/fixtures-mirror.ts';
import { get, getBytes } from './http.ts';

/** Sets variables of the environment until the end of the test. */
function withEnvironment(t: TestContext, variables: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(variables)) {
    process.env[name] = value;
    t.after(() => delete process.env[name]);
  }
}

test('the proxy comes from the environment, in either case, and NO_PROXY exempts from it', async (t) => {
  const [proxy, direct] = [await startMirror(t), await startMirror(t)];
  direct.files.set('/x', Buffer.from('direct'));
  proxy.files.set(`${direct.url}/x`, Buffer.from('by proxy'));
  const asked = async () => (await getBytes(`${direct.url}/x`, 100))?.toString();
  assert.equal(await asked(), 'direct');
  for (const name of ['HTTP_PROXY', 'http_proxy']) {
    for (const value of [proxy.url, proxy.url.replace('http://', '')]) {
      process.env[name] = value;
      assert.equal(await asked(), 'by proxy', `${name}=${value}`);
      for (const exempt of ['b.example, 127.0.0.1', new URL(direct.url).host, '*']) {
        process.env.NO_PROXY = exempt;
        assert.equal(await asked(), 'direct', exempt);
      }
      process.env.NO_PROXY = '127.0.0.1:1, 27.0.0.1';
      assert.equal(await asked(), 'by proxy', 'another port, part of a name');
      delete process.env.NO_PROXY;
      delete process.env[name];
    }
  }
  withEnvironment(t, { HTTP_PROXY: 'http://' });
  await assert.rejects(asked(), /not a URL/);
});

test('HTTP_PROXY is not for https', async (t) => {
  const proxy = await startMirror(t);
  withEnvironment(t, { HTTP_PROXY: proxy.url });
  await assert.rejects(get('https://127.0.0.1:9/'), /ECONNREFUSED/);
  assert.deepEqual(proxy.requests, []);
});

test('plain requests go to the proxy with the whole URL', async (t) => {
  const mirror = await startMirror(t);
  mirror.files.set('http://upstream.example/debian/x', Buffer.from('through the proxy'));
  process.env.http_proxy = mirror.url;
  t.after(() => delete process.env.http_proxy);
  const bytes = await getBytes('http://upstream.example/debian/x', 100);
  assert.equal(bytes?.toString(), 'through the proxy');
});

test('TLS goes through a CONNECT tunnel, and a refusal says so', async (t) => {
  const asked: string[] = [];
  const server = createServer();
  server.on('connect', (request, socket) => {
    asked.push(`${request.url} ${request.headers['proxy-authorization'] ?? ''}`);
    if (request.url?.startsWith('refused')) return socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    socket.end('HTTP/1.1 200 OK\r\n\r\nnot TLS at all');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  process.env.https_proxy = `http://me:secret@127.0.0.1:${(server.address() as AddressInfo).port}`;
  t.after(() => delete process.env.https_proxy);
  await assert.rejects(get('https://refused.example/x'), /Proxy response \(403\)/);
  await assert.rejects(get('https://upstream.example:444/x'));
  assert.deepEqual(asked, [
    `refused.example:443 Basic ${Buffer.from('me:secret').toString('base64')}`,
    `upstream.example:444 Basic ${Buffer.from('me:secret').toString('base64')}`,
  ]);
});

test('a tunnel that leads nowhere ends with the signal', async (t) => {
  const server = createServer();
  const sockets: { destroy(): unknown }[] = [];
  const tunnelled = new Promise<void>((resolve) =>
    server.on('connect', (_request, socket) => {
      sockets.push(socket);
      socket.write('HTTP/1.1 200 OK\r\n\r\n', () => resolve());
    }),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  process.env.https_proxy = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  t.after(() => delete process.env.https_proxy);
  const controller = new AbortController();
  const asked = get('https://upstream.example/x', { signal: controller.signal });
  await tunnelled;
  setTimeout(() => controller.abort(), 50);
  await assert.rejects(asked, { name: 'AbortError' });
});

test('follows redirects, but not for ever', async (t) => {
  const mirror = await startMirror(t);
  mirror.files.set('/a', (_request, response) => response.writeHead(302, { location: 'b' }).end());
  mirror.files.set('/b', Buffer.from('here'));
  mirror.files.set('/loop', (_request, response) => response.writeHead(301, { location: '/loop' }).end());
  assert.equal((await getBytes(`${mirror.url}/a`, 10))?.toString(), 'here');
  await assert.rejects(getBytes(`${mirror.url}/loop`, 10), /more than 5 redirects/);
});

test('404 is no bytes, other codes and too long bodies are errors', async (t) => {
  const mirror = await startMirror(t);
  mirror.files.set('/broken', (_request, response) =>
    response.writeHead(503, { 'retry-after': '0' }).end('sorry'),
  );
  mirror.files.set('/long', Buffer.alloc(2000));
  assert.equal(await getBytes(`${mirror.url}/none`, 10), undefined);
  await assert.rejects(getBytes(`${mirror.url}/broken`, 10), /HTTP 503/);
  await assert.rejects(getBytes(`${mirror.url}/long`, 1999), /more than the expected 1999 bytes/);
});

test('a connection cut in the body is an error', async (t) => {
  const mirror = await startMirror(t);
  mirror.files.set('/cut', (_request, response) => {
    response.writeHead(200, { 'content-length': 100 });
    response.write('half', () => response.destroy());
  });
  await assert.rejects(getBytes(`${mirror.url}/cut`, 1000));
});
