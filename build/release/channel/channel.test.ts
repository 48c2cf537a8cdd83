import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { sha256 } from '../../../sdk/lib/files.ts';
import { setQuiet } from '../../../sdk/lib/log.ts';
import type { Store } from '../../graph/store.ts';
import { temporaryFolder, temporaryStore } from '../../graph/testing.ts';
import type { Statements } from '../build.ts';
import { parseFormat } from '../format/read.ts';
import type { Channel, Root } from '../format/types.ts';
import { writeTestReport } from '../report.ts';
import { readOwnRoot, rotateKeys, signersFor } from '../signing.ts';
import { type Made, makeRelease, signRelease, testKeys } from '../testing.ts';
import { addSignature, checkSigned, formatEnvelope, openEnvelope } from '../trust/envelope.ts';
import {
  haltChannel,
  initChannels,
  promote,
  pruneReleases,
  refreshChannels,
  resumeChannel,
  setChannel,
  withdrawRelease,
} from './edit.ts';
import { whilePublishing } from './lock.ts';

setQuiet(true);

const HOUR = 3_600_000;
const NOW = Date.now();

interface World {
  readonly store: Store;
  readonly folder: string;
  readonly base: string;
  readonly keys: { folder: string; root: Root };
  /** Where to edit, so many hours from now. */
  at(hours?: number): { folder: string; keys: string; now: number };
  release(made: Made, statements?: Statements): Promise<string>;
  channel(name: string): Promise<Channel>;
}

async function world(t: TestContext): Promise<World> {
  const folder = await temporaryFolder(t);
  const store = await temporaryStore(t);
  const keys = await testKeys(t);
  const base = join(folder, 'base');
  const at = (hours = 0) => ({ folder: base, keys: keys.folder, now: NOW + hours * HOUR });
  await initChannels({ ...at(), image: 'box' }, [], undefined);
  return {
    ...{ store, folder, base, keys, at },
    async release(made, statements) {
      const to = join(folder, `release-${made.version}-${sha256(made.content ?? '').slice(0, 8)}`);
      await makeRelease(store, to, made, statements);
      await signRelease(to, keys);
      return to;
    },
    async channel(name) {
      const path = join(base, 'box', `${name}.json`);
      const opened = await openEnvelope('channel', readFileSync(path, 'utf8'), path);
      await checkSigned(opened, 'channel', (await readOwnRoot(keys.folder)).value);
      return opened.value;
    },
  };
}

/** Puts a signed report beside a release: of its own files unless told otherwise. */
async function addReport(
  { keys, folder }: World,
  release: string,
  more: object = {},
  tests: readonly object[] = [{ test: 'zfs.mirror', passed: true }],
): Promise<void> {
  const { artifacts, name, version } = JSON.parse(readFileSync(join(release, 'manifest.json'), 'utf8')) as {
    artifacts: { path: string; sha256: string }[];
    name: string;
    version: string;
  };
  const digests = Object.fromEntries(artifacts.map((each) => [each.path, each.sha256]));
  const results = { image: name, version, complete: true, artifacts: digests, results: tests, ...more };
  writeFileSync(join(folder, 'results.json'), JSON.stringify(results));
  await writeTestReport(release, [join(folder, 'results.json')]);
  const path = join(release, 'report/report.json');
  const { envelope } = await openEnvelope('report', readFileSync(path, 'utf8'), path);
  const [signer] = await signersFor('release', keys.root, keys.folder);
  assert.ok(signer);
  const signed = await addSignature(envelope, 'report', signer.key, signer.publicKey);
  writeFileSync(path, formatEnvelope(signed));
}

/** Every file below a folder with its bytes, times and inode. */
function snapshot(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  return Object.fromEntries(
    files.map((file) => {
      const path = join(folder, file);
      const { ino, mtimeNs } = statSync(path, { bigint: true });
      const bytes = statSync(path).isFile() ? sha256(readFileSync(path)) : '';
      return [file, `${ino} ${mtimeNs} ${bytes}`];
    }),
  );
}

test('init: a root, its history, and four channels; again it touches nothing', async (t) => {
  const { base, at, channel } = await world(t);
  assert.deepEqual(readdirSync(base).sort(), ['box', 'root.1.json', 'root.json']);
  assert.deepEqual(readdirSync(join(base, 'box')).sort(), [
    'alpha.json',
    'beta.json',
    'lts.json',
    'stable.json',
  ]);
  const beta = await channel('beta');
  assert.equal(beta.serial, 1);
  assert.equal(beta.policy?.from, 'alpha');
  assert.equal(Date.parse(beta.expires) - Date.parse(beta.issued), 7 * 24 * HOUR);
  const before = snapshot(base);
  assert.deepEqual((await initChannels({ ...at(), image: 'box' }, [], undefined)).channels, []);
  const after = snapshot(base);
  delete before[''];
  assert.deepEqual(after, before);
  await initChannels({ ...at(), image: 'box' }, ['beta'], { hours: 1 });
  assert.deepEqual((await channel('beta')).policy, { from: 'alpha', hours: 1, failed: 0.02, rollout: 24 });
});

test('set: the release is served whole, by digest; the same again moves no byte, in no time', async (t) => {
  const w = await world(t);
  const release = await w.release({ version: '2026.1129.0' });
  const { moved } = await setChannel(w.at(), 'alpha', release, { hours: 48 });
  const served = join(w.base, 'box/releases/2026.1129.0');
  assert.deepEqual(readdirSync(served).sort(), readdirSync(release).sort());
  for (const file of readdirSync(release))
    assert.deepEqual(readFileSync(join(served, file)), readFileSync(join(release, file)));
  assert.ok(moved > 0);
  const alpha = await w.channel('alpha');
  assert.equal(alpha.version, '2026.1129.0');
  assert.equal(alpha.release, sha256(readFileSync(join(served, 'release.json'))));
  assert.deepEqual(alpha.rollout?.hours, 48);
  assert.equal(alpha.serial, 2);
  const before = snapshot(w.base);
  const began = performance.now();
  assert.deepEqual(await setChannel(w.at(1), 'alpha', release), { channels: [], moved: 0 });
  assert.ok(performance.now() - began < 5000);
  assert.deepEqual(snapshot(w.base), before);
});

test('set again: a published file that is missing or was cut off is served again, with the right bytes', async (t) => {
  const w = await world(t);
  const release = await w.release({ version: '2026.1129.0' });
  await setChannel(w.at(), 'alpha', release);
  const before = snapshot(w.base);
  const served = join(w.base, 'box/releases/2026.1129.0');
  const size = statSync(join(served, 'usr.img')).size;
  rmSync(join(served, 'manifest.json'));
  writeFileSync(join(served, 'usr.img'), 'cut off');
  const { channels, moved } = await setChannel(w.at(1), 'alpha', release);
  assert.deepEqual([channels, moved], [[], size + statSync(join(served, 'manifest.json')).size]);
  assert.deepEqual(Object.keys(snapshot(w.base)), Object.keys(before));
  for (const file of ['usr.img', 'manifest.json'])
    assert.deepEqual(readFileSync(join(served, file)), readFileSync(join(release, file)));
  rmSync(join(served, 'usr.img'));
  writeFileSync(join(release, 'usr.img'), 'other');
  await assert.rejects(setChannel(w.at(1), 'alpha', release), {
    message: /the release is damaged: usr\.img/,
  });
  assert.ok(!existsSync(join(served, 'usr.img')), 'a damaged release mends nothing');
});

test('one damaged channel file does not keep the others from a withdrawal or a renewal', async (t) => {
  const w = await world(t);
  await setChannel(w.at(), 'alpha', await w.release({ version: '2026.1129.0' }));
  writeFileSync(join(w.base, 'box/alpha.json'), 'cut off');
  const damaged = { exitCode: 2, message: /the signed file is not JSON/ };
  await assert.rejects(withdrawRelease(w.at(), '2026.1129.0', 'it loses data'), {
    message: /^some channels could not be changed: the signed file is not JSON.*alpha\.json/,
    hint: /^changed: box\/beta, box\/lts, box\/stable; mend the others/,
  });
  assert.equal((await w.channel('stable')).withdrawn[0]?.version, '2026.1129.0');
  await assert.rejects(refreshChannels(w.at(1), true), { message: /some channels could not be changed/ });
  assert.equal((await w.channel('stable')).serial, 3);
  await assert.rejects(haltChannel(w.at(1), 'alpha', 'x'), damaged);
});

test('set again: a barrier and other times of a rollout are taken over, and the release does not move', async (t) => {
  const w = await world(t);
  const release = await w.release({ version: '2026.1129.0' });
  await setChannel(w.at(), 'alpha', release, { hours: 48 });
  const { rollout } = await w.channel('alpha');
  const again = await setChannel(w.at(1), 'alpha', '2026.1129.0', { hours: 24, barrier: true });
  assert.equal(again.moved, 0);
  const { barriers, rollout: next, since, serial } = await w.channel('alpha');
  assert.deepEqual(
    barriers.map(({ version }) => version),
    ['2026.1129.0'],
  );
  assert.deepEqual(next, { begins: rollout?.begins, hours: 24 });
  assert.equal(serial, 3);
  assert.ok(since !== undefined);
  assert.deepEqual((await setChannel(w.at(2), 'alpha', '2026.1129.0', { barrier: true })).channels, []);
});

test('a publisher whose clock is behind the last file writes nothing', async (t) => {
  const w = await world(t);
  await setChannel(w.at(2), 'alpha', await w.release({ version: '2026.1129.0' }));
  const before = snapshot(w.base);
  await assert.rejects(
    setChannel(w.at(0), 'alpha', '2026.1129.0', { barrier: true }),
    /^Failure: the present file was issued at /,
  );
  assert.deepEqual(snapshot(w.base), before);
});

test('the web server may read what is published, whatever the umask of the publisher is', async (t) => {
  const umask = process.umask(0o077);
  try {
    const w = await world(t);
    const release = await w.release({ version: '2026.1129.0' });
    await addReport(w, release);
    await setChannel(w.at(), 'alpha', release);
    const modes = readdirSync(w.base, { recursive: true, encoding: 'utf8' }).map((path) => {
      const { mode } = statSync(join(w.base, path));
      return `${(mode & 0o777).toString(8)} ${path}`;
    });
    assert.ok(modes.length > 10);
    assert.equal(statSync(w.base).mode & 0o777, 0o755);
    assert.deepEqual(
      modes.filter((line) => !/^(755|644) /.test(line)),
      [],
    );
  } finally {
    process.umask(umask);
  }
});

/** Bytes that this process has read and written since it began (proc(5), /proc/PID/io), system calls of any kind. */
function bytesMoved(): { read: number; written: number } {
  const text = readFileSync('/proc/self/io', 'utf8');
  const field = (name: string) => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(text)?.[1]);
  return { read: field('rchar'), written: field('wchar') };
}

test('publishing a large release again reads and writes some kilobytes of it, not the release', async (t) => {
  const w = await world(t);
  const release = await w.release({ version: '2026.1129.0', content: 'x'.repeat(16 << 20) });
  const { moved } = await setChannel(w.at(), 'alpha', release);
  assert.ok(moved > 64 << 20, 'the content is in four files');
  const [before, began] = [bytesMoved(), performance.now()];
  assert.equal((await setChannel(w.at(1), 'alpha', release)).moved, 0);
  const [after, ms] = [bytesMoved(), performance.now() - began];
  const [read, written] = [after.read - before.read, after.written - before.written];
  t.diagnostic(`${moved} bytes at first; then ${read} read, ${written} written, in ${Math.round(ms)} ms`);
  assert.ok(read < 1 << 20, `${read} bytes read`);
  assert.ok(written < 64 << 10, `${written} bytes written: a lock, and what ssh-keygen is given`);
  assert.ok(ms < 5000, `${ms} ms`);
});

test('versions only rise, and a published release never changes', async (t) => {
  const w = await world(t);
  await setChannel(w.at(), 'alpha', await w.release({ version: '2026.1129.1' }));
  const older = await w.release({ version: '2026.1129.0' });
  await assert.rejects(setChannel(w.at(), 'alpha', older), { exitCode: 2, message: /does not rise/ });
  await assert.rejects(setChannel(w.at(), 'alpha', older, { force: 'please' }), { message: /does not rise/ });
  const other = await w.release({ version: '2026.1129.1', content: 'other' });
  const before = snapshot(w.base);
  await assert.rejects(setChannel(w.at(), 'alpha', other), {
    exitCode: 2,
    message: /published already, with other bytes/,
  });
  assert.deepEqual(snapshot(w.base), before);
  assert.equal((await w.channel('alpha')).version, '2026.1129.1');
});

test('an unsigned or damaged release is not published', async (t) => {
  const w = await world(t);
  const release = await w.release({ version: '2026.1129.0' });
  const cut = join(w.folder, 'cut');
  cpSync(release, cut, { recursive: true });
  chmodSync(join(cut, 'usr.img'), 0o600);
  writeFileSync(join(cut, 'usr.img'), 'cut');
  await assert.rejects(setChannel(w.at(), 'alpha', cut), { exitCode: 1, message: /usr\.img has 3 bytes/ });
  const unsigned = join(w.folder, 'unsigned');
  await makeRelease(w.store, unsigned, { version: '2026.1129.0' });
  await assert.rejects(setChannel(w.at(), 'alpha', unsigned), { exitCode: 2, message: /^0 of the 1/ });
  assert.equal(existsSync(join(w.base, 'box/releases')), false);
  await assert.rejects(setChannel(w.at(), 'alpha', '2026.1129.9'), {
    exitCode: 2,
    message: /no release\.json/,
  });
  await assert.rejects(setChannel(w.at(), 'gamma', release), { exitCode: 2, message: /no channel gamma/ });
});

test('promotion needs a green report of the same bytes, and time; --force is recorded', async (t) => {
  const w = await world(t);
  const release = await w.release({ version: '2026.1129.0' });
  await setChannel(w.at(), 'alpha', release);
  const refused = (hours: number, message: RegExp) =>
    assert.rejects(promote(w.at(hours), 'alpha', 'beta'), { exitCode: 1, message });
  await refused(30, /no signed test report/);
  await addReport(w, release);
  assert.ok((await setChannel(w.at(), 'alpha', release)).moved > 0, 'a report comes later');
  await refused(1, /for 1\.0 of the required 24 hours/);
  await assert.rejects(promote(w.at(30), 'alpha', 'stable'), {
    message: /takes releases from beta, not from alpha/,
  });
  const { channels } = await promote(w.at(30), 'alpha', 'beta');
  assert.equal(channels[0]?.version, '2026.1129.0');
  assert.equal(channels[0]?.rollout?.hours, 24);
  assert.equal(channels[0]?.forced, undefined);
  assert.deepEqual((await promote(w.at(31), 'alpha', 'beta')).channels, [], 'it is there');
  await assert.rejects(setChannel(w.at(31), 'stable', '2026.1129.0'), {
    message: /takes releases from beta/,
  });
  await promote(w.at(31), 'beta', 'stable', { force: 'CVE-2026-1' });
  const { forced } = await w.channel('stable');
  assert.equal(forced?.reason, 'CVE-2026-1');
  assert.match(forced?.refused ?? '', /for 1\.0 of the required 72 hours/);
});

test('promotion: no report of other bytes, of failures, of a part, or with other results than signed', async (t) => {
  const w = await world(t);
  const cases: readonly (readonly [object, readonly object[] | undefined, RegExp])[] = [
    [{ artifacts: { 'usr.img': 'b'.repeat(64) } }, undefined, /is of another usr\.img.*\n.*another uki\.efi/],
    [{ complete: false }, undefined, /not of all tests/],
    [{ shard: '1/2' }, undefined, /not of all tests/],
    [
      {},
      [
        { test: 'a.b', passed: true },
        { test: 'a.c', passed: false },
      ],
      /1 tests failed/,
    ],
    [{}, [{ test: 'a.b', passed: false, skipped: 'no disk' }], /no test passed/],
  ]; // prettier-ignore
  for (const [index, [more, tests, message]] of cases.entries()) {
    const release = await w.release({ version: `2026.1129.${index}` });
    await addReport(w, release, more, tests);
    await setChannel(w.at(), 'alpha', release);
    await assert.rejects(promote(w.at(48), 'alpha', 'beta'), { exitCode: 1, message });
  }
  await assert.rejects(
    addReport(w, await w.release({ version: '2026.1129.8' }), { version: '2026.1129.7' }),
    {
      exitCode: 2,
      message: /results are of box 2026\.1129\.7/,
    },
  );
  const release = await w.release({ version: '2026.1129.9' });
  await addReport(w, release);
  await setChannel(w.at(), 'alpha', release);
  writeFileSync(join(w.base, 'box/releases/2026.1129.9/report/results.json'), '{}');
  await assert.rejects(promote(w.at(48), 'alpha', 'beta'), {
    exitCode: 2,
    message: /not those of the signed report/,
  });
});

test('shards of one run are one report', async (t) => {
  const w = await world(t);
  const release = await w.release({ version: '2026.1129.0' });
  const shards = (all: readonly string[]) =>
    ['1/2', '2/2'].map((shard) => {
      const path = join(w.folder, `results-${shard[0]}.json`);
      const results = [{ test: `a.${shard[0]}`, passed: true }];
      const run = { image: 'box', version: '2026.1129.0', complete: true, all, shard, results };
      writeFileSync(path, JSON.stringify(run));
      return path;
    });
  const files = shards(['a.1', 'a.2']);
  assert.equal((await writeTestReport(release, files)).complete, true);
  assert.equal((await writeTestReport(release, files.slice(0, 1))).complete, false);
  assert.equal((await writeTestReport(release, files)).passed, 2);
  // Balanced by different durations, both shards may leave out a.3.
  const gap = await writeTestReport(release, shards(['a.1', 'a.2', 'a.3']));
  assert.equal(gap.complete, false);
});

test('lts takes security fixes only; too many boxes that rejected it stop a release', async (t) => {
  const w = await world(t);
  await initChannels({ ...w.at(), image: 'box' }, ['lts'], { from: 'alpha', hours: 0 });
  const release = await w.release({ version: '2026.1129.0' });
  await addReport(w, release);
  await setChannel(w.at(), 'alpha', release);
  await assert.rejects(promote(w.at(), 'alpha', 'lts'), { message: /security fixes only/ });
  const fix = await w.release({ version: '2026.1129.1' }, { severity: 'important' });
  await addReport(w, fix);
  await setChannel(w.at(), 'alpha', fix);
  const boxes = join(w.base, 'box/releases/2026.1129.1/report/boxes.json');
  writeFileSync(boxes, JSON.stringify({ committed: 97, rejected: 3 }));
  await assert.rejects(promote(w.at(), 'alpha', 'lts'), { message: /3 of 100 boxes rejected it/ });
  for (const wrong of ['', 'null', '{"committed": 9}', '{"committed": -1, "rejected": 0}']) {
    writeFileSync(boxes, wrong);
    await assert.rejects(promote(w.at(), 'alpha', 'lts'), { exitCode: 2, hint: /"committed": N/ }, wrong);
  }
  writeFileSync(boxes, JSON.stringify({ committed: 99, rejected: 1 }));
  await promote(w.at(), 'alpha', 'lts');
  assert.equal((await w.channel('lts')).version, '2026.1129.1');
});

test('lts: a release from a branch is set, or promoted, when it has nothing but security fixes', async (t) => {
  const w = await world(t);
  const fix = (version: string, made: Made = {}) => w.release({ version, ...made }, { severity: 'critical' });
  const first = await fix('2026.1129.0');
  await assert.rejects(setChannel(w.at(), 'lts', first), { message: /there is no signed test report/ });
  await addReport(w, first);
  await setChannel(w.at(), 'lts', first);
  assert.equal(
    (await w.channel('lts')).version,
    '2026.1129.0',
    'the first release is the base of the branch',
  );

  const other = await fix('2026.1129.1', { facts: { units: { 'new.service': 'enabled' } } });
  await addReport(w, other);
  const refusal = { exitCode: 1, message: /lts takes security fixes only: the unit new\.service changed/ };
  await assert.rejects(setChannel(w.at(), 'lts', other), refusal);
  await initChannels({ ...w.at(), image: 'box' }, ['lts'], { from: 'alpha', hours: 0 });
  await setChannel(w.at(), 'alpha', other);
  await assert.rejects(promote(w.at(), 'alpha', 'lts'), refusal);
  assert.equal((await w.channel('lts')).version, '2026.1129.0');
  await setChannel(w.at(), 'lts', other, { force: 'the fix needs this unit' });
  const { version, forced } = await w.channel('lts');
  assert.equal(version, '2026.1129.1');
  assert.match(forced?.refused ?? '', /the unit new\.service changed/);

  const same = await fix('2026.1129.2', { content: 'fixed', facts: { units: { 'new.service': 'enabled' } } });
  await addReport(w, same);
  await setChannel(w.at(), 'lts', same);
  assert.equal((await w.channel('lts')).forced, undefined);
  await assert.rejects(setChannel(w.at(), 'beta', same), { message: /beta takes releases from alpha/ });
});

test('halt, resume, withdraw: each costs one signature, and the serial rises', async (t) => {
  const w = await world(t);
  const release = await w.release({ version: '2026.1129.0' });
  await addReport(w, release);
  await assert.rejects(
    setChannel(w.at(), 'alpha', release, { hours: 1.5 }),
    /rollout\/hours must be integer/,
    'every box would refuse that file',
  );
  await setChannel(w.at(), 'alpha', release);
  await haltChannel(w.at(), 'alpha', 'pools vanish');
  assert.equal((await w.channel('alpha')).halted?.reason, 'pools vanish');
  assert.deepEqual((await haltChannel(w.at(), 'alpha', 'pools vanish')).channels, []);
  await assert.rejects(promote(w.at(48), 'alpha', 'beta'), { message: /alpha is halted: pools vanish/ });
  await resumeChannel(w.at(), 'alpha');
  assert.equal((await w.channel('alpha')).halted, undefined);
  const { channels } = await withdrawRelease(w.at(), '2026.1129.0', 'it loses data');
  assert.equal(channels.length, 4);
  await assert.rejects(promote(w.at(48), 'alpha', 'beta', { force: 'x' }), { message: /was withdrawn/ });
  await assert.rejects(withdrawRelease(w.at(), '2026.1.0', 'x'), {
    exitCode: 2,
    message: /is not published/,
  });
  assert.equal((await w.channel('alpha')).serial, 5);
});

test('a channel that is made after a withdrawal does not take the withdrawn release', async (t) => {
  const w = await world(t);
  const release = await w.release({ version: '2026.1129.0' });
  await addReport(w, release);
  await setChannel(w.at(), 'alpha', release);
  await withdrawRelease(w.at(), '2026.1129.0', 'it loses data');
  await initChannels({ ...w.at(), image: 'box' }, ['lab'], { rollout: 0 });
  const refusal = { exitCode: 2, message: /2026\.1129\.0 was withdrawn: it loses data/ };
  await assert.rejects(promote(w.at(), 'alpha', 'lab'), refusal);
  await assert.rejects(setChannel(w.at(), 'lab', '2026.1129.0'), refusal);
  assert.deepEqual(
    (await w.channel('lab')).withdrawn.map(({ version }) => version),
    ['2026.1129.0'],
  );
});

test('refresh: renewed when half its time is over; a replaced key signs nothing more', async (t) => {
  const w = await world(t);
  const files = snapshot(w.base);
  assert.deepEqual((await refreshChannels(w.at(80), false)).channels, []);
  assert.deepEqual(snapshot(w.base), files);
  assert.equal((await refreshChannels(w.at(90), false)).channels.length, 4);
  const stolen = await w.channel('alpha');
  await rotateKeys(w.keys.folder, 'channel');
  const { channels } = await refreshChannels(w.at(91), false);
  assert.deepEqual(
    channels.map(({ serial }) => serial),
    [3, 3, 3, 3],
  );
  assert.equal((await w.channel('alpha')).serial, stolen.serial + 1);
  assert.deepEqual(readdirSync(w.base).sort(), ['box', 'root.1.json', 'root.2.json', 'root.json']);
});

test('roots: an expired one signs nothing, an older one than is published neither, nor another one', async (t) => {
  const w = await world(t);
  await assert.rejects(refreshChannels(w.at(366 * 24), true), { exitCode: 2, message: /the root expired/ });
  const old = join(w.folder, 'old-keys');
  cpSync(w.keys.folder, old, { recursive: true });
  await rotateKeys(w.keys.folder, 'channel');
  await refreshChannels(w.at(), false);
  await assert.rejects(refreshChannels({ ...w.at(), keys: old }, true), {
    exitCode: 2,
    message: /root 2 is published, the keys here have root 1/,
  });
  const strangers = (await testKeys(t)).folder;
  await rotateKeys(strangers, 'channel');
  await assert.rejects(refreshChannels({ ...w.at(), keys: strangers }, true), {
    exitCode: 2,
    message: /another root of trust/,
  });
});

test('a channel file signed by an unknown key is refused', async (t) => {
  const w = await world(t);
  const path = join(w.base, 'box/alpha.json');
  const { signed, signatures } = await parseFormat('envelope', readFileSync(path, 'utf8'), path);
  writeFileSync(path, JSON.stringify({ signed: signed.replace('"serial": 1', '"serial": 9'), signatures }));
  await assert.rejects(haltChannel(w.at(), 'alpha', 'x'), { exitCode: 2, message: /^0 of the 1/ });
});

test('a key that others can read, or that is lost, signs nothing', async (t) => {
  const w = await world(t);
  chmodSync(join(w.keys.folder, 'channel-1'), 0o640);
  const before = snapshot(w.base);
  await assert.rejects(haltChannel(w.at(), 'alpha', 'x'), {
    exitCode: 2,
    message: /others can read the key/,
  });
  rmSync(join(w.keys.folder, 'channel-1'));
  await assert.rejects(haltChannel(w.at(), 'alpha', 'x'), {
    exitCode: 1,
    message: /no channel key here can sign/,
    hint: /keys rotate channel/,
  });
  assert.deepEqual(snapshot(w.base), before);
});

test('two publishers: the second loses and changes nothing; one that was killed does not stand in the way', async (t) => {
  const w = await world(t);
  const release = await w.release({ version: '2026.1129.0' });
  await whilePublishing(w.base, async () => {
    const before = snapshot(w.base);
    await assert.rejects(setChannel(w.at(), 'alpha', release), {
      exitCode: 1,
      message: /another process is publishing there: process \d+ of /,
    });
    assert.deepEqual(snapshot(w.base), before);
  });
  const dead = spawnSync('true').pid;
  const lock = join(w.base, '.publishing.json');
  await whilePublishing(w.base, async () => {
    const text = readFileSync(lock, 'utf8');
    writeFileSync(join(w.folder, 'stale'), text.replace(`"pid":${process.pid}`, `"pid":${dead}`));
  });
  cpSync(join(w.folder, 'stale'), lock);
  mkdirSync(join(w.base, 'box/releases/2026.1129.0.tmp-1-00000000'), { recursive: true });
  await setChannel(w.at(), 'alpha', release);
  assert.deepEqual(readdirSync(join(w.base, 'box/releases')), ['2026.1129.0']);
  assert.equal(existsSync(lock), false);
});

test('a lock of an earlier boot of this host is taken over, one of another host is not', async (t) => {
  const w = await world(t);
  const here = { host: 'a', machine: 'm', boot: '2' };
  const lock = join(w.base, '.publishing.json');
  const published = async (other: object) => {
    const owner = { pid: 1, start: '1', world: '00000000', user: 'u' };
    writeFileSync(lock, JSON.stringify({ ...owner, ...other }));
    return whilePublishing(w.base, async () => true, here).catch(({ message }) => message);
  };
  assert.equal(await published({ ...here, boot: '1' }), true);
  assert.equal(existsSync(lock), false);
  for (const other of [
    here,
    { ...here, boot: '1', host: 'b' },
    { host: 'a', boot: '1' },
    { ...here, machine: 'n' },
  ])
    assert.match(await published(other), /another process is publishing there: process 1 of u on/);
});

test('no private key is in the store, in a release, or in the served folder', async (t) => {
  const w = await world(t);
  const release = await w.release({ version: '2026.1129.0' });
  await addReport(w, release);
  await setChannel(w.at(), 'alpha', release);
  const secrets = ['root-1', 'release-1', 'channel-1'].map((name) => {
    const lines = readFileSync(join(w.keys.folder, name), 'utf8').split('\n');
    return lines[2] ?? assert.fail(name); // the private half begins there, after the public one
  });
  let files = 0;
  for (const folder of [w.store.root, w.base, release])
    for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      const path = join(folder, file);
      if (!statSync(path).isFile()) continue;
      const text = readFileSync(path, 'latin1');
      files++;
      for (const secret of [...secrets, 'OPENSSH PRIVATE KEY']) assert.ok(!text.includes(secret), path);
    }
  assert.ok(files > 30);
});

test('prune removes releases that no channel names; the newest stay', async (t) => {
  const w = await world(t);
  for (const day of [1, 2, 3, 4])
    await setChannel(w.at(), 'alpha', await w.release({ version: `2026.110${day}.0` }), {
      barrier: day === 1,
    });
  assert.deepEqual(await pruneReleases(w.at(), 2), ['2026.1102.0']);
  assert.deepEqual(readdirSync(join(w.base, 'box/releases')), ['2026.1101.0', '2026.1103.0', '2026.1104.0']);
  assert.deepEqual(await pruneReleases(w.at(), 0), ['2026.1103.0']);
  assert.deepEqual(await pruneReleases(w.at(), 0), []);
});

function whyNoNamespaces(): string | false {
  try {
    execFileSync('unshare', ['-Urm', 'mount', '-t', 'tmpfs', 'none', '/mnt'], { stdio: 'pipe' });
    return false;
  } catch (error) {
    return `user and mount namespaces are not available here: ${String(error).split('\n')[0]}`;
  }
}

test('a full disk: nothing half is there, and the old state is served', {
  skip: whyNoNamespaces(),
}, async (t) => {
  const w = await world(t);
  await setChannel(w.at(), 'alpha', await w.release({ version: '2026.1129.0' }));
  const big = await w.release({ version: '2026.1129.1', content: 'x'.repeat(1 << 20) });
  const child = fileURLToPath(new URL('publish-child.ts', import.meta.url));
  const loader = fileURLToPath(import.meta.resolve('tsx'));
  const script = [
    'mount -t tmpfs -o size=1m none /mnt && cp -a "$1"/. /mnt && find /mnt | sort > "$5"',
    '"$0" --import "$2" "$3" /mnt "$4" "$6" && find /mnt | sort | diff "$5" - && cmp "$1/box/alpha.json" /mnt/box/alpha.json',
  ].join(' && ');
  const args = [w.base, loader, child, w.keys.folder, join(w.folder, 'list'), big];
  const run = spawnSync('unshare', ['-Urm', 'sh', '-c', script, process.execPath, ...args], {
    encoding: 'utf8',
  });
  assert.match(run.stdout, /^error: cannot publish: ENOSPC.*\n.*\n {2}hint: make room there/);
  assert.equal(run.status, 0, run.stdout + run.stderr);
});
