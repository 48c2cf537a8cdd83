import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { sha256 } from '../../sdk/lib/files.ts';
import type { Package } from '../debian/package.ts';
import { temporaryFolder, temporaryStore } from '../graph/testing.ts';
import type { ImageFacts } from '../image/facts.ts';
import type { SourcePackage } from '../image/spdx.ts';
import type { Manifest } from '../product/manifest.ts';
import { readManifest } from '../product/manifest.ts';
import { listenersOf } from '../tree/facts.ts';
import { dir, file, symlink } from '../tree/testing.ts';
import { changelogOf, entriesBetween, parseChangelog, vulnerabilitiesIn } from './changelog.ts';
import {
  formatNotes,
  makeNotes,
  type NotedRelease,
  type PackageChange,
  packageChanges,
  withEntries,
} from './notes.ts';
import { placeOf } from './place.ts';
import { type Made, makeRelease } from './testing.ts';
import { readRelease } from './verify.ts';

const CHANGELOG = `openssl (3.5.4-1~deb13u2) trixie-security; urgency=medium

  * CVE-2026-0001 (Out of bounds write), CVE-2026-0002.
    More of it.

 -- A Maintainer <a@example.org>  Tue, 17 Nov 2026 20:00:00 +0100

openssl (3.5.4-1~deb13u1) trixie; urgency=medium

  [ Somebody ]
  * New upstream.

 -- A Maintainer <a@example.org>  Tue, 30 Sep 2026 20:00:00 +0200

openssl (3.5.1-1) unstable; urgency=medium

  * Old.

 -- A Maintainer <a@example.org>  Tue, 01 Jul 2026 20:00:00 +0200
Old changes without a form
  * not an entry
`;

test('a changelog: entries between two versions, and the CVEs that they repair', () => {
  const entries = parseChangelog(CHANGELOG);
  assert.deepEqual(
    entries.map(({ version }) => version),
    ['3.5.4-1~deb13u2', '3.5.4-1~deb13u1', '3.5.1-1'],
  );
  assert.deepEqual(entries[2]?.lines, ['  * Old.']);
  const between = (from: string, to: string) =>
    entriesBetween(entries, from, to).map(({ version }) => version);
  assert.deepEqual(between('3.5.1-1', '3.5.4-1~deb13u2'), ['3.5.4-1~deb13u2', '3.5.4-1~deb13u1']);
  assert.deepEqual(between('3.5.4-1~deb13u1+b2', '3.5.4-1~deb13u2+b1'), ['3.5.4-1~deb13u2']);
  assert.deepEqual(between('3.5.4-1~deb13u2', '3.5.4-1~deb13u2'), []);
  const lines = entries.flatMap((each) => each.lines).join('\n');
  assert.deepEqual(vulnerabilitiesIn(`${lines} CVE-2026-0001`), ['CVE-2026-0001', 'CVE-2026-0002']);
  assert.deepEqual(parseChangelog('garbage'), []);
});

test('a kernel of Debian has its version in its name: the new one has the changelog since the old one', () => {
  const manifest = (...packages: (readonly [name: string, version: string])[]) =>
    ({ packages: packages.map(([name, version]) => ({ name, version })) }) as unknown as Manifest;
  const kernel = (version: string) => [`linux-image-${version}+deb13-amd64`, `${version}-1`] as const;
  const [change, ...others] = packageChanges(manifest(kernel('6.12.117')), manifest(kernel('6.12.118')));
  assert.deepEqual(change, {
    name: 'linux-image-6.12.118+deb13-amd64',
    from: '6.12.117-1',
    to: '6.12.118-1',
    formerly: 'linux-image-6.12.117+deb13-amd64',
  });
  assert.deepEqual(others, []);
  assert.equal(packageChanges(manifest(), manifest(kernel('6.12.118')))[0]?.from, undefined);
  const text = `linux-signed-amd64 (6.12.118+1) trixie-security; urgency=high

  * CVE-2026-0003

linux (6.12.117-1) trixie-security; urgency=high

  * CVE-2026-0002
`;
  // Debian's source `linux-signed-amd64 (6.12.118+1)` makes the packages of version `6.12.118-1`.
  const of = (version: string) => ({
    sources: new Map([[kernel(version)[0], { name: 'linux-signed-amd64', version: `${version}+1` }]]),
  });
  assert.ok(change);
  const [noted] = withEntries(
    [change],
    of('6.12.117'),
    of('6.12.118'),
    new Map([[kernel('6.12.118')[0], text]]),
  );
  assert.deepEqual(
    noted?.entries?.map(({ lines }) => lines),
    [['  * CVE-2026-0003']],
  );
});

test('entries are found by the version of the source, and in the changelog of another package of that source', () => {
  const entry = (source: string, version: string) =>
    `${source} (${version}) trixie; urgency=medium\n\n  * x\n`;
  const lvm2 = [entry('lvm2', '2.03.31-2+deb13u1'), entry('lvm2', '2.03.31-2')].join('\n');
  const sources = (lvm: string, moved: string) => ({
    sources: new Map<string, SourcePackage>([
      ['dmsetup', { name: 'lvm2', version: lvm }],
      ['libdevmapper1.02.1', { name: 'lvm2', version: lvm }],
      ['moved', { name: moved, version: '1' }],
    ]),
  });
  const [before, after] = [sources('2.03.31-2', 'shadow'), sources('2.03.31-2+deb13u1', 'util-linux')];
  const changes: PackageChange[] = ['dmsetup', 'libdevmapper1.02.1'].map((name) => ({
    ...{ name, from: '2:1.02.205-2', to: '2:1.02.205-2+deb13u1' },
  }));
  const logs = new Map([
    ['libdevmapper1.02.1', lvm2],
    ['own', entry('own', '2')],
    ['moved', entry('util-linux', '1')],
  ]);
  const others: PackageChange[] = [
    { name: 'own', from: '1', to: '2+b1' },
    { name: 'moved', from: '2:1', to: '2:2' },
    { name: 'new', to: '1' },
  ];
  const versions = withEntries([...changes, ...others], before, after, logs).map(({ entries }) =>
    entries?.map(({ source, version }) => `${source} ${version}`),
  );
  const lvm = ['lvm2 2.03.31-2+deb13u1'];
  assert.deepEqual(versions, [lvm, lvm, ['own 2'], undefined, undefined]);
});

test('the changelog of a package is found by its own name, also behind a link of its folder', async () => {
  const gz = gzipSync(CHANGELOG);
  const content = {
    inline: gz.toString('base64'),
    encoding: 'base64',
    size: gz.length,
    sha256: sha256(gz),
  } as const;
  const folders = [dir('usr'), dir('usr/share'), dir('usr/share/doc')];
  const made = (entries: Package['entries']): Package => ({
    ...{
      name: 'libssl3',
      version: '3',
      architecture: 'amd64',
      fields: {},
      scripts: {},
      conffiles: [],
      entries,
    },
  });
  const log = { ...file('usr/share/doc/openssl/changelog.Debian.gz', ''), content };
  const none = () => assert.fail('no blob is asked for');
  const linked = [...folders, dir('usr/share/doc/openssl'), log, symlink('usr/share/doc/libssl3', 'openssl')];
  assert.equal(await changelogOf(made(linked), none), CHANGELOG);
  assert.equal(await changelogOf(made(folders), none), undefined);
});

test('sockets that systemd opens at boot are listeners, others are not', () => {
  const units = 'usr/lib/systemd/system';
  const texts: Record<string, string> = {
    [`${units}/ssh.socket`]: '[Socket]\nListenStream=22\nListenStream=[::]:22\n',
    [`${units}/idle.socket`]: '[Socket]\nListenStream=9\n',
  };
  const entries = [
    ...Object.entries(texts).map(([path, text]) => file(path, text)),
    symlink(`${units}/sockets.target.wants/ssh.socket`, '../ssh.socket'),
  ];
  const found = listenersOf({ entries }, ({ path }) => texts[path] ?? '');
  assert.deepEqual([...found], [['ssh.socket', 'Stream 22, Stream [::]:22']]);
});

async function noted(folder: string): Promise<NotedRelease> {
  const { value: release } = await readRelease(placeOf(folder));
  const facts = JSON.parse(await readFile(join(folder, 'facts.json'), 'utf8')) as ImageFacts;
  return { release, manifest: readManifest(join(folder, 'manifest.json')), facts, sources: new Map() };
}

test('notes: packages with changelogs once a source, rights, units, users, listeners, kernel, sizes', async (t) => {
  const store = await temporaryStore(t);
  const folder = await temporaryFolder(t);
  const at = async (made: Made): Promise<NotedRelease> => {
    const to = join(folder, made.version ?? '');
    await makeRelease(store, to, made, { severity: made.version === '2026.1130.0' ? 'important' : 'none' });
    return await noted(to);
  };
  const pack = (name: string, version: string) => ({ name, version, architecture: 'amd64' });
  const from = await at({
    version: '2026.1129.0',
    packages: [pack('libssl3', '3.5.1-1'), pack('openssl', '3.5.1-1'), pack('gone', '1'), pack('same', '1')],
    commandLines: { disk: 'quiet a b', iso: 'a b', old: 'x', same: 'y' },
    facts: { units: { 'a.service': '1', 'b.service': '1' }, users: { root: '0:0' }, zfsFeatures: ['old'] },
  });
  const to = await at({
    version: '2026.1130.0',
    content: 'larger content',
    commandLines: { disk: 'quiet a c=1 c=2', iso: 'b a', same: 'y' },
    packages: [
      pack('libssl3', '3.5.4-1~deb13u2'),
      pack('openssl', '3.5.4-1~deb13u2'),
      pack('same', '1'),
      pack('new', '2'),
    ],
    facts: {
      ...{
        kernel: '6.18-box',
        units: { 'a.service': '2', 'c.service': '1' },
        users: { root: '0:0', tss: '108:108' },
      },
      ...{ privileged: { 'usr/bin/su': '4755 0:0' }, listeners: { 'ssh.socket': 'Stream 22' } },
      ...{ kernelConfig: { CONFIG_X: 'y' }, zfsFeatures: ['old', 'new'] },
    },
  });
  const entries = entriesBetween(parseChangelog(CHANGELOG), '3.5.1-1', '3.5.4-1~deb13u2');
  const changes: PackageChange[] = packageChanges(from.manifest, to.manifest).map((change) =>
    change.from && change.to ? { ...change, entries } : change,
  );
  const text = formatNotes(makeNotes(from, to, changes));
  const expected = [
    '# box 2026.1129.0 → 2026.1130.0',
    '- Severity: **important**',
    '- Repairs: CVE-2026-0001, CVE-2026-0002',
    '- Kernel: 6.12-box → 6.18-box',
    '- **gone** 1 is gone',
    '- **libssl3** 3.5.1-1 → 3.5.4-1~deb13u2',
    '  openssl (3.5.4-1~deb13u2)',
    '    * CVE-2026-0001 (Out of bounds write), CVE-2026-0002.',
    '- **new** 2 is new',
    '- **openssl** 3.5.1-1 → 3.5.4-1~deb13u2, as libssl3',
    '- `usr/bin/su` is new: `4755 0:0`',
    '- `ssh.socket` is new: `Stream 22`',
    '- `a.service` changed',
    '- `b.service` is gone',
    '- `c.service` is new',
    '- `tss` is new: `108:108`',
    '- `CONFIG_X` is new: `y`',
    '- `disk`: `b` → `c=1 c=2`',
    '- `iso`: `a b` → `b a`',
    '- `old` is gone',
    '- `usr.img`: 21 B → 32 B (+11 B)',
  ];
  const lines = text.split('\n');
  for (const line of expected) assert.ok(lines.includes(line), `${line}\nis not in\n${text}`);
  assert.equal(lines.filter((line) => line.includes('Out of bounds')).length, 1);
  assert.doesNotMatch(text, /\bsame\b/);
  const { commandLines: _, ...older } = from.manifest;
  assert.deepEqual(makeNotes({ ...from, manifest: older }, to, []).commandLines, []);
  const many = Array.from(
    { length: 5000 },
    (_, at) => `  * ${at % 25 ? 'a line' : `CVE-2027-${at + 1000}`} of it`,
  );
  const long = [
    { name: 'linux', from: '1', to: '2', entries: [{ source: 'linux', version: '2', lines: many }] },
  ];
  const short = formatNotes(makeNotes(from, to, [...long, ...changes]));
  assert.ok(
    short.length < 65_536 - 4000 && short.includes('… and 4501 more lines: ./draisine release diff --json'),
  );
  assert.match(short, /CVE-2027-5975/, 'in the list of vulnerabilities');
  assert.match(short, /Out of bounds write/);
  const still = formatNotes(makeNotes(from, from, []));
  assert.match(still, /^# box 2026\.1129\.0 → 2026\.1129\.0\n\n- Kernel: 6\.12-box, as before\n$/);
});
