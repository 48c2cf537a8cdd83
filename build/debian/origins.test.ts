import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Failure } from '../../sdk/lib/errors.ts';
import { sha256 } from '../../sdk/lib/files.ts';
import { openStore } from '../graph/store.ts';
import { temporaryFolder } from '../graph/testing.ts';
import { fetchDeb } from './fetch.ts';
import { startMirror, temporaryCache } from './fixtures-mirror.ts';
import { keepPinned, pinnedFiles } from './keep.ts';
import type { Lock, LockedPackage } from './lock.ts';
import { originsOf, type PoolFile, snapshotUrls } from './origins.ts';

const content = Buffer.from('the version that the lock pins');
const dsc = Buffer.from('a source package');
const file: PoolFile = {
  archive: 'debian-security',
  path: 'pool/updates/main/p/pkg/pkg_1.0-1_amd64.deb',
  size: content.length,
  sha256: sha256(content),
};

function environment(t: TestContext, set: Readonly<Record<string, string>>): void {
  const names = ['DRAISINE_MIRROR', 'DRAISINE_ARCHIVE', 'DRAISINE_REMOTE'];
  const before = names.map((name) => [name, process.env[name]] as const);
  for (const name of names) delete process.env[name];
  Object.assign(process.env, set);
  t.after(() => {
    for (const [name, value] of before)
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
  });
}

/** The time of the newest index of trixie-security in this checkout's own lock. */
async function lockedTime(): Promise<string> {
  const text = await readFile(new URL('../../packages/lock.json', import.meta.url), 'utf8');
  const { indexes } = JSON.parse(text) as { indexes: { archive: string; date: string }[] };
  const dates = indexes.filter(({ archive }) => archive === 'debian-security').map(({ date }) => date);
  return (dates.sort().at(-1) ?? '').replace(/[-:]/g, '');
}

test('a package that left the mirror comes from the snapshot service, at the date of the lock’s index', async (t) => {
  const out = join(await temporaryCache(t), 'out');
  const [mirror, snapshots] = [await startMirror(t), await startMirror(t)];
  environment(t, {
    DRAISINE_MIRROR: `${mirror.url}/debian`,
    DRAISINE_ARCHIVE: `${snapshots.url}/archive/`,
  });
  const path = `/archive/debian-security/${await lockedTime()}/${file.path}`;
  snapshots.files.set(path, content);
  await fetchDeb(file, out);
  assert.deepEqual(await readFile(out), content);
  assert.deepEqual(mirror.requests, [`/debian-security/${file.path}`], 'the mirror is asked first');
  assert.deepEqual(snapshots.requests, [path]);
});

test('then from the remote store, by digest; its answer is checked as well', async (t) => {
  const out = join(await temporaryCache(t), 'out');
  const [mirror, remote] = [await startMirror(t), await startMirror(t)];
  environment(t, { DRAISINE_MIRROR: `${mirror.url}/debian`, DRAISINE_REMOTE: `${remote.url}/store` });
  const path = `/store/blobs/${file.sha256.slice(0, 2)}/${file.sha256}`;
  remote.files.set(path, Buffer.from('the version that the lock pinS'));
  await assert.rejects(fetchDeb(file, out), { exitCode: 1, where: /SHA-256 is [0-9a-f]{64}, the lock says/ });
  remote.files.set(path, content);
  await fetchDeb(file, out);
  assert.deepEqual(await readFile(out), content);
});

test('if no place has the file, the error names the places that may have it', async (t) => {
  const out = join(await temporaryCache(t), 'out');
  const mirror = await startMirror(t);
  environment(t, { DRAISINE_MIRROR: `${mirror.url}/debian` });
  const error: unknown = await fetchDeb(file, out).catch((thrown: unknown) => thrown);
  assert.ok(error instanceof Failure);
  assert.match(error.message, /no mirror has pkg_1\.0-1_amd64\.deb any more/);
  const hint = error.hint ?? '';
  assert.ok(hint.includes(`DRAISINE_ARCHIVE: it has the state of ${await lockedTime()}`), hint);
  assert.match(hint, /DRAISINE_MIRROR=file:FOLDER; or .*DRAISINE_REMOTE; or \.\/draisine lock --update/);
  assert.throws(() => snapshotUrls('ftp://x', file, []), { exitCode: 2 });
  await assert.rejects(originsOf(file, { environment: { DRAISINE_REMOTE: 'nonsense' } }), { exitCode: 2 });
});

function lockOf(files: readonly PoolFile[]): Lock {
  const packages = files.map(
    (each, index): LockedPackage => ({
      ...each,
      ...{ name: `p${index}`, version: '1', architecture: 'amd64', installedSize: 1 },
      ...{ suite: 'trixie', component: 'main', root: true, needs: {}, dropped: {} },
    }),
  );
  const source = {
    ...({ name: 's', version: '1', archive: 'debian', suite: 'trixie', component: 'main' } as const),
    directory: 'pool/main/s/s',
    files: [{ name: 's_1.dsc', size: dsc.length, sha256: sha256(dsc) }],
  };
  const set = { definition: '', packages };
  return {
    indexes: [],
    sets: new Map([
      ['a', set],
      ['b', set],
    ]),
    sources: [source],
  }; // prettier-ignore
}

test('mirror: every package and source once, linked from the store; resumed, repaired, and built from', async (t) => {
  const cache = await temporaryCache(t);
  const folder = join(await temporaryFolder(t), 'kept');
  const mirror = await startMirror(t);
  environment(t, { DRAISINE_MIRROR: `${mirror.url}/debian` });
  const lock = lockOf([file]);
  assert.equal(pinnedFiles(lock).length, 2);
  mirror.files.set('/debian/pool/main/s/s/s_1.dsc', dsc);
  await assert.rejects(keepPinned(lock, folder, openStore(cache)), {
    exitCode: 1,
    message: /^1 of 2 files cannot be fetched: debian-security\/pool\/updates\/.*pkg_1\.0-1_amd64\.deb/,
    hint: /DRAISINE_ARCHIVE/,
  });
  const source = join(folder, 'debian/pool/main/s/s/s_1.dsc');
  assert.deepEqual(await readFile(source), dsc, 'the others are kept all the same');
  mirror.files.set(`/debian-security/${file.path}`, content);
  const kept = await keepPinned(lock, folder, openStore(cache));
  assert.deepEqual(kept, { files: 2, placed: 1, bytes: content.length + dsc.length });
  const deb = join(folder, 'debian-security', file.path);
  assert.equal((await stat(deb)).mode & 0o777, 0o444);
  assert.equal((await keepPinned(lock, folder, openStore(cache))).placed, 0);
  await rm(deb);
  await writeFile(deb, 'spoilt');
  assert.equal((await keepPinned(lock, folder, openStore(cache))).placed, 1);

  // A year later: the mirror has moved on, and the cache is empty.
  mirror.files.clear();
  const empty = openStore(await temporaryCache(t));
  assert.deepEqual(await keepPinned(lock, folder, empty), { ...kept, placed: 0 });
  const out = join(await temporaryCache(t), 'out');
  process.env.DRAISINE_MIRROR = pathToFileURL(folder).href;
  await fetchDeb(file, out);
  assert.deepEqual(await readFile(out), content);
  await chmod(deb, 0o600);
  await writeFile(deb, 'spoilt again');
  await mkdir(join(folder, 'x'), { recursive: true });
  await assert.rejects(fetchDeb(file, out), { where: /SHA-256 is [0-9a-f]{64}, the lock says/ });
});
