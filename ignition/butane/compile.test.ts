import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { compileButane } from './compile.ts';
import { parseInteger } from './yaml.ts';

const HEAD = 'variant: fcos\nversion: 1.4.0\n';
let folder = '';
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'draisine-butane-'));
  mkdirSync(join(folder, 'tree/bin'), { recursive: true });
  writeFileSync(join(folder, 'motd'), 'hello\n');
  writeFileSync(join(folder, 'tree/bin/run'), '#!/bin/sh\n', { mode: 0o755 });
  writeFileSync(join(folder, 'tree/conf'), 'x');
  symlinkSync('conf', join(folder, 'tree/link'));
  symlinkSync('/etc/hostname', join(folder, 'escape'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

function compiled(body: string, head = HEAD): Record<string, unknown> {
  const { config, entries } = compileButane(Buffer.from(head + body), folder);
  assert.ok(config, JSON.stringify(entries));
  const { ignition: _, ...rest } = config;
  return rest;
}

/** First error: line, column and message. */
function refused(body: string, head = HEAD): string {
  const { config, entries } = compileButane(Buffer.from(head + body), folder);
  assert.equal(config, undefined);
  const entry = entries.find(({ kind }) => kind === 'error');
  return `${entry?.line}:${entry?.column} ${entry?.message}`;
}

describe('plain fields', () => {
  test('snake case becomes camel case, octal modes become numbers', () => {
    const body =
      'storage:\n  files:\n    - path: /a\n      mode: 0644\n  disks:\n    - device: /dev/a\n      wipe_table: yes\n      partitions: [{number: 1, size_mib: 0x10, start_mib: 1}]\n';
    assert.deepEqual(compiled(body), {
      storage: {
        files: [{ path: '/a', mode: 420 }],
        disks: [{ device: '/dev/a', wipeTable: true, partitions: [{ number: 1, sizeMiB: 16, startMiB: 1 }] }],
      },
    });
  });

  test('numbers where a text is wanted keep their spelling', () => {
    assert.deepEqual(compiled('passwd:\n  users: [{name: 0644}]\n'), {
      passwd: { users: [{ name: '0644' }] },
    });
  });

  test('anchors and merge keys', () => {
    const body = 'storage:\n  files:\n    - &base {path: /a, mode: 0600}\n    - {<<: *base, path: /b}\n';
    const { storage } = compiled(body) as { storage: { files: object[] } };
    assert.deepEqual(storage.files[1], { mode: 0o600, path: '/b' });
  });
});

describe('sugar', () => {
  test('inline and local become data URLs', () => {
    const body =
      'storage:\n  files:\n    - {path: /a, contents: {inline: "a b"}}\n    - {path: /b, contents: {local: motd}}\n';
    const { storage } = compiled(body) as { storage: { files: { contents: { source: string } }[] } };
    assert.deepEqual(
      storage.files.map(({ contents }) => contents.source),
      ['data:,a%20b', 'data:,hello%0A'],
    );
  });

  test('a tree becomes files and links in byte order', () => {
    const { storage } = compiled('storage:\n  trees: [{local: tree, path: /opt}]\n') as {
      storage: { files: { path: string; mode: number }[]; links: object[] };
    };
    assert.deepEqual(
      storage.files.map(({ path, mode }) => [path, mode]),
      [
        ['/opt/bin/run', 0o755],
        ['/opt/conf', 0o644],
      ],
    );
    assert.deepEqual(storage.links, [{ path: '/opt/link', target: 'conf' }]);
  });

  test('with_mount_unit renders a unit that the config may override', () => {
    const body =
      'storage:\n  filesystems:\n    - {device: /dev/disk/by-label/d, format: xfs, path: /var/d, with_mount_unit: true}\n' +
      'systemd:\n  units: [{name: var-d.mount, enabled: false}]\n';
    const { systemd } = compiled(body) as {
      systemd: { units: { name: string; enabled: boolean; contents: string }[] };
    };
    assert.equal(systemd.units.length, 1);
    assert.equal(systemd.units[0]?.enabled, false);
    assert.match(systemd.units[0]?.contents ?? '', /Requires=systemd-fsck@dev-disk-by\\x2dlabel-d\.service/);
  });

  test('mount units before the units of the config do not shift their places', () => {
    const body =
      'storage:\n  filesystems:\n    - {device: /dev/a, format: ext4, path: /var/d, with_mount_unit: true}\n' +
      'systemd:\n  units:\n    - name: a.service\n      contents: |\n        [Unit]\n' +
      '    - name: b.service\n      enabled: true\n      contents: "[Unit]\\nA=b"\n';
    const { entries, place } = compileButane(Buffer.from(HEAD + body), folder);
    assert.deepEqual(
      entries.map(({ path, line }) => [path, line]),
      [['$.systemd.units.2.contents', 13]],
    );
    assert.deepEqual(place?.(['systemd', 'units', 1, 'name']), { line: 8, column: 13 });
    assert.equal(place?.(['systemd', 'units', 0, 'contents']).line, 5);
  });

  test('newer Butane is translated down where spec 3.3 can say it', () => {
    const head = 'variant: flatcar\nversion: 1.1.0\n';
    const body = 'passwd:\n  users: [{name: a, ssh_authorized_keys_local: [motd]}]\n';
    assert.deepEqual(compiled(body, head), {
      passwd: { users: [{ name: 'a', sshAuthorizedKeys: ['hello'] }] },
    });
    assert.match(
      refused('storage:\n  files: [{path: /a, mode: 04755}]\n', head),
      /^4:28 setuid, setgid and sticky need spec 3\.4/,
    );
    assert.match(
      refused('storage:\n  luks: [{name: a, device: /dev/a, discard: true}]\n', head),
      /discard needs spec 3\.4/,
    );
  });
});

describe('errors stand at their place in the YAML', () => {
  test("Ignition's own", () =>
    assert.match(refused('storage:\n  files:\n    - path: a\n'), /^5:13 path not absolute/));
  test('wrong type', () =>
    assert.match(
      refused('storage:\n  files:\n    - {path: /a, mode: rw}\n'),
      /^5:24 expected an integer, found "rw"/,
    ));
  test('two sources', () =>
    assert.match(
      refused('storage:\n  files:\n    - {path: /a, contents: {inline: a, source: "data:,"}}\n'),
      /only one of inline/,
    ));
  test('local file missing', () =>
    assert.match(
      refused('storage:\n  files:\n    - {path: /a, contents: {local: none}}\n'),
      /^5:36 local file none does not exist/,
    ));
  test('local file outside', () =>
    assert.match(refused('storage:\n  files:\n    - {path: /a, contents: {local: ../x}}\n'), /lies outside/));
  test('link to outside', () =>
    assert.match(
      refused('storage:\n  files:\n    - {path: /a, contents: {local: escape}}\n'),
      /is a link to outside/,
    ));
  test('duplicate key', () => assert.match(refused('storage: {}\nstorage: {}\n'), /^4:1 .*unique/));
  test('broken YAML', () => assert.match(refused('storage: [\n'), /^\d+:\d+ /));
  test('a clevis in flatcar', () => {
    const head = 'variant: flatcar\nversion: 1.0.0\n';
    assert.match(
      refused('storage:\n  luks: [{name: a, device: /b, clevis: {tpm2: true}}]\n', head),
      /clevis is not supported/,
    );
  });
  test('boot_device', () =>
    assert.match(refused('boot_device:\n  luks: {tpm2: true}\n'), /^4:3 boot_device rearranges/));
  test('unknown variant, or version of it, where it stands', () => {
    assert.match(
      refused('', '# a\nvariant: openshift\nversion: 4.9.0\n'),
      /^2:10 unknown variant "openshift"/,
    );
    assert.match(
      refused('', 'variant: fcos\nversion: 9.9.9\n'),
      /^2:10 unknown variant "fcos" version "9\.9\.9"/,
    );
    assert.match(refused('', 'version: 1.4.0\n'), /^1:1 unknown variant ""/);
  });
  test('a second document', () =>
    assert.match(refused('---\nvariant: fcos\n'), /^3:1 a second document begins; /));
  test('columns count characters, whatever their bytes', () =>
    assert.match(refused('storage: {files: [{"path": "/ä€😀", "mode": x}]}\n'), /^3:44 /));
  test('unknown keys are warnings', () => {
    const { config, entries } = compileButane(Buffer.from(`${HEAD}storage:\n  wipeTable: true\n`), folder);
    assert.ok(config);
    assert.deepEqual(
      entries.map(({ line, column, kind }) => [line, column, kind]),
      [[4, 3, 'warning']],
    );
  });
});

describe('hostile YAML', () => {
  test('anchor bomb', () => {
    const lines = ['a: &a [x,x,x,x,x,x,x,x,x,x]'];
    for (let i = 1; i < 12; i++) {
      const [name, below] = [String.fromCharCode(97 + i), String.fromCharCode(96 + i)];
      lines.push(`${name}: &${name} [${Array(10).fill(`*${below}`).join(',')}]`);
    }
    const started = performance.now();
    assert.match(refused(`${lines.join('\n')}\n`), /aliases expanded/);
    assert.ok(performance.now() - started < 5000);
  });
  test('a cycle', () => assert.match(refused('storage: &a\n  files: [*a]\n'), /nested deeper/));
  test('deep nesting', () =>
    assert.match(refused(`storage: ${'['.repeat(500)}${']'.repeat(500)}\n`), /nested deeper/));
  test('not UTF-8', () => {
    const { entries } = compileButane(Buffer.from([0x61, 0x3a, 0xff]), folder);
    assert.match(entries[0]?.message ?? '', /not UTF-8/);
  });
  test('a list', () => assert.match(refused('', '- a\n'), /expected a map/));
  test('nothing', () => assert.match(refused('', ''), /not a Butane config/));
});

test('integers as YAML 1.1 writes them', () => {
  assert.deepEqual(
    ['0644', '0o644', '0x1a4', '420', '0b11', '-1', '1_000', '0', '08', '1.0', 'x', ''].map(parseInteger),
    [...[420, 420, 420, 420, 3, -1, 1000, 0], ...[undefined, undefined, undefined, undefined]],
  );
});
