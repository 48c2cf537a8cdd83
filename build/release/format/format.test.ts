import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { generateTypes } from './generate.ts';
import { parseFormat } from './read.ts';
import { formats, readSchema } from './schemas.ts';
import type { Channel, Release, Root } from './types.ts';
import { compareVersions, isVersion, versionFault, versionOf } from './version.ts';

const SHA = 'a'.repeat(64);
const KEY = `SHA256:${'A'.repeat(43)}`;
const NOW = '2026-11-29T12:00:00Z';

const role = { threshold: 1, keys: [KEY] as [string] };
const root: Root = {
  format: 1,
  number: 1,
  issued: NOW,
  expires: '2027-11-29T12:00:00Z',
  keys: { [KEY]: 'ssh-ed25519 AAAA' },
  roles: { root: role, release: role, channel: role },
};
const release: Release = {
  format: 1,
  image: 'n100',
  version: '2026.1129.0',
  date: NOW,
  rootHash: SHA,
  usr: { data: 4096, hash: 4096, hashOffset: 4096 },
  files: { 'usr.img': { size: 8192, sha256: SHA } },
  kernel: '6.12.57+deb13-n100',
  severity: 'none',
};
const channel: Channel = {
  format: 1,
  image: 'n100',
  channel: 'alpha',
  serial: 1,
  issued: NOW,
  expires: '2026-12-06T12:00:00Z',
  barriers: [],
  withdrawn: [],
};

test('types.ts matches the schemas', async () => {
  const stale = 'stale: npx tsx build/release/format/generate.ts';
  assert.equal(readFileSync(new URL('types.ts', import.meta.url), 'utf8'), await generateTypes(), stale);
});

test('the formats that the box reads import no module of Node', () => {
  for (const file of ['types.ts', 'version.ts', 'namespaces.ts'])
    assert.doesNotMatch(
      readFileSync(new URL(file, import.meta.url), 'utf8'),
      /^(import|export .* from)/m,
      file,
    );
});

test('correct documents are read, also with unknown fields', async () => {
  assert.deepEqual(await parseFormat('root', JSON.stringify(root), 'r'), root);
  assert.deepEqual(await parseFormat('channel', JSON.stringify(channel), 'c'), channel);
  const later = { ...release, later: { than: 'this' } };
  assert.deepEqual(await parseFormat('release', JSON.stringify(later), 'x'), later);
});

test('each required field is missed, and a wrong one named with its place', async () => {
  for (const [name, value] of Object.entries({ root, release, channel }) as [
    keyof typeof samples,
    object,
  ][]) {
    const { required } = await readSchema(name);
    for (const field of required as string[]) {
      const { [field]: _left, ...rest } = value as Record<string, unknown>;
      await assert.rejects(parseFormat(name, JSON.stringify(rest), 'FILE'), {
        exitCode: 2,
        message: new RegExp(`must have required property '${field}'`),
        where: 'FILE',
      });
    }
  }
  const wrong = { ...release, files: { '../etc/passwd': { size: 1, sha256: SHA } } };
  await assert.rejects(parseFormat('release', JSON.stringify(wrong), 'x'), { exitCode: 2, message: /files/ });
  await assert.rejects(parseFormat('channel', JSON.stringify({ ...channel, serial: 0 }), 'x'), {
    exitCode: 2,
    message: /\/serial must be >= 1/,
  });
  await assert.rejects(parseFormat('root', '{', 'x'), { exitCode: 2, message: /is not JSON/, where: 'x:1' });
});
const samples = { root, release, channel };

test('another format number is refused as such', async () => {
  await assert.rejects(parseFormat('channel', JSON.stringify({ ...channel, format: 2 }), 'x'), {
    exitCode: 2,
    message: /format 2, this Draisine reads 1/,
    hint: /newer/,
  });
});

test('all schemas are strict JSON Schema', async () => {
  for (const name of formats)
    await assert.rejects(parseFormat(name, 'null', 'x'), { exitCode: 2, message: /must be object/ });
});

test('versions: dates that exist, no leading zeros, at most 16 characters', () => {
  for (const good of ['2026.1129.0', '2026.101.0', '2028.229.7', '2026.1231.999999'])
    assert.ok(isVersion(good), good);
  for (const bad of [
    ...['', '2026.1129', '2026.0129.0', '2026.129.01', '2026.1301.0', '2026.1100.0', '2026.1131.0'],
    ...['2026.229.0', '26.1129.0', '2026.1129.-1', '2026.1129.0 ', 'v2026.1129.0', '2026.1129.0000000'],
  ])
    assert.ok(versionFault(bad), bad);
  assert.match(versionFault('2026.229.0') ?? '', /no day 29 in month 2 of 2026/);
});

test('versions rise as time and count do', () => {
  const moment = fc.record({
    seconds: fc.integer({ min: 0, max: 4_000_000_000 }),
    count: fc.integer({ min: 0, max: 999_999 }),
  });
  fc.assert(
    fc.property(moment, moment, (a, b) => {
      const [left, right] = [versionOf(a.seconds, a.count), versionOf(b.seconds, b.count)];
      const day = ({ seconds }: { seconds: number }) => Math.floor(seconds / 86_400);
      const expected = Math.sign(day(a) - day(b) || a.count - b.count);
      return isVersion(left) && Math.sign(compareVersions(left, right)) === expected;
    }),
  );
  assert.ok(compareVersions('2026.930.0', '2026.1001.0') < 0);
});
