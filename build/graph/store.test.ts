import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Failure } from '../../sdk/lib/errors.ts';
import { sha256 } from '../../sdk/lib/files.ts';
import { addBlob, blobPath, checkBlob, restampBlob } from './blobs.ts';
import { copyWithHoles } from './copy.ts';
import { tryLock, waitForLock } from './key-lock.ts';
import { liveness, ownedName, parseOwnedName, self } from './owner.ts';
import { publishBlob } from './publish.ts';
import { parseRecord, readRecord, writeRecord } from './record.ts';
import { stampOf } from './stamp.ts';
import { closeStore, openStore, temporaryPath } from './store.ts';
import { neverAborted, reopen, temporaryFolder, temporaryStore } from './testing.ts';

const stampPath = (root: string, digest: string) => join(root, 'stamps', digest.slice(0, 2), digest);

test('a blob is read-only, named by its SHA-256, and there once', async (t) => {
  const store = await temporaryStore(t);
  const { digest, size } = await addBlob(store, Buffer.from('hello'));
  assert.equal(digest, sha256('hello'));
  assert.equal(size, 5);
  assert.equal(statSync(blobPath(store, digest)).mode & 0o777, 0o444);
  const { ino } = statSync(blobPath(store, digest));
  const file = join(await temporaryFolder(t), 'file');
  writeFileSync(file, 'hello');
  assert.deepEqual(await addBlob(store, { path: file }), { digest, size });
  assert.ok(!existsSync(file), 'moved');
  assert.equal(statSync(blobPath(store, digest)).ino, ino, 'the first one stays');
  closeStore(store);
  assert.deepEqual(readdirSync(join(store.root, 'tmp')), []);
});

test('only files can be added', async (t) => {
  const store = await temporaryStore(t);
  await assert.rejects(addBlob(store, { path: join(store.root, 'gone') }), /does not exist/);
  await assert.rejects(addBlob(store, { path: store.root }), /only a regular file/);
});

test('a name that is not a digest gives no path in the store, and none outside of it', async (t) => {
  const store = await temporaryStore(t);
  writeFileSync(join(store.root, 'victim.txt'), 'mine');
  for (const name of ['../../victim.txt', '', 'A'.repeat(64), `${sha256('x')}/..`]) {
    await assert.rejects(checkBlob(store, name), /is no digest/);
  }
  assert.equal(readFileSync(join(store.root, 'victim.txt'), 'utf8'), 'mine');
});

test('a folder in the place of a blob is reported as a folder', async (t) => {
  const store = await temporaryStore(t);
  mkdirSync(blobPath(store, sha256('hello')), { recursive: true });
  await assert.rejects(addBlob(store, Buffer.from('hello')), (error) => {
    assert.ok(error instanceof Failure);
    assert.match(error.message, /a folder lies where the store has a file/);
    return error.where === store.root;
  });
});

test('a changed blob is detected, whatever the change, and evicted', async (t) => {
  const store = await temporaryStore(t);
  const changes = [
    (path: string) => writeFileSync(path, 'HELLO'),
    (path: string) => truncateSync(path),
    (path: string) => {
      const { atime, mtime } = statSync(path);
      writeFileSync(path, 'HELLO');
      utimesSync(path, atime, mtime); // as if nothing had happened
    },
  ];
  for (const change of changes) {
    const { digest } = await addBlob(store, Buffer.from('hello'));
    const path = blobPath(store, digest);
    chmodSync(path, 0o644);
    change(path);
    assert.equal(await checkBlob(reopen(store), digest), false);
    assert.ok(!existsSync(path));
  }
});

test('a missing or foreign stamp means: hash again; right content is kept', async (t) => {
  const store = await temporaryStore(t);
  const { digest } = await addBlob(store, Buffer.from('hello'));
  await rm(stampPath(store.root, digest));
  assert.equal(await checkBlob(store, digest), true);
  assert.ok(existsSync(stampPath(store.root, digest)));
  writeFileSync(stampPath(store.root, digest), 'garbage');
  assert.equal(await checkBlob(store, digest), true);
  linkSync(blobPath(store, digest), join(store.root, 'other-name')); // changes ctime
  assert.equal(await checkBlob(store, digest), true);
});

test('a blob that was made writable under any name is read-only after the next check', async (t) => {
  const store = await temporaryStore(t);
  const { digest } = await addBlob(store, Buffer.from('hello'));
  linkSync(blobPath(store, digest), join(store.root, 'other-name'));
  chmodSync(join(store.root, 'other-name'), 0o644);
  assert.equal(await checkBlob(reopen(store), digest), true);
  assert.equal(statSync(blobPath(store, digest)).mode & 0o777, 0o444);
  const stamp = readFileSync(stampPath(store.root, digest), 'utf8');
  assert.equal(await checkBlob(store, digest), true);
  assert.equal(readFileSync(stampPath(store.root, digest), 'utf8'), stamp, 'once');
});

test('the stamp spares the hashing', async (t) => {
  const store = await temporaryStore(t);
  const { digest } = await addBlob(store, Buffer.from('hello'));
  // Content replaced and stamped as good: only a stat is made, so nobody notices.
  chmodSync(blobPath(store, digest), 0o644);
  writeFileSync(blobPath(store, digest), 'HELLO');
  writeFileSync(stampPath(store.root, digest), stampOf(blobPath(store, digest)) ?? '');
  assert.equal(await checkBlob(store, digest), true);
});

test('a blob that is written to while it is hashed is not trusted afterwards', async (t) => {
  const store = await temporaryStore(t);
  const { digest } = await addBlob(store, Buffer.alloc(32 << 20));
  const path = blobPath(store, digest);
  chmodSync(path, 0o644); // as of a hard link in out/: the stamp no longer fits
  const checking = checkBlob(store, digest);
  await new Promise((resolve) => setTimeout(resolve, 5));
  const file = openSync(path, 'r+');
  writeSync(file, 'X', 0); // behind what is hashed already
  closeSync(file);
  await checking;
  assert.equal(await checkBlob(reopen(store), digest), false);
});

test('a blob that was changed gets no new stamp, even if it was linked as well', async (t) => {
  const store = await temporaryStore(t);
  const { digest } = await addBlob(store, Buffer.from('hello'));
  linkSync(blobPath(store, digest), join(store.root, 'other-name'));
  await restampBlob(store, digest);
  assert.equal(readFileSync(stampPath(store.root, digest), 'utf8'), stampOf(blobPath(store, digest)));
  chmodSync(blobPath(store, digest), 0o644);
  writeFileSync(blobPath(store, digest), 'HELLO');
  await restampBlob(store, digest);
  assert.equal(await checkBlob(store, digest), false);
});

test('a damaged record counts as none', async (t) => {
  const store = await temporaryStore(t);
  const record = {
    name: 'a',
    kind: 'file',
    digest: sha256('x'),
    size: 1,
    refs: [sha256('y')],
    ms: 3,
  } as const;
  const key = sha256('key');
  await writeRecord(store, key, record);
  assert.deepEqual(readRecord(store, { key }), record);
  const path = join(store.root, 'actions', key.slice(0, 2), key);
  const good = readFileSync(path, 'utf8');
  for (const bad of [
    '',
    good.slice(0, -1),
    '\0'.repeat(20),
    'null',
    '[]',
    good.replace('file', 'link'),
    good.replace(sha256('y'), '../../etc'),
    good.replace(key, sha256('another key')),
  ]) {
    assert.equal(parseRecord(bad, key), undefined, bad);
    writeFileSync(path, bad);
    assert.equal(readRecord(store, { key }), undefined);
  }
  writeFileSync(path, good);
  assert.equal(readRecord(store, { key, pinned: sha256('z') }), undefined, 'not what is pinned');
  assert.deepEqual(readRecord(store, { key, pinned: sha256('x') }), record);
  writeFileSync(path, JSON.stringify(record)); // as before the key was in it
  assert.deepEqual(readRecord(store, { key }), record);
});

test('owners: this process is alive, an ended one is dead, another world is foreign', async () => {
  assert.equal(liveness(self()), 'alive');
  const { pid } = spawnSync('true');
  assert.equal(liveness({ ...self(), pid }), 'dead');
  assert.equal(liveness({ ...self(), start: '1' }), 'dead', 'the pid was given to another process');
  assert.equal(liveness({ ...self(), world: '00000000' }), 'foreign');
  assert.deepEqual(parseOwnedName(ownedName()), self());
  for (const name of ['', 'x', '1-2-3-4', `${ownedName()}x`, '../../etc'])
    assert.equal(parseOwnedName(name), undefined);
  const child = spawn('sleep', ['60']);
  const stat = readFileSync(`/proc/${child.pid}/stat`, 'latin1').split(' ');
  const owner = { ...self(), pid: child.pid ?? 0, start: stat[21] ?? '' };
  assert.equal(liveness(owner), 'alive');
  child.kill('SIGKILL');
  await new Promise((resolve) => child.once('close', resolve));
  assert.equal(liveness(owner), 'dead');
});

test('leftovers of dead processes in tmp/ are removed; those of living or unknown processes are not', async (t) => {
  const store = await temporaryStore(t);
  const tmp = join(store.root, 'tmp');
  const { pid } = spawnSync('true');
  const { start, world } = self();
  const dead = `${pid}-${start}-${world}-00000000`;
  const foreign = `${pid}-${start}-00000000-00000000`;
  const old = `${pid}-${start}-00000000-11111111`;
  const alive = ownedName();
  for (const name of [dead, foreign, old, alive, 'stranger'])
    mkdirSync(join(tmp, name, 'deep'), { recursive: true });
  chmodSync(join(tmp, dead, 'deep'), 0o755);
  for (const name of [old, 'stranger']) utimesSync(join(tmp, name), 0, 0);
  reopen(store);
  assert.deepEqual(readdirSync(tmp).sort(), [alive, foreign, 'stranger'].sort());
});

test('locks: one holder at a time; those of the dead and of other worlds are taken over', async (t) => {
  const store = await temporaryStore(t);
  const key = sha256('key');
  const path = join(store.root, 'locks', key);
  const unlock = await tryLock(store, key, 'a');
  assert.ok(unlock);
  assert.equal(await tryLock(reopen(store), key, 'a'), undefined);
  let free = false;
  const waiting = waitForLock(store, key, 'a', neverAborted()).then(() => {
    assert.ok(free);
  });
  free = true;
  await unlock();
  await waiting;
  assert.ok(!existsSync(path));

  const { pid } = spawnSync('true');
  for (const stale of [
    JSON.stringify({ ...self(), pid }),
    JSON.stringify({ ...self(), world: 'x' }),
    '',
    'garbage',
    '{"pid":1}',
  ]) {
    writeFileSync(path, stale);
    const taken = await tryLock(store, key, 'a');
    assert.ok(taken, stale);
    await taken();
  }
  // A lock that somebody else took over is not removed.
  const mine = await tryLock(store, key, 'a');
  writeFileSync(path, 'theirs');
  await mine?.();
  assert.equal(readFileSync(path, 'utf8'), 'theirs');
});

test('a waiting build can be stopped', async (t) => {
  const store = await temporaryStore(t);
  const unlock = await tryLock(store, sha256('key'), 'a');
  await assert.rejects(waitForLock(store, sha256('key'), 'a', AbortSignal.timeout(20)), {
    name: 'AbortError',
  });
  await unlock?.();
});

test('publishing: a hard link that the store still trusts; replaced at once; again only when it changed', async (t) => {
  const store = await temporaryStore(t);
  const out = join(store.root, 'out/disk');
  const one = await addBlob(store, Buffer.from('one'));
  const two = await addBlob(store, Buffer.from('two'));
  assert.equal(await publishBlob(store, one.digest, out), true);
  assert.equal(readFileSync(out, 'utf8'), 'one');
  const stamp = readFileSync(stampPath(store.root, one.digest), 'utf8');
  assert.equal(await checkBlob(store, one.digest), true);
  assert.equal(readFileSync(stampPath(store.root, one.digest), 'utf8'), stamp, 'no need to stamp again');
  assert.equal(await publishBlob(store, one.digest, out), false);
  assert.equal(await publishBlob(store, two.digest, out), true);
  assert.equal(readFileSync(out, 'utf8'), 'two');
  await rm(out);
  writeFileSync(out, 'two'); // the same bytes, but not what was put there
  assert.equal(await publishBlob(store, two.digest, out), true);
  assert.deepEqual(readdirSync(join(store.root, 'out')), ['disk']);
  assert.equal(await checkBlob(store, one.digest), true);
});

test('publishing: an obstacle is reported; leftovers of a killed process are removed', async (t) => {
  const store = await temporaryStore(t);
  const { digest } = await addBlob(store, Buffer.from('one'));
  const folder = await temporaryFolder(t);
  writeFileSync(join(folder, 'file'), '');
  mkdirSync(join(folder, 'disk'));
  for (const path of ['file/disk', 'disk']) {
    await assert.rejects(publishBlob(store, digest, join(folder, path)), {
      name: 'Failure',
      message: /cannot write the artifact: E(NOTDIR|EXIST|ISDIR)/,
      where: join(folder, path),
    });
  }
  const { pid } = spawnSync('true');
  const { start, world } = self();
  writeFileSync(join(folder, `uki.tmp-${pid}-${start}-${world}-00000000`), '');
  await publishBlob(store, digest, join(folder, 'uki'));
  assert.deepEqual(readdirSync(folder).sort(), ['disk', 'file', 'uki']);
});

test('a copy that is stopped leaves nothing', async (t) => {
  const root = await temporaryFolder(t);
  writeFileSync(join(root, 'from'), Buffer.alloc(8 << 20, 1));
  const controller = new AbortController();
  const copying = copyWithHoles(join(root, 'from'), join(root, 'to'), controller.signal);
  controller.abort();
  await assert.rejects(copying, { name: 'AbortError' });
  assert.deepEqual(readdirSync(root), ['from']);
});

test('a change of a published file never reaches a build', async (t) => {
  const store = await temporaryStore(t);
  const out = join(store.root, 'out/disk');
  const { digest } = await addBlob(store, Buffer.from('one'));
  await publishBlob(store, digest, out);
  chmodSync(out, 0o644);
  writeFileSync(out, 'ONE');
  const trusted = await checkBlob(reopen(store), digest);
  assert.ok(!trusted || readFileSync(blobPath(store, digest), 'utf8') === 'one');
});

test('copies keep the content and make holes of zeros', async (t) => {
  const root = await temporaryFolder(t);
  const content = Buffer.concat([
    Buffer.from('start'),
    Buffer.alloc(5 << 20),
    Buffer.from('end'),
    Buffer.alloc(3 << 20),
  ]);
  await writeFile(join(root, 'from'), content);
  await copyWithHoles(join(root, 'from'), join(root, 'to'));
  assert.ok((await readFile(join(root, 'to'))).equals(content));
  assert.ok(statSync(join(root, 'to')).blocks * 512 < 4 << 20);
  await assert.rejects(copyWithHoles(join(root, 'from'), join(root, 'to')), { code: 'EEXIST' });
});

test('a store that cannot be made is one error', async (t) => {
  const root = await temporaryFolder(t);
  writeFileSync(join(root, 'file'), '');
  assert.throws(
    () => openStore(join(root, 'file/store')),
    (error) =>
      error instanceof Failure &&
      /the path of the store leads through a file/.test(error.message) &&
      /DRAISINE_CACHE/.test(error.hint ?? ''),
  );
});

test('a folder with other contents is not used as a store', async (t) => {
  const root = await temporaryFolder(t);
  mkdirSync(join(root, 'tmp'));
  writeFileSync(join(root, 'tmp/thesis'), 'mine');
  assert.throws(() => openStore(root), { exitCode: 2, message: /not the store of Draisine.*\(tmp, …\)/ });
  assert.deepEqual(readdirSync(root), ['tmp']);
});

test('an old store without a mark, or a folder with other caches of Draisine, gets the mark', async (t) => {
  for (const folders of [['indexes'], ['actions', 'blobs', 'mine', 'stamps']]) {
    const root = await temporaryFolder(t);
    for (const name of folders) mkdirSync(join(root, name));
    openStore(root);
    writeFileSync(join(root, 'anything'), '');
    openStore(root);
    assert.ok(existsSync(join(root, '.draisine-store')));
  }
});

/** Runs a script in its own user and mount namespaces: full disks and read-only folders without being root. */
function inNamespace(script: string): { stdout: string; stderr: string } {
  const loader = fileURLToPath(import.meta.resolve('tsx'));
  const run = spawnSync(
    'unshare',
    ['-Urm', 'sh', '-c', script, process.execPath, loader, import.meta.dirname],
    { encoding: 'utf8' },
  );
  return { stdout: run.stdout, stderr: run.stderr };
}

function whyNoNamespaces(): string | false {
  try {
    execFileSync('unshare', ['-Urm', 'mount', '-t', 'tmpfs', 'none', '/mnt'], { stdio: 'pipe' });
    return false;
  } catch (error) {
    return `user and mount namespaces are not available here: ${error instanceof Error ? error.message.split('\n')[0] : error}`;
  }
}

test('a full disk is one clear error, and unfinished files are removed', { skip: whyNoNamespaces() }, () => {
  const { stdout, stderr } = inNamespace(
    `mount -t tmpfs -o size=2m none /mnt && exec "$0" --import "$1" "$2/full-disk-child.ts" /mnt/store`,
  );
  assert.equal(stderr, '');
  const said = JSON.parse(stdout) as { errors: string[]; tmp: string[] };
  assert.equal(said.errors.length, 3);
  for (const error of said.errors)
    assert.match(error, /no space left for the store\n {2}at: {3}\/mnt\/store\n {2}hint: free space/);
  assert.match(said.errors[1] ?? '', /^error: big: no space/);
  assert.deepEqual(said.tmp, []);
});

test('a read-only store is one clear error', { skip: whyNoNamespaces() }, () => {
  const { stdout } = inNamespace(
    `mount -t tmpfs none /mnt && mkdir /mnt/store && mount -o remount,ro,bind /mnt && exec "$0" --import "$1" "$2/full-disk-child.ts" /mnt/store`,
  );
  const { errors } = JSON.parse(stdout) as { errors: string[] };
  assert.match(errors[0] ?? '', /the store is on a read-only file system/);
});

test('a complete store may be read-only, however old it is', { skip: whyNoNamespaces() }, () => {
  const child = '"$0" --import "$1" "$2/crash-child.ts" /mnt/store 0';
  const age = 'find /mnt/store/actions -type f -exec touch -d 2000-01-01 {} +';
  const { stdout, stderr } = inNamespace(
    `mount -t tmpfs none /mnt && mkdir /mnt/store && ${child} >/dev/null && ${age} && rm -r /mnt/store/stamps/* /mnt/store/facts.json && mount -o remount,ro,bind /mnt && exec ${child}`,
  );
  assert.equal(stderr, '');
  const { ran, errors } = JSON.parse(stdout) as { ran: string[]; errors: string[] };
  assert.deepEqual([ran, errors], [[], []]);
});

test('temporary paths are private to the process', async (t) => {
  const store = await temporaryStore(t);
  const path = await temporaryPath(store);
  assert.ok(path.startsWith(store.tmp) && !existsSync(path));
  assert.ok(parseOwnedName(store.tmp.slice(store.tmp.lastIndexOf('/') + 1)));
});
