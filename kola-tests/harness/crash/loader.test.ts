import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareVersions, inOrder } from './loader.ts';

const uki = (file: string, version: string, id = 'draisine') => ({
  file,
  osReleases: [`NAME=x\nIMAGE_ID=${id}\nIMAGE_VERSION="${version}"\n`],
});
const first = (...ukis: ReturnType<typeof uki>[]): string => inOrder(ukis)[0]?.file ?? 'none';

test('versions are compared in systemd’s way', () => {
  // Examples of the UAPI.10 Version Format Specification.
  for (const [older, newer] of [
    ['11', '12'],
    ['122', '122.1'],
    ['122~rc1', '122'],
    ['123~rc1', '123~rc1.1'],
    ['124-1', '124'],
    ['124^post1', '124.1'],
    ['124', '124^post1'],
    ['3.4', '3.10'],
    ['3.05', '3.6'],
    ['2026.1129.0', '2026.1129.1'],
    ['2026.930.0', '2026.1129.0'],
    ['', '1'],
    ['a', '1'],
  ] as const) {
    if (older === '124-1') assert.ok(compareVersions(older, newer) > 0, 'the longer version is newer');
    else assert.ok(compareVersions(older, newer) < 0, `${older} < ${newer}`);
    assert.ok(compareVersions(newer, newer) === 0);
  }
  assert.equal(compareVersions('1_2', '12') !== 0, true);
  assert.equal(compareVersions('1.0', '1.00'), 0);
});

test('the newest release is first, with or without a counter; a release without tries is last', () => {
  const old = uki('draisine_1.efi', '1');
  assert.equal(first(old, uki('draisine_2.efi', '2')), 'draisine_2.efi');
  assert.equal(first(old, uki('draisine_2+3.efi', '2')), 'draisine_2+3.efi');
  assert.equal(first(old, uki('draisine_2+1-2.efi', '2')), 'draisine_2+1-2.efi');
  assert.equal(first(old, uki('draisine_2+0-3.efi', '2')), 'draisine_1.efi');
  assert.equal(first(uki('draisine_2+0-3.efi', '2')), 'draisine_2+0-3.efi', 'the only one');
});

test('of two files of one release, the file with more tries left is first, then the file with fewer tries done', () => {
  assert.equal(first(uki('a+1.efi', '1'), uki('a+2.efi', '1')), 'a+2.efi');
  assert.equal(first(uki('a+1-2.efi', '1'), uki('a+1-1.efi', '1')), 'a+1-1.efi');
});

test('entries of another system are sorted by their sort keys; entries without a sort key come after them', () => {
  assert.equal(first(uki('z.efi', '9', 'zebra'), uki('a.efi', '1', 'ant')), 'a.efi');
  const none = { file: 'none.efi', osReleases: ['NAME=x\n'] };
  assert.equal(inOrder([none, uki('a.efi', '1')])[0]?.file, 'a.efi');
});

test('a further profile of a release on trial would start if it had the os-release of the first profile; with its own os-release it does not', () => {
  const profiles = (file: string, version: string, further: string) => ({
    file,
    osReleases: [...uki(file, version).osReleases, ...uki(file, version, further).osReleases],
  });
  const starts = (further: string, ...files: readonly (readonly [string, string])[]) => {
    const [entry] = inOrder(files.map(([file, version]) => profiles(file, version, further)));
    return `${entry?.file} ${entry?.profile}`;
  };
  const old = ['draisine_1.efi', '1'] as const;
  assert.equal(starts('draisine', old), 'draisine_1.efi 0');
  assert.equal(starts('draisine', old, ['draisine_2+3.efi', '2']), 'draisine_2+3.efi 1');
  assert.equal(starts('draisine-live', old, ['draisine_2+3.efi', '2']), 'draisine_2+3.efi 0');
  assert.equal(starts('draisine-live', old, ['draisine_2+0-3.efi', '2']), 'draisine_1.efi 0');
  assert.equal(starts('draisine-live', ['draisine_2.efi', '2'], old), 'draisine_2.efi 0');
});
