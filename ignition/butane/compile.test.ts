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

async function compiled(body: string, head = HEAD): Promise<Record<string, unknown>> {
  const { config, entries } = await compileButane(Buffer.from(head + body), folder);
  assert.ok(config, JSON.stringify(entries));
  const { ignition: _, ...rest } = config;
  return rest;
}

/** First error: line, column and message. */
async function refused(body: string, head = HEAD): Promise<string> {
  const { config, entries } = await compileButane(Buffer.from(head + body), folder);
  assert.equal(config, undefined);
  const entry = entries.find(({ kind }) => kind === 'error');
  return `${entry?.line}:${entry?.column} ${entry?.message}`;
}

describe('plain fields', () => {
  test('snake case becomes camel case, octal modes become numbers', async () => {
    const body =
      'storage:\n  files:\n    - path: /a\n      mode: 0644\n  disks:\n    - device: /dev/a\n      wipe_table: yes\n      partitions: [{number: 1, size_mib: 0x10, start_mib: 1}]\n';
    assert.deepEqual(await compiled(body), {
      storage: {
        files: [{ path: '/a', mode: 420 }],
        disks: [{ device: '/dev/a', wipeTable: true, partitions: [{ number: 1, sizeMiB: 16, startMiB: 1 }] }],
      },
    });
  });

  test('a number in place of a text keeps its spelling', async () => {
    assert.deepEqual(await compiled('passwd:\n  users: [{name: 0644}]\n'), {
      passwd: { users: [{ name: '0644' }] },
    });
  });

  test('anchors and merge keys', async () => {
    const body = 'storage:\n  files:\n    - &base {path: /a, mode: 0600}\n    - {<<: *base, path: /b}\n';
    const { storage } = (await compiled(body)) as { storage: { files: object[] } };
    assert.deepEqual(storage.files[1], { mode: 0o600, path: '/b' });
  });
});

describe('sugar', () => {
  test('inline and local become data URLs', async () => {
    const body =
      'storage:\n  files:\n    - {path: /a, contents: {inline: "a b"}}\n    - {path: /b, contents: {local: motd}}\n';
    const { storage } = (await compiled(body)) as { storage: { files: { contents: { source: string } }[] } };
    assert.deepEqual(
      storage.files.map(({ contents }) => contents.source),
      ['data:,a%20b', 'data:,hello%0A'],
    );
  });

  test('a tree becomes files and links in byte order', async () => {
    const { storage } = (await compiled('storage:\n  trees: [{local: tree, path: /opt}]\n')) as {
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

  test('with_mount_unit renders a unit that the config may override', async () => {
    const body =
      'storage:\n  filesystems:\n    - {device: /dev/disk/by-label/d, format: xfs, path: /var/d, with_mount_unit: true}\n' +
      'systemd:\n  units: [{name: var-d.mount, enabled: false}]\n';
    const { systemd } = (await compiled(body)) as {
      systemd: { units: { name: string; enabled: boolean; contents: string }[] };
    };
    assert.equal(systemd.units.length, 1);
    assert.equal(systemd.units[0]?.enabled, false);
    assert.match(systemd.units[0]?.contents ?? '', /Requires=systemd-fsck@dev-disk-by\\x2dlabel-d\.service/);
  });

  test('mount units come before the units of the config, whose places stay right', async () => {
    const body =
      'storage:\n  filesystems:\n    - {device: /dev/a, format: ext4, path: /var/d, with_mount_unit: true}\n' +
      'systemd:\n  units:\n    - name: a.service\n      contents: |\n        [Unit]\n' +
      '    - name: b.service\n      enabled: true\n      contents: "[Unit]\\nA=b"\n';
    const { entries, origin } = await compileButane(Buffer.from(HEAD + body), folder);
    assert.deepEqual(
      entries.map(({ path, line }) => [path, line]),
      [['$.systemd.units.1.contents', 13]],
    );
    assert.deepEqual(origin?.(['systemd', 'units', 1, 'name']), {
      path: ['systemd', 'units', 0, 'name'],
      line: 8,
      column: 13,
    });
    assert.deepEqual(origin?.(['systemd', 'units', 0, 'contents']), {
      path: ['storage', 'filesystems', 0, 'with_mount_unit'],
      line: 5,
      column: 69,
    });
  });

  test('newer Butane is translated to spec 3.3 where that is possible', async () => {
    const head = 'variant: flatcar\nversion: 1.1.0\n';
    const body = 'passwd:\n  users: [{name: a, ssh_authorized_keys_local: [motd]}]\n';
    assert.deepEqual(await compiled(body, head), {
      passwd: { users: [{ name: 'a', sshAuthorizedKeys: ['hello'] }] },
    });
    assert.match(
      await refused('storage:\n  files: [{path: /a, mode: 04755}]\n', head),
      /^4:28 setuid, setgid and sticky need spec 3\.4/,
    );
    assert.match(
      await refused('storage:\n  files: [{path: /a, mode: 644}]\n', head),
      /^4:28 mode 644 is 01204, and setuid, setgid and sticky need spec 3\.4; for 0644 write 0644/m,
    );
    assert.match(
      await refused('storage:\n  luks: [{name: a, device: /dev/a, discard: true}]\n', head),
      /discard needs spec 3\.4/,
    );
  });
});

describe('errors have their place in the YAML', () => {
  test("Ignition's own", async () =>
    assert.match(await refused('storage:\n  files:\n    - path: a\n'), /^5:13 path not absolute/));
  test('wrong type', async () =>
    assert.match(
      await refused('storage:\n  files:\n    - {path: /a, mode: rw}\n'),
      /^5:24 expected an integer, found "rw"/,
    ));
  test('two sources', async () =>
    assert.match(
      await refused('storage:\n  files:\n    - {path: /a, contents: {inline: a, source: "data:,"}}\n'),
      /only one of inline/,
    ));
  test('local file missing', async () =>
    assert.match(
      await refused('storage:\n  files:\n    - {path: /a, contents: {local: none}}\n'),
      /^5:36 local file none does not exist/,
    ));
  test('local file outside', async () =>
    assert.match(
      await refused('storage:\n  files:\n    - {path: /a, contents: {local: ../x}}\n'),
      /lies outside/,
    ));
  test('link to outside', async () =>
    assert.match(
      await refused('storage:\n  files:\n    - {path: /a, contents: {local: escape}}\n'),
      /is a link to outside/,
    ));
  test('duplicate key', async () =>
    assert.match(
      await refused('storage: {}\nstorage: {}\n'),
      /^4:1 key storage is already defined at line 3;/,
    ));
  test('broken YAML', async () => assert.match(await refused('storage: [\n'), /^\d+:\d+ /));
  test('a clevis in flatcar', async () => {
    const head = 'variant: flatcar\nversion: 1.0.0\n';
    assert.match(
      await refused('storage:\n  luks: [{name: a, device: /b, clevis: {tpm2: true}}]\n', head),
      /clevis is not supported/,
    );
  });
  test('boot_device', async () =>
    assert.match(await refused('boot_device:\n  luks: {tpm2: true}\n'), /^4:3 boot_device rearranges/));
  test('an unknown variant or version, with its place', async () => {
    assert.match(
      await refused('', '# a\nvariant: openshift\nversion: 4.9.0\n'),
      /^2:10 unknown variant "openshift"/,
    );
    assert.match(
      await refused('', 'variant: fcos\nversion: 9.9.9\n'),
      /^2:10 unknown variant "fcos" version "9\.9\.9"/,
    );
    assert.match(
      await refused('', 'version: 1.4.0\n'),
      /^1:1 variant must be specified; write variant: fcos/,
    );
  });
  test('a second document', async () =>
    assert.match(await refused('---\nvariant: fcos\n'), /^3:1 a second document begins; /));
  test('columns count characters, not bytes', async () =>
    assert.match(await refused('storage: {files: [{"path": "/ä€😀", "mode": x}]}\n'), /^3:44 /));
  test('unknown keys are warnings', async () => {
    const { config, entries } = await compileButane(
      Buffer.from(`${HEAD}storage:\n  wipeTable: true\n`),
      folder,
    );
    assert.ok(config);
    assert.deepEqual(
      entries.map(({ line, column, kind }) => [line, column, kind]),
      [[4, 3, 'warning']],
    );
  });
});

describe('hostile YAML', () => {
  test('anchor bomb', async () => {
    const lines = ['a: &a [x,x,x,x,x,x,x,x,x,x]'];
    for (let i = 1; i < 12; i++) {
      const [name, below] = [String.fromCharCode(97 + i), String.fromCharCode(96 + i)];
      lines.push(`${name}: &${name} [${Array(10).fill(`*${below}`).join(',')}]`);
    }
    const started = performance.now();
    assert.match(await refused(`${lines.join('\n')}\n`), /aliases expanded/);
    assert.ok(performance.now() - started < 5000);
  });
  test('a cycle', async () => assert.match(await refused('storage: &a\n  files: [*a]\n'), /nested deeper/));
  test('deep nesting', async () =>
    assert.match(await refused(`storage: ${'['.repeat(500)}${']'.repeat(500)}\n`), /nested deeper/));
  test('not UTF-8', async () => {
    const { entries } = await compileButane(Buffer.from([0x61, 0x3a, 0xff]), folder);
    assert.match(entries[0]?.message ?? '', /not UTF-8/);
  });
  test('a list', async () =>
    assert.match(await refused('', '- a\n'), /write variant: fcos and version: 1\.4\.0/));
  test('nothing', async () => assert.match(await refused('', ''), /not a Butane config/));
});

test('integers in the forms of YAML 1.1', async () => {
  assert.deepEqual(
    ['0644', '0o644', '0x1a4', '420', '0b11', '-1', '1_000', '0', '08', '1.0', 'x', ''].map(parseInteger),
    [...[420, 420, 420, 420, 3, -1, 1000, 0], ...[undefined, undefined, undefined, undefined]],
  );
});
