import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Failure } from '../sdk/lib/errors.ts';
import type { Entry } from './base/report.ts';
import { compileButane } from './butane/compile.ts';
import { compileConfig, validateFile } from './load.ts';
import { translateConfig } from './translate.ts';

/** Configs that testers wrote, each with its expected finding. */

const FIXTURES = fileURLToPath(new URL('fixtures/', import.meta.url));
const fixture = (name: string): string => join(FIXTURES, name);

/** `5:7 warning $.path message` */
const lines = (entries: readonly Entry[]): string[] =>
  entries.map(({ kind, path, line, column, message }) => `${line}:${column} ${kind} ${path} ${message}`);

const compile = async (name: string) => await compileConfig(fixture(name));
const translate = async (name: string) => await translateConfig(readFileSync(fixture(name)));

/** Checks that a config has exactly one finding, which matches `pattern`. */
async function one(name: string, pattern: RegExp): Promise<void> {
  const entries = /\.(bu|ya?ml)$/.test(name)
    ? (await compile(name)).entries
    : (await validateFile(fixture(name))).entries;
  assert.equal(entries.length, 1, lines(entries).join('\n'));
  assert.match(lines(entries).join(), pattern);
}

/** Checks that a config has no finding. Returns the result. */
async function quiet(name: string): Promise<Record<string, unknown>> {
  const { config, entries } = await compile(name);
  assert.deepEqual(lines(entries), []);
  assert.ok(config);
  return config;
}

describe('Butane', () => {
  test('a correct decimal mode has no finding', async () => {
    const { storage } = (await quiet('mode-decimal-right.bu')) as {
      storage: { files: { mode: number }[] };
    };
    assert.deepEqual(
      storage.files.map(({ mode }) => mode),
      [0o644, 0o600, 0o755],
    );
  });
  test('a password for GRUB is refused', () => one('grub-users.bu', /^5:5 error \$\.grub\.users /));
  test('fcos 1.6.0 is read', async () => {
    assert.deepEqual((await quiet('fcos16.bu')).ignition, { version: '3.3.0' });
  });
  test('a mount waits for the network if the key of its volume is there', async () => {
    const { systemd } = (await quiet('tang-mount.bu')) as { systemd: { units: { contents: string }[] } };
    const contents = systemd.units[0]?.contents ?? '';
    assert.match(contents, /^Options=_netdev$/m);
    assert.match(contents, /^RequiredBy=remote-fs\.target$/m);
    assert.doesNotMatch(contents, /DefaultDependencies|Before=/);
  });
  test('boot_device is refused, its keys are known', () =>
    one('boot-device-tang.bu', /^4:3 error \$\.boot_device /));
  test('the error for a duplicate key names its first place', () =>
    one('dup-key.bu', /^9:3 error \$ key files is already defined at line 6; /));
  test('a finding about a local file has the place of its name', () =>
    one('contents-local-unit.bu', /^7:23 warning \$\.systemd\.units\.0\.contents_local unit "job\.service"/));
  test('a config inside a config is checked', () =>
    one(
      'merge-inline-bad.bu',
      /^6:17 error \$\.ignition\.config\.merge\.0\.inline .*line 1 column 6\d.* path not absolute/,
    ));
  test('a file at the path of a unit', () =>
    one('file-shadows-unit.bu', /^5:13 error \$\.storage\.files\.0\.path path conflicts with systemd unit/));
  test('a block without a line break at its end', async () => {
    const { storage } = (await quiet('no-final-newline.bu')) as {
      storage: { files: { contents: { source: string } }[] };
    };
    assert.equal(storage.files[0]?.contents.source, 'data:,no%20newline%20at%20the%20end');
  });
  test('keys of local files, with comments and either line break', async () => {
    const { config } = await compile('local-things.bu');
    const { passwd } = config as unknown as { passwd: { users: { sshAuthorizedKeys: string[] }[] } };
    assert.deepEqual(passwd.users[0]?.sshAuthorizedKeys.slice(1), [
      'ssh-ed25519 AAAA a@x',
      '# comment',
      '  # indented comment',
      '  ssh-ed25519 BBBB b@x  ',
    ]);
    const text =
      'variant: fcos\nversion: 1.5.0\npasswd:\n  users: [{name: a, ssh_authorized_keys_local: [loc/crlf.pub]}]\n';
    const crlf = await compileButane(Buffer.from(text), FIXTURES);
    assert.deepEqual(crlf.config?.passwd, {
      users: [{ name: 'a', sshAuthorizedKeys: ['ssh-ed25519 AAAA a@x', 'ssh-ed25519 BBBB b@x'] }],
    });
  });
  test('a config without a variant', () =>
    one('clc-old.yaml', /^1:1 error \$ variant must be specified; .*Container Linux Config/));
  test('a placeholder of a template', () =>
    one('template-left.bu', /^7:12 error \$ .*fill the template in first/));
  test('no space after a colon', () => one('nospace.bu', /^5:7 error \$ .*write path: \/etc\/hello$/));
});

describe('slips in YAML', () => {
  const HEAD = 'variant: fcos\nversion: 1.4.0\nstorage:\n  files:\n    - path: /etc/a\n';
  const slips: readonly (readonly [string, string, RegExp])[] = [
    ['a colon in a value', '      contents:\n        inline: a: b\n', /^7:17 .*put it in quotes: 'a: b'$/],
    [
      'a block that is not indented',
      '      contents:\n        inline: |\n        hello\n        world\n',
      /^8:9 .*the text of inline begins here and is not indented/,
    ],
    [
      'several lines without a mark',
      '      contents:\n        inline:\n          [Service]\n          ExecStart=/bin/a\n',
      /^9:1 .*write inline: \| /,
    ],
    ['a quote that does not end', '      contents:\n        inline: "hi\n', /^7:17 .*no closing ";/],
    [
      'a quote that a later quote closes',
      '      contents:\n        inline: "hi\n    - path: /etc/b\n      contents: {inline: "b"}\n',
      /^7:17 .*no closing ";/,
    ],
    [
      'a block that continues with less indentation',
      '      contents:\n        inline: |\n          [Service]\n        ExecStart=/bin/a\n',
      /^9:9 the text of inline ends before this line/,
    ],
    [
      'no space after a dash',
      '    -path: /etc/b\n     mode: 0644\n',
      /no space after the dash of path; write - path: \/etc\/b$/,
    ],
    ['quotes around a number', '      mode: "0644"\n', /^6:13 .*; write 0644 without quotes$/],
    [
      'quotes around digits that are not a number',
      '      mode: "0888"\n',
      /^6:13 expected an integer, found "0888"; write a mode: 0644$/,
    ],
    ['a tab', '      contents:\n\t  inline: hi\n', /^7:1 a tab indents this line/],
    ['a dash out of line', '     mode: 0644\n', /^6:1 the indentation fits no line above/],
    ['a list that is not closed', '      contents: [a\n  links: []\n', /a \[ or \{ .* is not closed/],
    ['a star', '      contents: {inline: *.example.com}\n', /no anchor &.*in quotes$/],
    ['a percent sign', '      contents:\n        inline: %d\n', /cannot begin with %; put it in quotes/],
    ['text after a quote', '      contents:\n        inline: "a" b\n', /after the end of the value/],
  ];
  for (const [name, body, pattern] of slips) {
    test(name, async () => {
      const { entries } = await compileButane(Buffer.from(HEAD + body), FIXTURES);
      assert.equal(entries.length, 1, lines(entries).join('\n'));
      assert.match(`${entries[0]?.line}:${entries[0]?.column} ${entries[0]?.message}`, pattern);
    });
  }
});

describe('configs of another kind', () => {
  const heads: readonly (readonly [string, string, RegExp])[] = [
    [
      'cloud-config without its first line',
      'ssh_authorized_keys: [ssh-ed25519 AAAA]\n',
      /1:1 .*cloud-config/,
    ],
    [
      'a Container Linux Config, by a key of a unit',
      'systemd:\n  units:\n    - name: a.service\n      enable: true\n',
      /1:1 .*Container Linux Config/,
    ],
    ['a version of two numbers', 'variant: fcos\nversion: 1.4\n', /2:10 .*; write version: 1\.4\.0$/],
    [
      'an experimental version that has become stable',
      'variant: fcos\nversion: 1.5.0-experimental\n',
      /2:10 .*; write version: 1\.5\.0$/,
    ],
  ];
  for (const [name, text, pattern] of heads) {
    test(name, async () => {
      const { entries } = await compileButane(Buffer.from(text), FIXTURES);
      assert.equal(entries.length, 1, lines(entries).join('\n'));
      assert.match(`${entries[0]?.line}:${entries[0]?.column} ${entries[0]?.message}`, pattern);
    });
  }
});

describe('versions', () => {
  const butane = async (head: string, body: string) =>
    await compileButane(Buffer.from(`${head}\n${body}`), FIXTURES);
  test('a key that a version does not have yet is left out, as butane does', async () => {
    const body = 'storage:\n  files:\n    - {path: /a, contents: {local: job.service}}\n';
    const { config, entries } = await butane('variant: fcos\nversion: 1.0.0', body);
    assert.deepEqual(config?.storage, { files: [{ path: '/a', contents: {} }] });
    assert.match(
      lines(entries).join(),
      /^5:29 warning \$\.storage\.files\.0\.contents\.local Unused key local, which fcos 1\.0\.0 does not have; write version: 1\.1\.0$/,
    );
    const newer = await butane('variant: fcos\nversion: 1.1.0', body);
    assert.deepEqual(lines(newer.entries), []);
  });
  const luks = (more: string): string =>
    `storage:\n  luks: [{name: a, device: /dev/a, key_file: {inline: k}, ${more}}]\n`;
  for (const head of ['variant: fcos\nversion: 1.7.0', 'variant: flatcar\nversion: 1.2.0-experimental']) {
    test(`${head.replace('\n', ' ')}: a key with the default of 3.3 is left out, other keys are refused`, async () => {
      const same = await butane(head, luks('discard: false, open_options: [], cex: {enabled: false}'));
      assert.deepEqual(lines(same.entries), []);
      assert.deepEqual(same.config?.storage, {
        luks: [{ name: 'a', device: '/dev/a', keyFile: { source: 'data:,k', compression: '' } }],
      });
      const cex = await butane(head, luks('cex: {enabled: true}'));
      assert.match(lines(cex.entries).join(), /^4:\d+ error \$\.storage\.luks\.0\.cex cex needs spec 3\.5/);
    });
  }
  test('trees with modes and owners become files and directories', async () => {
    const tree = '{local: loc/tree, path: /opt/t, file_mode: 0600, dir_mode: 0700, user: {name: u}}';
    const { config, entries } = await butane(
      'variant: fcos\nversion: 1.7.0',
      `storage:\n  directories: [{path: /opt/t/etc, mode: 0711}]\n  trees: [${tree}]\n`,
    );
    assert.deepEqual(lines(entries), []);
    const { files, directories, links } = config?.storage as Record<string, { path: string }[]>;
    const user = { name: 'u' };
    assert.deepEqual(directories, [
      { path: '/opt/t/etc', mode: 0o711, user },
      { path: '/opt/t', mode: 0o700, user },
      { path: '/opt/t/etc/app.d', mode: 0o700, user },
      { path: '/opt/t/usr', mode: 0o700, user },
    ]);
    assert.deepEqual(
      files?.map(({ contents: _, ...file }: Record<string, unknown>) => file),
      ['/opt/t/etc/app.d/a.conf', '/opt/t/etc/link', '/opt/t/usr/run.sh'].map((path) => ({
        path,
        mode: 0o600,
        user,
      })),
    );
    assert.equal(links, undefined);
  });
  test('quadlets of Flatcar become files', async () => {
    const body =
      'systemd:\n  quadlets:\n    - {name: a.container, rootful: true, contents_local: job.service}\n    - {name: b.container, contents: x, dropins: [{name: 1.conf, contents: y}]}\n';
    const { config } = await butane('variant: flatcar\nversion: 1.2.0-experimental', body);
    const { files } = config?.storage as { files: { path: string; contents: { source: string } }[] };
    assert.deepEqual(
      files.map(({ path, contents }) => [path, contents.source.slice(0, 12)]),
      [
        ['/etc/containers/systemd/a.container', 'data:,%5BSer'],
        ['/etc/containers/systemd/users/b.container', 'data:,x'],
        ['/etc/containers/systemd/users/b.container.d/1.conf', 'data:,y'],
      ],
    );
  });
  const json = (version: string, sections: object): Buffer =>
    Buffer.from(JSON.stringify({ ignition: { version }, ...sections }, null, 1));
  for (const version of ['3.4.0', '3.5.0', '3.6.0']) {
    test(`Ignition ${version} is translated down, or refused by its key`, async () => {
      const volume = { name: 'a', device: '/dev/a', discard: false };
      const { config, entries } = await translateConfig(json(version, { storage: { luks: [volume] } }));
      assert.deepEqual(lines(entries), []);
      assert.deepEqual(config, {
        ignition: { version: '3.3.0' },
        storage: { luks: [{ name: 'a', device: '/dev/a' }] },
      });
      const refused = await translateConfig(
        json(version, {
          storage: {
            luks: [
              {
                ...volume,
                openOptions: ['--x'],
                clevis: { tang: [{ url: 'http://a', advertisement: 'x' }] },
              },
            ],
            files: [
              { path: '/a', mode: 0o4755 },
              { path: '/b', contents: { source: 'arn:aws:s3:::b/k' } },
              { path: 'c' },
            ],
          },
        }),
      );
      assert.equal(refused.config, undefined);
      assert.deepEqual(
        refused.entries.map(({ path, line }) => [path, line > 1]),
        [
          ['$.storage.files.0.mode', true],
          ['$.storage.files.1.contents.source', true],
          ['$.storage.luks.0.openOptions', true],
          ['$.storage.luks.0.clevis.tang.0.advertisement', true],
        ],
      );
    });
  }
});

describe('translating spec 2', () => {
  test('a missing mode means 0000; the result has that mode, and there is a warning', async () => {
    const { config, entries } = await translate('v2-file-without-mode.json');
    const { files, directories } = config?.storage as { files: object[]; directories: object[] };
    assert.deepEqual(
      [...files, ...directories].map((node) => (node as { mode: number }).mode),
      [0, 0],
    );
    assert.deepEqual(
      entries.map(({ path, line }) => [path, line]),
      [
        ['$.storage.files.0', 5],
        ['$.storage.directories.0', 8],
      ],
    );
    assert.match(entries[0]?.message ?? '', /^permissions unset: .*0000/);
  });
  test('errors have the place of the fault in the source', async () => {
    const { entries } = await translate('v2-index.json');
    const errors = entries.filter(({ kind }) => kind === 'error');
    assert.match(
      lines(errors).join(),
      /^7:\d+ error \$\.storage\.files\.2\.contents\.source invalid url scheme/,
    );
  });
  const v2 = async (sections: object) =>
    await translateConfig(
      Buffer.from(JSON.stringify({ ignition: { version: '2.3.0' }, ...sections }, null, 1)),
    );
  test('a missing parent folder would be open to all', async () => {
    const folder = (path: string, mode: number) => ({ filesystem: 'root', path, mode });
    const { entries } = await v2({ storage: { directories: [folder('/var/lib/app/keys', 0o700)] } });
    assert.match(
      lines(entries).join(),
      /^9:\d+ warning \$\.storage\.directories\.0\.path where \/var\/lib\/app is not/,
    );
    const both = [folder('/var/lib/app', 0o700), folder('/var/lib/app/keys', 0o700)];
    assert.deepEqual((await v2({ storage: { directories: both } })).entries, []);
  });
  test('the error for a networkd unit at the path of a file has the place of the unit', async () => {
    const path = '/etc/systemd/network/a.network';
    const { entries } = await v2({
      storage: { links: [{ filesystem: 'root', path, target: '/b' }] },
      networkd: { units: [{ name: 'a.network', contents: '[Match]' }] },
    });
    assert.match(lines(entries).join(), /error \$\.storage\.links\.0 .* is already one of the files/);
    const named = await v2({ networkd: { units: [{ name: '../a/./b', contents: '[Match]' }] } });
    assert.match(
      lines(named.entries).join(),
      /^\d+:\d+ error \$\.networkd\.units\.0\.path path is not fully/,
    );
  });
  test('a relative path is refused', async () => {
    const { entries } = await translate('v2-relative.json');
    assert.match(
      lines(entries).join(),
      /^1:\d+ error \$\.storage\.files\.0\.path path not absolute; .*\/etc\/hello$/,
    );
  });
});

describe('hints, followed literally', () => {
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'draisine-hints-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  const place = (name: string, text: string | Buffer): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const verdict = async (name: string, text: string | Buffer) => await validateFile(place(name, text));
  const said = async (name: string, text: string | Buffer, pattern: RegExp): Promise<void> => {
    const { valid, entries } = await verdict(name, text);
    assert.equal(valid, false);
    assert.match(entries[0]?.message ?? '', pattern);
  };
  const YAML = readFileSync(fixture('yaml-named.ign'));

  test('Butane in a file named .ign is compiled', async () => {
    await said('yaml-named.ign', YAML, /compile it: draisine ignition compile FILE$/);
    assert.ok((await compileConfig(join(folder, 'yaml-named.ign'))).config);
  });
  test('a file named .butane is Butane', async () => {
    assert.equal((await verdict('named.butane', YAML)).valid, true);
  });
  test('JSON in a file named .bu is renamed and validated', async () => {
    const text = '{"ignition": {"version": "3.3.0"}}';
    await said('json-named.bu', text, /name the file NAME\.ign, then: draisine ignition validate NAME\.ign$/);
    assert.equal((await verdict('json-named.ign', text)).valid, true);
  });
  test('the hint for a config that cannot be compiled is to validate or to translate it', async () => {
    const three = place('three.ign', '{"ignition": {"version": "3.3.0"}}');
    await assert.rejects(compileConfig(three), (error: Failure) =>
      /validate \S+three\.ign$/.test(error.hint ?? ''),
    );
    assert.equal((await validateFile(three)).valid, true);
    const two = place('two.ign', '{"ignition": {"version": "2.4.0"}}');
    await assert.rejects(compileConfig(two), (error: Failure) =>
      /translate \S+two\.ign$/.test(error.hint ?? ''),
    );
    assert.ok((await translateConfig(readFileSync(two))).config);
  });
  test('the hint for spec 1 is not to translate it', async () => {
    const text = readFileSync(fixture('v1-mend.ign'));
    const pattern = /write the config anew in spec 3\.3\.0$/;
    await said('v1.ign', text, pattern);
    await said('v1-old.ign', '{"ignitionVersion": 1}', pattern);
    const { entries } = await translateConfig(text);
    assert.match(entries[0]?.message ?? '', pattern);
    assert.equal((await verdict('anew.ign', text.toString().replace('1.0.0', '3.3.0'))).valid, true);
  });
  test('spec 2.5 becomes 2.4.0, which is translated', async () => {
    const text = '{"ignition": {"version": "2.5.0"}}';
    await said('v25.ign', text, /write "2\.4\.0", then translate it: draisine ignition translate$/);
    const { config } = await translateConfig(Buffer.from(text.replace('2.5.0', '2.4.0')));
    assert.ok(config);
  });
  for (const version of ['2.0.0', '2.4.0', '3.4.0', '3.6.0']) {
    test(`spec ${version} is translated`, async () => {
      const text = `{"ignition": {"version": "${version}"}}`;
      await said('old.ign', text, /translate it first: draisine ignition translate$/);
      assert.ok((await translateConfig(Buffer.from(text))).config);
    });
  }
  test('a placeholder is filled in', async () => {
    const text = '{"ignition": {"version": "3.3.0"}, "storage": {"files": [{"path": "/a", "mode": %d}]}}';
    await said('template.ign', text, /fill the template in first$/);
    assert.equal((await verdict('filled.ign', text.replace('%d', '420'))).valid, true);
  });
  test('modes in JSON are written in decimal', async () => {
    const text = readFileSync(fixture('json-mode-755.ign'), 'utf8');
    const { entries } = await verdict('modes.ign', text);
    assert.match(entries[0]?.message ?? '', /; mode 755 is 01363: for 0755 write 493$/);
    assert.match(entries[1]?.message ?? '', /; mode 644 is 01204: for 0644 write 420$/);
    const mended = text.replace('755', '493').replace('644', '420');
    assert.deepEqual((await verdict('mended.ign', mended)).entries, []);
    const low = await verdict('low.ign', text.replace('755', '440').replace('644', '420'));
    assert.match(low.entries[0]?.message ?? '', /^mode 440 is 0670; for 0440 write 288$/);
    assert.deepEqual(
      (await verdict('low.ign', text.replace('755', '288').replace('644', '420'))).entries,
      [],
    );
  });
  test('a host key that others may read', async () => {
    const text = (more: string): string =>
      `{"ignition": {"version": "3.3.0"}, "storage": {"files": [{"path": "/etc/ssh/ssh_host_ed25519_key"${more}}]}}`;
    for (const mode of ['', ', "mode": 416']) {
      const { entries } = await verdict('key.ign', text(mode));
      assert.match(
        lines(entries).join(),
        /^\S+ warning .*sshd refuses a host key that others may read.* 0600 \(384\)$/,
      );
    }
    assert.deepEqual((await verdict('key.ign', text(', "mode": 384'))).entries, []);
  });
  test('modes in Butane are written with a zero', async () => {
    const text = (mode: string): string =>
      `variant: fcos\nversion: 1.4.0\nstorage:\n  files: [{path: /a, mode: ${mode}}]\n`;
    const { entries } = await verdict('modes.bu', text('644'));
    assert.deepEqual(
      entries.map(({ message }) => message),
      ['mode 644 is decimal, which is 01204; write 0644'],
    );
    assert.deepEqual((await verdict('modes.bu', text('0644'))).entries, []);
  });
  test('a Container Linux Config gets a head', async () => {
    const text = readFileSync(fixture('clc-old.yaml'), 'utf8');
    const mended = `variant: fcos\nversion: 1.4.0\n${text.replace(/^ *filesystem: .*\n/m, '')}`;
    assert.deepEqual(lines((await verdict('clc.bu', mended)).entries), []);
  });
  test('no variant, no version', async () => {
    await said('none.bu', 'version: 1.4.0\n', /write variant: fcos and version: 1\.4\.0 at the top$/);
    await said('none.bu', 'variant: flatcar\n', /write version: 1\.4\.0 for fcos, 1\.0\.0 for flatcar$/);
    assert.equal((await verdict('some.bu', 'variant: flatcar\nversion: 1.0.0\n')).valid, true);
    await said('cloud.yaml', '#cloud-config\nusers: []\n', /^this is cloud-config, which is not read/);
  });
});
