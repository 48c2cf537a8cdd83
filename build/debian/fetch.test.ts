import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import { ownedName, self } from '../graph/owner.ts';
import { deb, fetchDeb, type PoolFile } from './fetch.ts';
import { startMirror, temporaryCache } from './fixtures-mirror.ts';

const content = Buffer.from('a package, really '.repeat(20_000));
const file: PoolFile = {
  archive: 'debian',
  path: 'pool/main/p/pkg/pkg_1.0-1_amd64.deb',
  size: content.length,
  sha256: createHash('sha256').update(content).digest('hex'),
};

async function setUp(t: TestContext) {
  const cache = await temporaryCache(t);
  const [good, other] = [await startMirror(t), await startMirror(t)];
  good.files.set(`/debian/${file.path}`, content);
  return { cache, good, other, out: join(cache, 'out.deb') };
}

async function leftovers(cache: string): Promise<string[]> {
  return (await readdir(join(cache, 'downloads'))).sort();
}

async function failureOf(promise: Promise<unknown>): Promise<Failure> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof Failure, String(error));
  return error;
}

test('downloads, checks, and leaves nothing else behind', async (t) => {
  const { cache, good, out } = await setUp(t);
  const seen: number[] = [];
  await fetchDeb(file, out, { mirrors: [`${good.url}/debian`], progress: (done) => seen.push(done) });
  assert.deepEqual(await readFile(out), content);
  assert.deepEqual(await leftovers(cache), []);
  assert.equal(seen.at(-1), content.length);
});

test('resumes where a killed download stopped', async (t) => {
  const { cache, good, out } = await setUp(t);
  await fetchDeb(file, out, { mirrors: [`${good.url}/debian`] }); // makes the folder
  await writeFile(join(cache, 'downloads', `${file.sha256}.part-999999999-abcd`), content.subarray(0, 1000));
  await fetchDeb(file, out, { mirrors: [`${good.url}/debian`] });
  assert.deepEqual(await readFile(out), content);
  assert.equal(good.requests.at(-1), `/debian/${file.path} bytes=1000-`);
  assert.deepEqual(await leftovers(cache), []);
});

test('a damaged partial file causes one more download, but no wrong file', async (t) => {
  const { cache, good, out } = await setUp(t);
  await fetchDeb(file, out, { mirrors: [`${good.url}/debian`] });
  await writeFile(join(cache, 'downloads', `${file.sha256}.part`), Buffer.alloc(1000));
  await fetchDeb(file, out, { mirrors: [`${good.url}/debian`] });
  assert.deepEqual(await readFile(out), content);
});

test('a cut connection is resumed', async (t) => {
  const { good, out } = await setUp(t);
  let turn = 0;
  good.files.set(`/debian/${file.path}`, (request, response) => {
    if (turn++ === 0) {
      response.writeHead(200, { 'content-length': content.length });
      response.write(content.subarray(0, 5000), () => setTimeout(() => response.destroy(), 150));
      return;
    }
    assert.equal(request.headers.range, 'bytes=5000-');
    response.writeHead(206).end(content.subarray(5000));
  });
  await fetchDeb(file, out, { mirrors: [`${good.url}/debian`] });
  assert.deepEqual(await readFile(out), content);
  assert.equal(turn, 2);
});

test('a download that makes progress continues, even if the connection is cut again and again', async (t) => {
  const { good, out } = await setUp(t);
  const step = Math.ceil(content.length / 7);
  good.files.set(`/debian/${file.path}`, (request, response) => {
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const range = { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` };
    response.writeHead(from > 0 ? 206 : 200, {
      'content-length': content.length - from,
      ...(from > 0 ? range : {}),
    });
    response.write(content.subarray(from, from + step), () => setTimeout(() => response.destroy(), 150));
  });
  await fetchDeb(file, out, { mirrors: [`${good.url}/debian`] });
  assert.deepEqual(await readFile(out), content);
});

/** A server of its own process: it sends 8 times 1000 bytes of the file quickly, and ends the connection. */
const BREAKS_OFF = `require('node:net').createServer((socket) => socket.on('error', () => {}).once('data', (request) => {
  const from = Number(/bytes=(\\d+)/.exec(String(request))?.[1] ?? 0);
  console.log(from);
  const rest = Buffer.from('a package, really '.repeat(20000)).subarray(from);
  if (from > 0) return socket.end(Buffer.concat([Buffer.from('HTTP/1.1 206 OK\\r\\ncontent-length: ' + rest.length + '\\r\\n\\r\\n'), rest]));
  socket.setNoDelay(true).write('HTTP/1.1 200 OK\\r\\ncontent-length: ' + rest.length + '\\r\\n\\r\\n');
  let sent = 0;
  const timer = setInterval(() => {
    socket.write(rest.subarray(1000 * sent, 1000 * ++sent));
    if (sent < 8) return;
    clearInterval(timer);
    socket.end();
  }, 1);
})).listen(0, '127.0.0.1', function () { console.log(this.address().port); });`;

test('all bytes that came before a connection broke are kept, however fast they came', async (t) => {
  const { out } = await setUp(t);
  const server = spawn(process.execPath, ['-e', BREAKS_OFF], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => server.kill());
  let said = '';
  server.stdout.on('data', (text: Buffer) => {
    said += text.toString();
  });
  await once(server.stdout, 'data');
  await fetchDeb(file, out, { mirrors: [`http://127.0.0.1:${said.trim()}/debian`] });
  assert.deepEqual(await readFile(out), content);
  assert.deepEqual(said.trim().split('\n').slice(1), ['0', '8000']);
});

test('a busy server is asked again, but not for ever', async (t) => {
  const { good, out } = await setUp(t);
  let busy = 2;
  good.files.set(`/debian/${file.path}`, (_request, response) =>
    busy-- > 0
      ? response.writeHead(busy === 1 ? 429 : 503, { 'retry-after': '0' }).end()
      : response.writeHead(200).end(content),
  );
  await fetchDeb(file, out, { mirrors: [`${good.url}/debian`] });
  assert.deepEqual(await readFile(out), content);
  busy = 3;
  const error = await failureOf(fetchDeb(file, out, { mirrors: [`${good.url}/debian`] }));
  assert.match(error.where ?? '', /HTTP 503/);
});

test('an answer that cannot be the file is refused before it is read, and the partial file is kept', async (t) => {
  const { cache, good, out } = await setUp(t);
  const headers: Record<string, string>[] = [
    { 'content-type': 'text/html; charset=utf-8' },
    { 'content-length': String(content.length - 1) },
  ];
  for (const header of headers) {
    await mkdir(join(cache, 'downloads'), { recursive: true });
    await writeFile(join(cache, 'downloads', `${file.sha256}.part`), content.subarray(0, 1000));
    good.files.set(`/debian/${file.path}`, (_request, response) =>
      response.writeHead(200, header).end(content.subarray(1)),
    );
    const error = await failureOf(fetchDeb(file, out, { mirrors: [`${good.url}/debian`] }));
    assert.match(error.where ?? '', /an HTML page|359999 bytes, the lock says 360000/);
    assert.deepEqual(await leftovers(cache), [`${file.sha256}.part`]);
  }
});

test('a range other than the requested one causes one more download, but no wrong file', async (t) => {
  const { cache, good, out } = await setUp(t);
  await mkdir(join(cache, 'downloads'));
  await writeFile(join(cache, 'downloads', `${file.sha256}.part`), content.subarray(0, 1000));
  good.files.set(`/debian/${file.path}`, (request, response) =>
    request.headers.range === undefined
      ? response.writeHead(200).end(content)
      : response.writeHead(206, { 'content-range': 'bytes 0-99/360000' }).end(content),
  );
  await fetchDeb(file, out, { mirrors: [`${good.url}/debian`] });
  assert.deepEqual(await readFile(out), content);
});

test('a partial file is continued if its pid belongs to another process now, but not if its process lives', async (t) => {
  const { cache, good, out } = await setUp(t);
  await mkdir(join(cache, 'downloads'));
  const stranger = `${process.pid}-1-${self().world}-00000000`;
  await writeFile(join(cache, 'downloads', `${file.sha256}.part-${stranger}`), content.subarray(0, 1000));
  await fetchDeb(file, out, { mirrors: [`${good.url}/debian`] });
  assert.equal(good.requests.at(-1), `/debian/${file.path} bytes=1000-`);
  const held = `${file.sha256}.part-${ownedName()}`;
  const foreign = `${file.sha256}.part-1-1-00000000-00000000`;
  for (const name of [held, foreign])
    await writeFile(join(cache, 'downloads', name), content.subarray(0, 1000));
  await fetchDeb(file, out, { mirrors: [`${good.url}/debian`] });
  assert.equal(good.requests.at(-1), `/debian/${file.path}`);
  assert.deepEqual(await leftovers(cache), [held, foreign].sort());
  await utimes(join(cache, 'downloads', foreign), 0, 0);
  await fetchDeb(file, out, { mirrors: [`${good.url}/debian`] });
  assert.equal(good.requests.at(-1), `/debian/${file.path} bytes=1000-`);
});

test('a server without ranges is read from the start', async (t) => {
  const { cache, good, out } = await setUp(t);
  await fetchDeb(file, out, { mirrors: [`${good.url}/debian`] });
  await writeFile(join(cache, 'downloads', `${file.sha256}.part`), content.subarray(0, 1000));
  good.files.set(`/debian/${file.path}`, (_request, response) => response.writeHead(200).end(content));
  await fetchDeb(file, out, { mirrors: [`${good.url}/debian`] });
  assert.deepEqual(await readFile(out), content);
});

test('a manipulated, short or long file is never delivered; the next mirror is asked', async (t) => {
  const { cache, good, other, out } = await setUp(t);
  const wrong = Buffer.from(content);
  wrong[7]! ^= 1;
  for (const bad of [wrong, content.subarray(1), Buffer.concat([content, content])]) {
    other.files.set(`/debian/${file.path}`, bad);
    const error = await failureOf(fetchDeb(file, out, { mirrors: [`${other.url}/debian`] }));
    assert.match(error.message, /cannot fetch pkg_1\.0-1_amd64\.deb/);
    assert.ok(error.where?.includes(`${other.url}/debian/${file.path}`));
    await assert.rejects(readFile(out), { code: 'ENOENT' });
    await fetchDeb(file, join(cache, 'second.deb'), {
      mirrors: [`${other.url}/debian`, `${good.url}/debian`],
    });
    assert.deepEqual(await readFile(join(cache, 'second.deb')), content);
  }
});

test('404 everywhere: one error with the package, every URL, and lock --update', async (t) => {
  const { good, other, out } = await setUp(t);
  const gone = { ...file, path: 'pool/main/p/pkg/pkg_0.9-1_amd64.deb' };
  const error = await failureOf(
    fetchDeb(gone, out, { mirrors: [`${good.url}/debian`, `${other.url}/debian`] }),
  );
  assert.match(error.message, /no mirror has pkg_0\.9-1_amd64\.deb/);
  assert.ok(error.where?.includes(good.url) && error.where.includes(other.url));
  assert.match(error.hint ?? '', /lock --update/);
});

test('without a network the error names the missing file', async (t) => {
  const { out } = await setUp(t);
  const error = await failureOf(fetchDeb(file, out, { mirrors: ['http://127.0.0.1:9/debian'] }));
  assert.match(error.message, /pkg_1\.0-1_amd64\.deb, which is not in the store/);
  assert.match(error.where ?? '', /ECONNREFUSED/);
});

test('security packages come from the folder beside the main archive', async (t) => {
  const { good, out } = await setUp(t);
  good.files.set(`/debian-security/${file.path}`, content);
  await fetchDeb({ ...file, archive: 'debian-security' }, out, { mirrors: [`${good.url}/debian`] });
  assert.deepEqual(good.requests, [`/debian-security/${file.path}`]);
});

test('two simultaneous downloads of one file do not disturb each other', async (t) => {
  const { cache, good } = await setUp(t);
  const outs = ['1.deb', '2.deb', '3.deb'].map((name) => join(cache, name));
  await Promise.all(outs.map((out) => fetchDeb(file, out, { mirrors: [`${good.url}/debian`] })));
  for (const out of outs) assert.deepEqual(await readFile(out), content);
});

test('the recipe makes a target whose output is the pinned file', async (t) => {
  const { cache, good } = await setUp(t);
  process.env.DRAISINE_MIRROR = `${good.url}/debian`;
  t.after(() => delete process.env.DRAISINE_MIRROR);
  const target = deb('deb:pkg', { ...file });
  assert.equal(target.name, 'deb:pkg');
  assert.equal(target.recipe.kind, 'file');
  assert.equal(target.recipe.fetch, true);
  const out = join(cache, 'store.deb');
  await target.recipe.run({
    inputs: target.inputs as never,
    out,
    scratch: cache,
    jobs: 1,
    signal: new AbortController().signal,
    add: () => assert.fail(),
    blob: () => assert.fail(),
    workspace: () => assert.fail(),
    progress: () => {},
  });
  assert.deepEqual(await readFile(out), content);
});
