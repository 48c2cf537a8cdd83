import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { startMirror } from './fixtures-mirror.ts';
import { get, getBytes, proxyFor } from './http.ts';

const proxy = (url: string, environment: Record<string, string>) => proxyFor(new URL(url), environment)?.href;

test('the proxy comes from the environment, in either case', () => {
  assert.equal(proxy('http://a.example/', { HTTP_PROXY: 'http://p.example:3128' }), 'http://p.example:3128/');
  assert.equal(proxy('http://a.example/', { http_proxy: 'p.example:3128' }), 'http://p.example:3128/');
  assert.equal(proxy('https://a.example/', { HTTP_PROXY: 'http://p.example:3128' }), undefined);
  assert.equal(proxy('https://a.example/', { HTTPS_PROXY: 'http://s.example:1' }), 'http://s.example:1/');
  assert.equal(proxy('http://a.example/', { HTTP_PROXY: '' }), undefined);
  assert.throws(() => proxy('http://a.example/', { HTTP_PROXY: 'http://' }), /not a URL/);
});

test('NO_PROXY exempts hosts, domains, ports and everything', () => {
  const through = (url: string, exempt: string) =>
    proxy(url, { HTTP_PROXY: 'http://p.example', NO_PROXY: exempt }) !== undefined;
  assert.ok(!through('http://a.example/', 'b.example, a.example'));
  assert.ok(!through('http://x.a.example/', '.a.example'));
  assert.ok(!through('http://x.a.example/', '*.a.example'));
  assert.ok(!through('http://a.example:8080/', 'a.example:8080'));
  assert.ok(through('http://a.example/', 'a.example:8080'));
  assert.ok(through('http://aa.example/', 'a.example'));
  assert.ok(!through('http://a.example/', '*'));
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
  await assert.rejects(get('https://refused.example/x'), /refused the tunnel: HTTP 403/);
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
  mirror.files.set('/broken', (_request, response) => response.writeHead(503).end('sorry'));
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
