import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { type TestContext, test } from 'node:test';
import { answersFor } from './doctor.ts';

/** A server on its own port, with the requests that it got, in order. */
async function serve(t: TestContext, status: number): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer(({ url = '' }, response) => {
    asked.push(url);
    response.writeHead(status).end('x'.repeat(1 << 20));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { url: `http://127.0.0.1:${address.port}`, asked };
}

function setEnvironment(t: TestContext, values: Readonly<Record<string, string | undefined>>): void {
  for (const [name, value] of Object.entries(values)) {
    const before = process.env[name];
    t.after(() => {
      if (before === undefined) delete process.env[name];
      else process.env[name] = before;
    });
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
}

const none = { HTTP_PROXY: undefined, http_proxy: undefined, NO_PROXY: undefined, no_proxy: undefined };

test('doctor asks the mirror through the same proxy as the fetcher', async (t) => {
  const proxy = await serve(t, 200);
  setEnvironment(t, { ...none, HTTP_PROXY: proxy.url });
  const { ok } = await answersFor('http://mirror.invalid/debian');
  assert.ok(ok);
  assert.deepEqual(proxy.asked, ['http://mirror.invalid/debian/dists/trixie/InRelease']);
});

test('without a proxy doctor asks the mirror itself, and reports its answer or its silence', async (t) => {
  setEnvironment(t, none);
  const absent = await serve(t, 404);
  assert.deepEqual(await answersFor(absent.url), { base: absent.url, ok: false, why: 'HTTP 404' });
  const { ok, why } = await answersFor('http://127.0.0.1:9/debian');
  assert.equal(ok, false);
  assert.match(why, /ECONNREFUSED/);
});
