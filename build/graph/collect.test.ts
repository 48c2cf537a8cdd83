import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync as readdir, readFileSync, rmSync, utimesSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { sha256 } from '../../sdk/lib/files.ts';
import { addBlob, blobPath } from './blobs.ts';
import { collectGarbage, wipeStore } from './collect.ts';
import { CLEANING } from './hold.ts';
import { tryLock } from './key-lock.ts';
import { ownedName } from './owner.ts';
import { readRecord } from './record.ts';
import { closeStore } from './store.ts';
import { recipe, type Target } from './target.ts';
import { buildText, namesRun, reopen, temporaryStore } from './testing.ts';

const download = recipe<{ text: string }>({
  from: import.meta.url,
  kind: 'file',
  fetch: true,
  run: ({ inputs, out }) => writeFile(out, inputs.text),
});
const honest = recipe<{ of: Target }>({
  from: import.meta.url,
  kind: 'file',
  run: async ({ inputs, out, add }) => {
    await add(Buffer.from('a part'));
    await writeFile(out, `${await readFile(inputs.of.path, 'utf8')}!`);
  },
});

test('nothing is removed while another process holds the store', async (t) => {
  const store = await temporaryStore(t);
  await addBlob(store, Buffer.from('used'));
  closeStore(store);
  const script = `
    const { holdStore } = await import(${JSON.stringify(new URL('hold.ts', import.meta.url))});
    await holdStore(${JSON.stringify(store.root)});
    process.once('SIGTERM', () => process.exit());
    setInterval(() => {}, 1000);
    console.log('held'); // last: it may be ended from here on`;
  const other = spawn(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), '--input-type=module', '--eval', script],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  try {
    assert.equal(String((await once(other.stdout, 'data'))[0]), 'held\n');
    const refused = new RegExp(`process ${other.pid} is using this store`);
    await assert.rejects(wipeStore(store), refused);
    await assert.rejects(collectGarbage(store, 0), refused);
  } finally {
    other.kill();
    await once(other, 'close');
  }
  assert.deepEqual(readdir(join(store.root, 'tmp')), [], 'what told of it is gone with it');
  await wipeStore(store);
});

test('a build that begins during a clean waits for its end; a second clean refuses', async (t) => {
  const store = await temporaryStore(t);
  const target = download('d', { text: 'new' });
  await buildText(target, store);
  const unlock = await tryLock(store, CLEANING, 'clean');
  await assert.rejects(collectGarbage(reopen(store), 0), /another clean is using this store/);
  await assert.rejects(wipeStore(reopen(store)), /another clean is using this store/);
  let done = false;
  const building = namesRun(target, store).then((names) => {
    done = true;
    return names;
  });
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.ok(!done, 'it has not read the records that the clean removes');
  const removed = readdir(join(store.root, 'actions'));
  for (const part of removed) rmSync(join(store.root, 'actions', part), { recursive: true });
  for (const folder of ['locks', 'last', 'published']) rmSync(join(store.root, folder), { recursive: true });
  await unlock?.();
  assert.deepEqual(await building, ['d'], 'made again, in a store whose folders are gone');
  assert.ok(readdir(store.root).includes('locks'));
});

test('garbage: records that were not used for long are removed, with blobs that no other record names', async (t) => {
  const store = await temporaryStore(t);
  const old = honest('old', { of: download('d', { text: 'old' }) });
  const fresh = honest('fresh', { of: download('d', { text: 'fresh' }) });
  await buildText(old, store);
  await buildText(fresh, store);
  const { digest } = await addBlob(store, Buffer.from('orphan'));
  assert.equal((await collectGarbage(store, 3600_000)).removed, 0);
  for (const key of keys(store.root)) {
    const record = readRecord(store, { key });
    if (record?.digest === sha256('old!') || record?.digest === sha256('old')) {
      utimesSync(join(store.root, 'actions', key.slice(0, 2), key), 0, 0);
    }
  }
  // Blobs are as young as ever: their records go, they stay until they are old too.
  assert.equal((await collectGarbage(store, 3600_000)).removed, 2);
  assert.ok(existsSync(blobPath(store, sha256('old!'))));
  assert.deepEqual(await namesRun(fresh, store), []);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok((await collectGarbage(store, 0)).removed > 0);
  assert.ok(!existsSync(blobPath(store, digest)));
  assert.deepEqual((await namesRun(fresh, store)).sort(), ['d', 'fresh']);
});

test('old indexes, partial downloads and lists of modules are garbage too; work in progress is not', async (t) => {
  const store = await temporaryStore(t);
  const target = download('d', { text: 'x' });
  await buildText(target, store);
  const [code = ''] = readdir(join(store.root, 'codes'));
  const digest = sha256('');
  const files = {
    old: ['indexes/trixie.InRelease', `indexes/${digest}.xz`, `downloads/${digest}.part`, `codes/${digest}`],
    unfinished: [`downloads/${digest}.part-${ownedName()}`, `indexes/${digest}.xz.tmp-12-abcd1234`],
  };
  for (const folder of ['indexes', 'downloads']) mkdirSync(join(store.root, folder));
  for (const name of Object.values(files).flat()) await writeFile(join(store.root, name), 'x');
  const left = () =>
    Object.values(files)
      .flat()
      .filter((name) => existsSync(join(store.root, name)));
  await collectGarbage(reopen(store), 3600_000);
  assert.deepEqual(left(), Object.values(files).flat());
  await new Promise((resolve) => setTimeout(resolve, 20));
  const { removed, bytes } = await collectGarbage(reopen(store), 0);
  assert.deepEqual(left(), files.unfinished);
  assert.ok(removed >= files.old.length && bytes > 0);
  assert.ok(existsSync(join(store.root, 'codes', code)), 'it explains the next build');
});

function keys(root: string): string[] {
  return readdir(join(root, 'actions')).flatMap((part) => readdir(join(root, 'actions', part)));
}

test('using a record keeps it', async (t) => {
  const store = await temporaryStore(t);
  const top = download('d', { text: 'kept' });
  await buildText(top, store);
  const [key = ''] = keys(store.root);
  utimesSync(join(store.root, 'actions', key.slice(0, 2), key), 0, 0);
  assert.deepEqual(await namesRun(top, store), []);
  await collectGarbage(store, 3600_000);
  assert.deepEqual(await namesRun(top, store), []);
});

test('wiping the store leaves files that are not its own', async (t) => {
  const store = await temporaryStore(t);
  await buildText(download('d', { text: 'x' }), store);
  for (const mine of ['mine', 'tmp/mine']) await writeFile(join(store.root, mine), 'mine');
  await wipeStore(store);
  assert.deepEqual(readdir(store.root).sort(), ['.draisine-store', 'mine', 'tmp']);
  for (const mine of ['mine', 'tmp/mine']) assert.equal(readFileSync(join(store.root, mine), 'utf8'), 'mine');
  assert.equal(await buildText(download('d', { text: 'x' }), reopen(store)), 'x');
});
