import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { describeFailure, Failure } from '../../sdk/lib/errors.ts';
import { sha256 } from '../../sdk/lib/files.ts';
import { type BuildResult, runBuild } from '../graph/run.ts';
import type { Store } from '../graph/store.ts';
import { recipe, type Target } from '../graph/target.ts';
import { neverAborted, reopen, temporaryFolder, temporaryStore } from '../graph/testing.ts';
import { makeSshKey } from '../keys/ssh.ts';
import { remoteBase } from './address.ts';
import { remoteClient } from './client.ts';
import { makeRemote, pushAll, trustedKeys } from './remote.ts';
import { s3Guard, startRemote, type TestRemote } from './testing.ts';

const write = recipe<{ text: string }>({
  from: import.meta.url,
  kind: 'file',
  run: ({ inputs, out }) => writeFile(out, inputs.text),
});

/** Reads its input, so that it has to be there; and adds a blob besides its output. */
const shout = recipe<{ of: Target }>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, out, add }) {
    const text = (await readFile(inputs.of.path, 'utf8')).toUpperCase();
    await add(Buffer.from(`aside: ${text}`));
    await writeFile(out, text);
  },
});

const target = (text = 'hello') => shout('shout', { of: write('write', { text }) });

async function keys(t: TestContext): Promise<string> {
  const folder = await temporaryFolder(t);
  await makeSshKey(join(folder, 'store'), 'store');
  return folder;
}

async function build(store: Store, remote: TestRemote, folder: string, of = target()): Promise<BuildResult> {
  const trusted = await trustedKeys(folder);
  return await runBuild([of], {
    store: reopen(store),
    remote: makeRemote(remoteClient(remote.url, {}), trusted),
    signal: neverAborted(),
  });
}

const names = ({ ran }: BuildResult) => ran.map(({ name }) => name);
const outputOf = ({ outputs }: BuildResult) => readFileSync(outputs.get('shout')?.path ?? '', 'utf8');

test('a machine fetches the outputs of another machine, and runs no recipe', async (t) => {
  const [one, two] = [await temporaryStore(t), await temporaryStore(t)];
  const remote = await startRemote(t);
  const folder = await keys(t);
  const made = await build(one, remote, folder);
  assert.deepEqual(names(made), ['write', 'shout']);
  const client = remoteClient(remote.url, {});
  const sent = await pushAll(client, one, made.made, { folder });
  assert.deepEqual([sent.records, sent.blobs], [2, 3]);
  assert.deepEqual(await pushAll(client, one, made.made, { folder }), { records: 0, blobs: 0, bytes: 0 });

  const before = remote.requests.length;
  const fetched = await build(two, remote, folder);
  assert.deepEqual([names(fetched), outputOf(fetched)], [[], 'HELLO']);
  const asked = remote.requests.slice(before);
  assert.equal(asked.filter((line) => line.includes('/blobs/')).length, 1, 'only what was asked for');
  assert.deepEqual(names(await build(two, remote, folder)), []);
  assert.equal(remote.requests.length, before + asked.length, 'and then it is here');
  assert.deepEqual(names(await build(two, remote, folder, target('other'))), ['write', 'shout']);
});

test('a record that no trusted key has signed does not count', async (t) => {
  const one = await temporaryStore(t);
  const remote = await startRemote(t);
  const folder = await keys(t);
  await pushAll(remoteClient(remote.url, {}), one, (await build(one, remote, folder)).made, { folder });
  const strangers = await keys(t);
  assert.deepEqual(names(await build(await temporaryStore(t), remote, strangers)), ['write', 'shout']);
  const nobody = await temporaryFolder(t);
  assert.deepEqual(names(await build(await temporaryStore(t), remote, nobody)), ['write', 'shout']);
});

test('a poisoned record, a record of another action and poisoned content are found', async (t) => {
  const one = await temporaryStore(t);
  const remote = await startRemote(t);
  const folder = await keys(t);
  await pushAll(remoteClient(remote.url, {}), one, (await build(one, remote, folder)).made, { folder });
  const records = [...remote.files].filter(([path]) => path.startsWith('/actions/'));
  const evil = sha256('EVIL');
  remote.files.set(`/blobs/${evil.slice(0, 2)}/${evil}`, Buffer.from('EVIL'));
  for (const [path, content] of records) {
    const envelope = JSON.parse(content.toString()) as { signed: string };
    const signed = envelope.signed.replace(/"digest":"[0-9a-f]{64}"/, `"digest":"${evil}"`);
    remote.files.set(path, Buffer.from(JSON.stringify({ ...envelope, signed })));
  }
  const poisoned = await build(await temporaryStore(t), remote, folder);
  assert.deepEqual([names(poisoned), outputOf(poisoned)], [['write', 'shout'], 'HELLO']);

  const [[a, first], [b, second]] = records as [(typeof records)[0], (typeof records)[0]];
  remote.files.set(a, second).set(b, first);
  const swapped = await build(await temporaryStore(t), remote, folder);
  assert.deepEqual([names(swapped), outputOf(swapped)], [['write', 'shout'], 'HELLO']);

  remote.files.set(a, first).set(b, second);
  for (const [path] of remote.files)
    if (path.startsWith('/blobs/')) remote.files.set(path, Buffer.from('EVIL!'));
  const spoilt = await build(await temporaryStore(t), remote, folder);
  assert.equal(outputOf(spoilt), 'HELLO');
  assert.ok(names(spoilt).includes('shout'), 'made here instead');
});

test('an unreachable store does not stop a build', async (t) => {
  const folder = await keys(t);
  const gone = { url: 'http://127.0.0.1:65533', files: new Map(), requests: [] };
  const made = await build(await temporaryStore(t), gone, folder);
  assert.deepEqual([names(made), outputOf(made)], [['write', 'shout'], 'HELLO']);
  await assert.rejects(pushAll(remoteClient(gone.url, {}), await temporaryStore(t), made.made, { folder }), {
    exitCode: 1,
    message: /cannot reach the remote store/,
  });
});

test('a server that answers every question with a web page is asked no more, and gets nothing', async (t) => {
  let asked = 0;
  const server = createServer((_request, response) => {
    asked++;
    response.writeHead(200, { 'content-type': 'text/html' }).end('\n<!DOCTYPE html><p>log in');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const [store, folder] = [await temporaryStore(t), await keys(t)];
  const made = await build(store, { url, files: new Map(), requests: [] }, folder);
  assert.deepEqual(names(made), ['write', 'shout']);
  assert.equal(asked, 1);
  await assert.rejects(pushAll(remoteClient(url, {}), store, made.made, { folder }), {
    exitCode: 1,
    message: /sends web pages instead of records/,
  });
});

test('a connection that breaks in the middle of a record does not stop a build', async (t) => {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-length': 1000 });
    response.write('{"signed":');
    setTimeout(() => response.destroy(), 50);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const remote = { url, files: new Map(), requests: [] };
  assert.deepEqual(names(await build(await temporaryStore(t), remote, await keys(t))), ['write', 'shout']);
});

test('a connection that breaks during a push: no record names missing content, and the next push completes it', async (t) => {
  const [one, two] = [await temporaryStore(t), await temporaryStore(t)];
  let cut = true;
  const remote = await startRemote(t, (request, body) => {
    // The second blob arrives by half.
    if (cut && request.method === 'PUT' && body.toString() === 'HELLO') request.socket.destroy();
    return !request.socket.destroyed;
  });
  const folder = await keys(t);
  const { made } = await build(one, remote, folder);
  const client = remoteClient(remote.url, {});
  await assert.rejects(pushAll(client, one, made, { folder }), {
    exitCode: 1,
    message: /cannot reach the remote/,
  });
  const served = () => [...remote.files.values()].map((bytes) => bytes.toString());
  assert.ok(!served().includes('HELLO'));
  const output = JSON.stringify(sha256('HELLO')).slice(1, -1);
  assert.ok(!served().some((text) => text.includes(output)), 'no record names the blob that is not there');
  cut = false;
  await pushAll(client, one, made, { folder });
  assert.deepEqual(names(await build(two, remote, folder)), []);
});

test('a push replaces damaged content and damaged records, whoever left them', async (t) => {
  const one = await temporaryStore(t);
  const remote = await startRemote(t);
  const folder = await keys(t);
  const client = remoteClient(remote.url, {});
  const { made } = await build(one, remote, folder);
  await pushAll(client, one, made, { folder });
  const good = new Map(remote.files);
  const mended = (wrong?: ReadonlySet<string>) =>
    pushAll(client, one, made, { folder, ...(wrong ? { wrong } : {}) });
  const same = () => assert.deepEqual(new Map(remote.files), good);
  const blob = `/blobs/${sha256('HELLO').slice(0, 2)}/${sha256('HELLO')}`;

  remote.files.set(blob, Buffer.from('HEL'));
  assert.deepEqual(await mended(), { records: 0, blobs: 1, bytes: 5 });
  same();

  // Content of the right size: a machine that fetches it finds the fault, and replaces it in the same build.
  remote.files.set(blob, Buffer.from('EVIL!'));
  assert.deepEqual(await mended(), { records: 0, blobs: 0, bytes: 0 });
  remote.files.delete(blob); // as the warning of another machine says
  assert.deepEqual(await mended(), { records: 0, blobs: 1, bytes: 5 });
  same();
  remote.files.set(blob, Buffer.from('EVIL!'));
  const other = await temporaryStore(t);
  const fetching = makeRemote(client, await trustedKeys(folder));
  const fetched = await runBuild([target()], {
    store: reopen(other),
    remote: fetching,
    signal: neverAborted(),
  });
  assert.ok(names(fetched).includes('shout'));
  assert.deepEqual(await mended(fetching.wrong), { records: 0, blobs: 1, bytes: 5 });
  same();

  const records = [...good.keys()].filter((path) => path.startsWith('/actions/'));
  for (const [index, damaged] of ['', '{"signed":', '{"signed":"{}","signatures":[]}'].entries()) {
    const path = records[index % records.length] ?? '';
    remote.files.set(path, Buffer.from(damaged));
    assert.equal((await mended()).records, 1, damaged);
    same();
  }
  const rotated = await keys(t);
  assert.equal((await pushAll(client, one, made, { folder: rotated })).records, 2, 'the old key is lost');
  const second = await build(await temporaryStore(t), remote, rotated);
  assert.deepEqual(names(second), []);
});

test('read-only for those without the key: neither a credential nor a signing key is invented', async (t) => {
  const one = await temporaryStore(t);
  const remote = await startRemote(
    t,
    ({ method, headers }) => method !== 'PUT' || headers.authorization === 'Bearer secret',
  );
  const folder = await keys(t);
  const { made } = await build(one, remote, folder);
  await assert.rejects(pushAll(remoteClient(remote.url, {}), one, made, { folder }), {
    exitCode: 1,
    message: /refused to store a file: HTTP 403/,
    hint: /DRAISINE_REMOTE_TOKEN/,
  });
  assert.equal(remote.files.size, 0);
  const client = remoteClient(remote.url, { DRAISINE_REMOTE_TOKEN: 'secret' });
  const sent = await pushAll(client, one, made, { folder });
  assert.equal(sent.records, 2);
  await assert.rejects(
    pushAll(remoteClient(remote.url, {}), one, made, { folder: await temporaryFolder(t) }),
    {
      exitCode: 2,
      message: /no key to sign records/,
    },
  );
});

test('an address that no file name can follow, or that has a password, is an error without the password', () => {
  const base = (DRAISINE_REMOTE: string) => remoteBase({ DRAISINE_REMOTE });
  assert.equal(base('http://store.example/a//'), 'http://store.example/a');
  assert.equal(base(''), undefined);
  for (const wrong of [
    'store.example',
    'file:///srv',
    'http://h/?a=b',
    'http://h/#a',
    'https://me:hunter2@h/',
  ])
    assert.throws(
      () => base(wrong),
      (error) => error instanceof Failure && error.exitCode === 2 && !/hunter2/.test(describeFailure(error)),
      wrong,
    );
});

test('S3: every request is signed as the service checks it; another secret is refused', async (t) => {
  const environment = { AWS_ACCESS_KEY_ID: 'ID', AWS_SECRET_ACCESS_KEY: 'very secret', AWS_REGION: 'eu-x-1' };
  const remote = await startRemote(t, s3Guard('ID', 'very secret', 'eu-x-1'));
  const client = remoteClient(`${remote.url}/bucket/draisine`, environment);
  const folder = await temporaryFolder(t);
  const path = join(folder, 'file');
  const content = 'x'.repeat(3 << 20);
  await writeFile(path, content);
  const file = { path, size: content.length, sha256: sha256(content) };
  assert.equal(await client.find('blobs/aa'), undefined);
  await client.put('blobs/aa', file);
  assert.deepEqual(await client.find('blobs/aa'), { size: content.length });
  const chunks: Buffer[] = [];
  for await (const chunk of (await client.get('blobs/aa')) ?? [])
    chunks.push(Buffer.from(chunk as Uint8Array));
  assert.equal(Buffer.concat(chunks).toString(), content);
  await assert.rejects(client.put('blobs/bb', { ...file, sha256: sha256('other') }), { message: /HTTP 403/ });
  for (const wrong of [
    { AWS_SECRET_ACCESS_KEY: 'guess' },
    { AWS_REGION: 'us-east-1' },
    { AWS_ACCESS_KEY_ID: '' },
  ])
    await assert.rejects(
      remoteClient(`${remote.url}/bucket`, { ...environment, ...wrong }).find('blobs/aa'),
      {
        exitCode: 1,
        message: /HTTP 403/,
        hint: /AWS_ACCESS_KEY_ID/,
      },
    );
});
