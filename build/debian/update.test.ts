import assert from 'node:assert/strict';
import { readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, type TestContext, test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import { setQuiet } from '../../sdk/lib/log.ts';
import type { Stanzas } from './fixtures.ts';
import {
  makeKey,
  publish,
  startMirror,
  TEST_TIME,
  type TestKey,
  type TestMirror,
  temporaryCache,
} from './fixtures-mirror.ts';
import { formatLock, type Lock } from './lock.ts';
import { parseLock } from './lock-parse.ts';
import type { PackageSet } from './set.ts';
import { type UpdateOptions, updateLock } from './update.ts';

let key: TestKey;
before(async () => {
  setQuiet(true);
  key = await makeKey();
});

const sets: PackageSet[] = [{ name: 'box', include: ['app'] }];
const main: Stanzas = { 'app 1.0': { Depends: 'lib (>= 1)' }, 'lib 1.0': {}, 'spare 1': {} };

async function archive(t: TestContext, components: Record<string, Stanzas> = { main }): Promise<TestMirror> {
  const mirror = await startMirror(t);
  await publish(mirror, '/debian', key, { suite: 'trixie' }, components);
  await publish(mirror, '/debian-security', key, { suite: 'trixie-security' }, {});
  return mirror;
}

async function update(
  mirrors: readonly TestMirror[],
  more: Partial<UpdateOptions> = {},
  of = sets,
): Promise<Lock> {
  const options: UpdateOptions = {
    bases: async () => mirrors.map(({ url }) => `${url}/debian`),
    freshness: 'newest',
    now: TEST_TIME,
    keys: [key.publicKey],
    ...more,
  };
  return (await updateLock(of, options)).lock;
}

const versions = (lock: Lock, set = 'box') =>
  lock.sets.get(set)!.packages.map(({ name, version }) => `${name} ${version}`);

/** A stanza of a Sources file. */
function zfsSource(version: string): string {
  const head = ['Package: zfs-linux', `Version: ${version}`, 'Directory: pool/contrib/z/zfs-linux'];
  const files = [` ${'b'.repeat(64)} 20 zfs_${version}.tar.xz`, ` ${'a'.repeat(64)} 10 zfs_${version}.dsc`];
  return [...head, 'Checksums-Sha256:', ...files, ''].join('\n');
}

async function failureOf(promise: Promise<unknown>): Promise<Failure> {
  const error = await promise.then(
    () => assert.fail('it should have failed'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof Failure, String(error));
  return error;
}

test('makes a lock from a signed archive, and reads it back', async (t) => {
  await temporaryCache(t);
  const lock = await update([await archive(t)]);
  assert.deepEqual(versions(lock), ['app 1.0', 'lib 1.0']);
  const [app] = lock.sets.get('box')!.packages;
  assert.equal(app!.root, true);
  assert.deepEqual(app!.needs, { lib: 'lib (>= 1)' });
  assert.equal(app!.path, 'pool/main/a/app/app_1.0_amd64.deb');
  assert.deepEqual(
    lock.indexes.map(({ suite, date }) => `${suite} ${date}`),
    ['trixie 2026-01-10T10:00:00Z', 'trixie-security 2026-01-10T10:00:00Z'],
  );
  assert.deepEqual(parseLock(formatLock(lock), 'lock', ''), lock);
});

test('the same archive gives the same bytes, whatever the order of the sets', async (t) => {
  await temporaryCache(t);
  const mirror = await archive(t);
  const more: PackageSet = { name: 'all', include: ['spare', 'app'] };
  const once = formatLock(await update([mirror], {}, [...sets, more]));
  assert.equal(
    formatLock(await update([mirror], {}, [{ ...more, include: ['app', 'spare'] }, ...sets])),
    once,
  );
});

test('with a cache, only InRelease is requested; a damaged cache is filled again', async (t) => {
  const cache = await temporaryCache(t);
  const mirror = await archive(t);
  const cold = formatLock(await update([mirror]));
  mirror.requests.length = 0;
  assert.equal(formatLock(await update([mirror])), cold);
  assert.ok(
    mirror.requests.every((path) => path.endsWith('/InRelease')),
    mirror.requests.join(),
  );
  mirror.requests.length = 0;
  const today = { freshness: 'cached' as const, now: Math.ceil(Date.now() / 1000) };
  assert.equal(formatLock(await update([mirror], today)), cold);
  assert.equal(mirror.requests.join(), '');
  // After the clock was set back by a month: the cached index would count as new for a month.
  const monthBefore = { ...today, now: today.now - 30 * 86_400 };
  assert.equal(formatLock(await update([mirror], monthBefore)), cold);
  assert.ok(mirror.requests.some((path) => path.endsWith('/InRelease')));
  const noNetwork = async () => ['http://127.0.0.1:9/debian'];
  const dayAfter = { ...today, now: today.now + 86_401 };
  assert.equal(
    formatLock(await update([mirror], { ...dayAfter, bases: noNetwork })),
    cold,
    'old is better than none',
  );
  assert.match((await failureOf(update([mirror], { bases: noNetwork }))).where ?? '', /ECONNREFUSED/);
  for (const name of await readdir(join(cache, 'indexes'))) {
    if (name.endsWith('.packages'))
      await writeFile(join(cache, 'indexes', name), 'draisine-index 1 0\nrubbish');
  }
  assert.equal(formatLock(await update([mirror])), cold);
});

test('an index with another digest than in InRelease is refused, and the next mirror is asked', async (t) => {
  await temporaryCache(t);
  const [bad, good] = [await archive(t), await archive(t)];
  const path = '/debian/dists/trixie/main/binary-amd64/Packages.xz';
  const wrong = Buffer.from(bad.files.get(path) as Buffer);
  wrong[wrong.length >> 1]! ^= 1;
  bad.files.set(path, wrong);
  const error = await failureOf(update([bad]));
  assert.match(error.message, /cannot get main\/binary-amd64\/Packages\.xz of trixie/);
  assert.match(error.where ?? '', /SHA-256 is .*InRelease says/);
  assert.deepEqual(versions(await update([bad, good])), ['app 1.0', 'lib 1.0']);
});

test('a cache that is not writable is not reported as the fault of a mirror', async (t) => {
  const cache = await temporaryCache(t);
  await symlink('/sys', join(cache, 'indexes'));
  const error = await failureOf(update([await archive(t)]));
  assert.match(error.message, /cannot use the cache: E(ACCES|PERM|ROFS)/);
  assert.match(error.hint ?? '', /DRAISINE_CACHE/);
});

test('an outdated, foreign or missing mirror is skipped; if all are like that, the error names each one', async (t) => {
  await temporaryCache(t);
  const good = await archive(t);
  const old = await startMirror(t);
  const expired = { suite: 'trixie', validUntil: 'Sat, 10 Jan 2026 11:00:00 UTC' };
  await publish(old, '/debian', key, expired, { main });
  const foreign = await startMirror(t);
  await publish(foreign, '/debian', await makeKey(), { suite: 'trixie' }, { main });
  const empty = await startMirror(t);
  assert.deepEqual(versions(await update([old, foreign, empty, good])), ['app 1.0', 'lib 1.0']);
  const error = await failureOf(update([old, foreign, empty]));
  for (const part of [/valid until/, /no valid signature/, /not found/])
    assert.match(error.where ?? '', part);
});

test('never takes an index that is older than the lock’s', async (t) => {
  await temporaryCache(t);
  const old = await update([await archive(t)]);
  const replay = await startMirror(t);
  await publish(replay, '/debian', key, { suite: 'trixie', date: 'Fri, 09 Jan 2026 10:00:00 UTC' }, { main });
  assert.match((await failureOf(update([replay], { old }))).message, /older than the one in the lock/);
});

test('updates single packages only, holds the others', async (t) => {
  await temporaryCache(t);
  const old = await update([await archive(t)]);
  const mirror = await archive(t);
  await publish(
    mirror,
    '/debian-security',
    key,
    { suite: 'trixie-security' },
    { main: { 'app 1.1': { Depends: 'lib' }, 'lib 1.1': {} } },
  );
  assert.deepEqual(versions(await update([mirror], { old })), ['app 1.1', 'lib 1.1']);
  assert.deepEqual(versions(await update([mirror], { old, only: ['app'] })), ['app 1.1', 'lib 1.0']);
  assert.deepEqual(versions(await update([mirror], { old, only: ['lib'] })), ['app 1.0', 'lib 1.1']);
});

test('some sets are updated, and the others do not change', async (t) => {
  await temporaryCache(t);
  const two: PackageSet[] = [
    { name: 'image', include: ['app'] },
    { name: 'tools', include: ['lib'] },
  ];
  const old = await update([await archive(t)], {}, two);
  const mirror = await archive(t);
  const newer = { main: { 'app 1.1': { Depends: 'lib' }, 'lib 1.1': {} } };
  await publish(mirror, '/debian-security', key, { suite: 'trixie-security' }, newer);
  const images = await update([mirror], { old, keep: ['tools'] }, two);
  assert.deepEqual(versions(images, 'image'), ['app 1.1', 'lib 1.1']);
  assert.deepEqual(versions(images, 'tools'), ['lib 1.0']);
  const tools = await update([mirror], { old, keep: ['image'] }, two);
  assert.deepEqual(versions(tools, 'image'), ['app 1.0', 'lib 1.0']);
  assert.deepEqual(versions(tools, 'tools'), ['lib 1.1']);
});

test('a new package of a set comes in with its dependencies; the other packages stay', async (t) => {
  await temporaryCache(t);
  const old = await update([await archive(t)]);
  const mirror = await archive(t);
  const newer = { 'app 1.1': {}, 'lib 1.1': {}, 'extra 2': { Depends: 'lib, help' }, 'help 3': {} };
  await publish(mirror, '/debian-security', key, { suite: 'trixie-security' }, { main: newer });
  const grown: PackageSet[] = [
    { name: 'box', include: ['app', 'extra'] },
    { name: 'other', include: ['lib'] },
  ];
  const lock = await update([mirror], { old, only: ['extra'] }, grown);
  assert.deepEqual(versions(lock), ['app 1.0', 'extra 2', 'help 3', 'lib 1.0']);
  assert.deepEqual(versions(lock, 'other'), ['lib 1.0'], 'new to the set, held as in the others');
  const error = await failureOf(update([mirror], { old, only: ['extra'] }));
  assert.match(error.message, /extra is in no package set/);
  assert.equal(error.exitCode, 2);
  assert.match((await failureOf(update([mirror], { old, only: ['extrq'] }))).hint ?? '', /extra/);
});

test('if held packages make an update impossible, exactly these are named', async (t) => {
  await temporaryCache(t);
  const old = await update([await archive(t)]);
  const mirror = await archive(t);
  const newer = { 'app 1.1': { Depends: 'lib' }, 'lib 1.1': {}, 'extra 2': { Depends: 'lib (>= 1.1)' } };
  await publish(mirror, '/debian-security', key, { suite: 'trixie-security' }, { main: newer });
  const grown: PackageSet[] = [{ name: 'box', include: ['app', 'extra'] }];
  const error = await failureOf(update([mirror], { old, only: ['extra'] }, grown));
  assert.match(error.message, /cannot be satisfied: .*, while lib must keep their versions$/);
  assert.match(error.hint ?? '', /lock --update extra lib$/);
  const lock = await update([mirror], { old, only: ['extra', 'lib'] }, grown);
  assert.deepEqual(versions(lock), ['app 1.0', 'extra 2', 'lib 1.1']);
});

test('a package that cannot be held is named, with the command that updates it too', async (t) => {
  await temporaryCache(t);
  const old = await update([await archive(t)]);
  const moved = await archive(t, { main: { 'app 1.1': { Depends: 'lib' }, 'lib 1.2': {} } });
  const error = await failureOf(update([moved], { old, only: ['app'] }));
  assert.match(error.message, /cannot hold lib 1\.0/);
  const more: PackageSet = { name: 'more', include: ['spare', 'lib'] };
  const two = await update([await archive(t)], {}, [...sets, more]);
  const all = await failureOf(update([moved], { old: two, only: ['app'] }, [...sets, more]));
  assert.match(all.hint ?? '', /lock --update app lib spare$/, 'of all sets, each once');
  assert.match(error.hint ?? '', /lock --update app lib/);
  assert.equal((await failureOf(update([moved], { old, only: ['apq'] }))).exitCode, 2);
  assert.equal((await failureOf(update([moved], { only: ['app'] }))).exitCode, 2);
});

test('a suite on request is read, and counts for the date of the lock, only if a set names it', async (t) => {
  await temporaryCache(t);
  const mirror = await archive(t);
  await publish(mirror, '/debian', key, { suite: 'trixie-backports' }, { main: { 'app 2~bpo13+1': {} } });
  assert.equal((await update([mirror])).indexes.length, 2);
  const lock = await update([mirror], {}, [{ name: 'box', include: ['app/trixie-backports'] }]);
  assert.equal(lock.indexes.length, 3);
  assert.deepEqual(versions(lock), ['app 2~bpo13+1']);
  assert.equal(lock.sets.get('box')!.packages[0]!.suite, 'trixie-backports');
});

test('stale drops cause a warning', async (t) => {
  await temporaryCache(t);
  const mirror = await archive(t);
  const { warnings } = await updateLock([{ ...sets[0]!, drop: [{ package: 'gone', reason: 'x' }] }], {
    bases: async () => [`${mirror.url}/debian`],
    ...{ freshness: 'newest', now: TEST_TIME, keys: [key.publicKey] },
  });
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, /box.*gone/);
});

test('pins source packages with all their files', async (t) => {
  await temporaryCache(t);
  const mirror = await archive(t);
  const sources = `${zfsSource('2.3.1')}\n${zfsSource('2.3.9')}\nPackage: kept-for-built-using\nExtra-Source-Only: yes\n`;
  await publish(mirror, '/debian', key, { suite: 'trixie', sources }, { main });
  const lock = await update([mirror], {}, [{ name: 'box', include: ['app'], sources: ['zfs-linux'] }]);
  assert.deepEqual(lock.sources, [
    {
      ...{ name: 'zfs-linux', version: '2.3.9', archive: 'debian', suite: 'trixie', component: 'main' },
      directory: 'pool/contrib/z/zfs-linux',
      files: [
        { name: 'zfs_2.3.9.dsc', size: 10, sha256: 'a'.repeat(64) },
        { name: 'zfs_2.3.9.tar.xz', size: 20, sha256: 'b'.repeat(64) },
      ],
    },
  ]);
  assert.ok(lock.indexes[0]!.sources?.main, 'the Sources index is in the chain');
  assert.deepEqual(parseLock(formatLock(lock), 'lock', ''), lock);
  const wanted: PackageSet[] = [{ name: 'box', include: ['app'], sources: ['zfs-linux'] }];
  const later = await archive(t);
  const both = { suite: 'trixie', sources: `${sources}\n${zfsSource('2.4.0')}` };
  await publish(later, '/debian', key, both, { main });
  const sourcesAfter = async (only: readonly string[]) =>
    (await update([later], { old: lock, only }, wanted)).sources.map(({ version }) => version);
  assert.deepEqual(await sourcesAfter(['app']), ['2.3.9'], 'held like any package');
  assert.deepEqual(await sourcesAfter(['zfs-linux']), ['2.4.0']);
  const error = await failureOf(
    update([mirror], {}, [{ name: 'box', include: ['app'], sources: ['zfs-linus'] }]),
  );
  assert.match(error.hint ?? '', /zfs-linux/);
});

test('security fixes only: packages with a fix get the version of the security archive; all others stay, even if the index no longer has them', async (t) => {
  await temporaryCache(t);
  const wanted: PackageSet[] = [{ name: 'box', include: ['app', 'spare', 'gone'], sources: ['zfs-linux'] }];
  const first = await startMirror(t);
  const start = { 'app 1.0': { Depends: 'lib (>= 1)' }, 'lib 1.0': {}, 'spare 1': {}, 'gone 1': {} };
  const publishAs = (
    mirror: TestMirror,
    base: string,
    suite: string,
    day: string,
    version: string,
    of: Stanzas,
  ) =>
    publish(
      mirror,
      base,
      key,
      { suite, date: `${day} Jan 2026 10:00:00 UTC`, sources: zfsSource(version) },
      { main: of },
    );
  await publishAs(first, '/debian', 'trixie', 'Fri, 09', '1', start);
  await publishAs(first, '/debian-security', 'trixie-security', 'Fri, 09', '0.9', {});
  const old = await update([first], {}, wanted);

  const later = await startMirror(t);
  // A point release: everything is newer, `gone` and the locked versions are no longer there.
  const point = { 'app 1.2': { Depends: 'lib (>= 1.2)' }, 'lib 1.2': { Breaks: 'spare' }, 'spare 2': {} };
  await publishAs(later, '/debian', 'trixie', 'Sat, 10', '2', point);
  const fixes = { 'lib 1.1': {}, 'unrelated 9': {} };
  await publishAs(later, '/debian-security', 'trixie-security', 'Sat, 10', '1.1', fixes);
  const lock = await update([later], { old, securityOnly: true }, wanted);
  assert.deepEqual(versions(lock), ['app 1.0', 'gone 1', 'lib 1.1', 'spare 1']);
  assert.deepEqual(
    lock.sources.map(({ name, version, archive }) => `${archive} ${name} ${version}`),
    ['debian-security zfs-linux 1.1'],
  );
  const dateOf = (of: Lock, suite: string) => of.indexes.find((index) => index.suite === suite)?.date;
  assert.equal(dateOf(lock, 'trixie'), dateOf(old, 'trixie'), 'where a snapshot has what was held');
  assert.notEqual(dateOf(lock, 'trixie-security'), dateOf(old, 'trixie-security'));
  assert.deepEqual(parseLock(formatLock(lock), 'lock', ''), lock);
  const again = await update([later], { old: lock, securityOnly: true }, wanted);
  assert.equal(formatLock(again), formatLock(lock), 'nothing new: not a byte changes');
  assert.equal((await failureOf(update([later], { securityOnly: true }, wanted))).exitCode, 2);
});

test('a security fix that needs a held package is reported', async (t) => {
  await temporaryCache(t);
  const old = await update([await archive(t)]);
  const mirror = await archive(t);
  const fix = { 'app 1.0.1': { Depends: 'lib (>= 1.5)' } };
  await publish(mirror, '/debian-security', key, { suite: 'trixie-security' }, { main: fix });
  const error = await failureOf(update([mirror], { old, securityOnly: true }));
  assert.match(error.message, /lib/);
});
