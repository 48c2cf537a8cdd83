import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Envelope } from '../format/types.ts';
import { writeTestReport } from '../report.ts';
import type { Made } from '../testing.ts';
import { initChannels, promote, setChannel } from './edit.ts';
import { addReport, world } from './testing.ts';

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
  const unsigned = async (envelope: Envelope) => envelope;
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
  assert.equal((await writeTestReport(release, files, unsigned)).complete, true);
  assert.equal((await writeTestReport(release, files.slice(0, 1), unsigned)).complete, false);
  assert.equal((await writeTestReport(release, files, unsigned)).passed, 2);
  // Balanced by different durations, both shards may leave out a.3.
  const report = readFileSync(join(release, 'report/report.json'));
  const lost = async () => assert.fail('no key can sign');
  await assert.rejects(writeTestReport(release, files.slice(0, 1), lost), /no key can sign/);
  assert.deepEqual(readFileSync(join(release, 'report/report.json')), report);
  const gap = await writeTestReport(release, shards(['a.1', 'a.2', 'a.3']), unsigned);
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
