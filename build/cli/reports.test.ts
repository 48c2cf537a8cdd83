import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatBytes, formatDelta } from '../../sdk/lib/bytes.ts';
import { sha256 } from '../../sdk/lib/files.ts';
import type { Manifest } from '../product/manifest.ts';
import type { Entry } from '../tree/entry.ts';
import { parseAge } from './age.ts';
import { formatDiff } from './diff.ts';
import { diffReport, type Side } from './diff-report.ts';
import { formatSize } from './size.ts';
import { sizeHtml } from './size-html.ts';
import { areasByFolder, areasByOrigin, sizeReport } from './size-report.ts';
import { formatTable } from './table.ts';

const common = { mode: 0o755, uid: 0, gid: 0 };
function file(path: string, text: string, more: Partial<Entry> = {}): Entry {
  const content = {
    inline: text,
    encoding: 'utf8',
    size: Buffer.byteLength(text),
    sha256: sha256(text),
  } as const;
  return { ...common, mode: 0o644, origin: 'deb:a', path, type: 'file', content, ...more } as Entry;
}
const dir = (path: string): Entry => ({ ...common, origin: 'deb:a', path, type: 'dir' });
const symlink = (path: string, target: string): Entry => ({
  ...common,
  mode: 0o777,
  origin: 'deb:a',
  path,
  type: 'symlink',
  target,
});

test('bytes, differences, tables, ages', () => {
  assert.deepEqual([0, 999, 1000, 1_234_567, 999_960, -5_000_000, 2e15].map(formatBytes), [
    '0 B',
    '999 B',
    '1.0 kB',
    '1.2 MB',
    '1.0 MB',
    '-5.0 MB',
    '2000.0 TB',
  ]); // prettier-ignore
  assert.deepEqual([0, 1500, -3].map(formatDelta), ['±0', '+1.5 kB', '-3 B']);
  assert.equal(
    formatTable(
      [
        ['a', '1'],
        ['bbb', '22'],
      ],
      [1],
    ),
    'a     1\nbbb  22\n',
  ); // prettier-ignore
  assert.deepEqual(
    ['30d', '12h', '4w', '5m', '0d'].map(parseAge),
    [2_592_000_000, 43_200_000, 2_419_200_000, 300_000, 0],
  );
  for (const bad of ['', '3', 'd', '-1d', '1.5h', '1y', '1d ', '99999999d'])
    assert.equal(parseAge(bad), undefined, bad);
});

const tree = {
  entries: [
    dir('usr'),
    file('usr/bin/bash', 'x'.repeat(1000), { origin: 'deb:bash' }),
    {
      ...common,
      origin: 'deb:bash',
      path: 'usr/bin/rbash',
      type: 'hardlink',
      target: 'usr/bin/bash',
    } as Entry,
    file('usr/lib/a', 'y'.repeat(300)),
    file('usr/lib/<b>', 'y'.repeat(200)),
    file('usr/lib/empty', ''),
  ],
  trims: [{ reason: 'docs & <man>', count: 7, bytes: 5000 }],
};
const artifacts = [{ name: 'disk', path: 'disk.img', size: 2_000_000, sha256: sha256('d') }];

test('size: every byte of the tree is somebody’s; hard links count once', () => {
  const report = sizeReport(tree, artifacts);
  assert.deepEqual(report, {
    total: 1500,
    origins: [
      { origin: 'deb:bash', files: 1, bytes: 1000 },
      { origin: 'deb:a', files: 3, bytes: 500 },
    ],
    trims: tree.trims,
    artifacts,
  });
  assert.equal(areasByOrigin(tree).bytes, 1500);
  const folders = areasByFolder(tree);
  assert.equal(folders.name, 'usr');
  assert.deepEqual(
    folders.parts.map(({ name, bytes }) => [name, bytes]),
    [
      ['bin', 1000],
      ['lib', 500],
    ],
  ); // prettier-ignore
  assert.deepEqual(areasByFolder({ entries: [] }), { name: '', bytes: 0, parts: [] });
  const text = formatSize('n100 1', report);
  assert.match(text, /2\.0 MB {2}disk/);
  assert.match(text, /1\.0 kB {2}1 files {2}deb:bash/);
  assert.match(text, /removed: 5\.0 kB\n5\.0 kB {2}7 entries {2}docs/);
});

test('size: the page stands alone and shows names as text', () => {
  const html = sizeHtml('n100 <1>', sizeReport(tree, artifacts), areasByOrigin(tree), areasByFolder(tree));
  assert.ok(!/https?:|<script|<link|<img|@import|url\(/.test(html));
  assert.ok(
    html.includes('n100 &lt;1&gt;') &&
      html.includes('docs &amp; &lt;man&gt;') &&
      html.includes('usr/lib/&lt;b&gt;'),
  );
  assert.ok(!html.includes('<b>'));
  assert.ok(html.includes('<title>deb:bash: 1.0 kB</title>'));
  assert.equal(
    html,
    sizeHtml('n100 <1>', sizeReport(tree, artifacts), areasByOrigin(tree), areasByFolder(tree)),
  );
});

const manifest = (version: string, packages: [string, string][], sizes: [string, number][]): Manifest => ({
  name: 'n100',
  version,
  lock: sha256(version),
  usrHash: sha256(`usr ${version}`),
  commandLines: { disk: 'quiet console=tty0' },
  packages: packages.map(([name, v]) => ({ name, version: v, architecture: 'amd64' })),
  artifacts: sizes.map(([name, size]) => ({ name, path: name, size, sha256: sha256(name + size) })),
});
const side = (of: Manifest, entries?: Entry[]): Side => ({
  manifest: of,
  ...(entries ? { tree: { entries } } : {}),
  read: async (content) => ('inline' in content ? Buffer.from(content.inline, content.encoding) : undefined),
});
const passwd = (text: string) => file('usr/share/draisine/etc/passwd', text);

test('diff: packages, artifacts, files, setuid, units, users, kernel configuration', async () => {
  const before = side(
    manifest(
      '1',
      [
        ['bash', '5.2'],
        ['gone', '1'],
        ['same', '1'],
      ],
      [
        ['disk', 100],
        ['iso', 5],
      ],
    ),
    [
      file('usr/bin/a', 'a'),
      file('usr/bin/b', 'b'),
      file('usr/bin/moved', 'm', { origin: 'deb:x' }),
      file('usr/bin/sudo', 's', { mode: 0o4755 }),
      file('usr/bin/ping', 'p'),
      passwd('root:x:0:0::/root:/bin/sh\nold:x:9:9::/:/bin/false\n'),
      file('usr/lib/modules/6.12/config', '# a comment\nCONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\n'),
      file('usr/lib/systemd/system/x.service', 'one'),
    ],
  ); // prettier-ignore
  const after = side(
    manifest(
      '2',
      [
        ['bash', '5.3'],
        ['new', '3'],
        ['same', '1'],
      ],
      [
        ['disk', 1500],
        ['uki', 7],
      ],
    ),
    [
      file('usr/bin/a', 'A'),
      file('usr/bin/c', 'c'),
      file('usr/bin/moved', 'm', { origin: 'deb:y' }),
      file('usr/bin/sudo', 's', { mode: 0o755 }),
      file('usr/bin/ping', 'p', { xattrs: { 'security.capability': 'AQ==' } }),
      passwd('root:x:0:0::/root:/bin/bash\nnew:x:8:8::/:/bin/false\n'),
      file('usr/lib/modules/6.13/config', 'CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=m\n'),
      file('usr/lib/systemd/system/x.service', 'two'),
      symlink('usr/lib/systemd/system/multi-user.target.wants/x.service', '../x.service'),
    ],
  ); // prettier-ignore
  const report = await diffReport(before, after);
  assert.deepEqual(report.packages, {
    added: ['new 3'],
    removed: ['gone 1'],
    changed: [{ name: 'bash', from: '5.2', to: '5.3' }],
  });
  assert.deepEqual(report.artifacts, [
    { name: 'disk', from: 100, to: 1500, same: false },
    { name: 'iso', from: 5, to: null, same: false },
    { name: 'uki', from: null, to: 7, same: false },
  ]);
  assert.deepEqual(report.files?.added, [
    'usr/bin/c',
    'usr/lib/modules/6.13/config',
    'usr/lib/systemd/system/multi-user.target.wants/x.service',
  ]);
  assert.deepEqual(report.files?.removed, ['usr/bin/b', 'usr/lib/modules/6.12/config']);
  assert.ok(!report.files?.changed.some(({ name }) => name === 'usr/bin/moved'));
  assert.deepEqual(report.privileged, { added: ['usr/bin/ping'], removed: ['usr/bin/sudo'], changed: [] });
  assert.deepEqual(report.units?.added, ['multi-user.target.wants/x.service']);
  assert.deepEqual(
    report.units?.changed.map(({ name }) => name),
    ['x.service'],
  ); // prettier-ignore
  assert.deepEqual(report.users, {
    added: ['new'],
    removed: ['old'],
    changed: [{ name: 'root', from: '0:0::/root:/bin/sh', to: '0:0::/root:/bin/bash' }],
  });
  assert.deepEqual(report.kernelConfig, {
    added: ['CONFIG_C'],
    removed: [],
    changed: [{ name: 'CONFIG_B', from: 'm', to: 'y' }],
  });
  assert.deepEqual(report.unknown, []);
  const text = formatDiff(report);
  assert.match(text, /^n100 1 → n100 2\n/);
  assert.match(
    text,
    /packages: 1 added, 1 removed, 1 changed\n {2}- gone 1\n {2}\+ new 3\n {2}~ bash: 5\.2 → 5\.3\n/,
  );
  assert.match(text, /disk {3}100 B {2}→ {2}1\.5 kB {2}\+1\.4 kB/);
  assert.match(text, /~ CONFIG_B: m → y/);
});

test('diff: words of the kernel command line, by profile', async () => {
  const of = (commandLines: Record<string, string> | undefined) => {
    const { commandLines: _, ...rest } = manifest('1', [], []);
    return side(commandLines === undefined ? rest : { ...rest, commandLines }, []);
  };
  const from = of({ disk: 'quiet console=tty0 console=ttyS0 rw', live: 'quiet root=tmpfs', same: 'a' });
  const to = of({ disk: 'console=tty0 console=ttyS0 rw audit=0', ram: 'quiet', same: 'a' });
  const report = await diffReport(from, to);
  assert.deepEqual(report.commandLines, {
    added: ['ram'],
    removed: ['live'],
    changed: [
      {
        name: 'disk',
        from: 'quiet console=tty0 console=ttyS0 rw',
        to: 'console=tty0 console=ttyS0 rw audit=0',
      },
    ],
  });
  assert.match(
    formatDiff(report),
    /\nkernel command line: 1 added, 1 removed, 1 changed\n {2}- live\n {2}\+ ram\n {2}~ disk: quiet → audit=0\n/,
  );
  const moved = await diffReport(of({ disk: 'a b' }), of({ disk: 'b a' }));
  assert.match(formatDiff(moved), /~ disk: a b → b a\n/);
  const older = await diffReport(of(undefined), to);
  assert.equal(older.commandLines, undefined);
  assert.deepEqual(older.unknown, ['n100 1: its manifest does not name the kernel command line']);
});

test('diff: equal images have no differences; parts that cannot be compared are listed', async () => {
  const same = manifest('1', [], []);
  const report = await diffReport(side(same, [file('usr/a', 'a')]), side(same, [file('usr/a', 'a')]));
  assert.equal(formatDiff(report), 'n100 1 → n100 1\n\n/usr is the same\nnothing changed\n');
  const other = { ...same, artifacts: [{ name: 'uki', path: 'uki.efi', size: 5, sha256: sha256('a') }] };
  const rebuilt = { ...same, artifacts: [{ name: 'uki', path: 'uki.efi', size: 5, sha256: sha256('b') }] };
  const changed = formatDiff(await diffReport(side(other, []), side(rebuilt, [])));
  assert.match(changed, /uki {2}5 B {2}→ {2}5 B {2}content differs/, 'the same size is not the same bytes');
  const bare = await diffReport(side(same), side(same, []));
  assert.equal(bare.files, undefined);
  assert.deepEqual(bare.unknown, ['n100 1: no tree.json beside the manifest']);
  const absent = { blob: sha256('far away'), offset: 0, size: 1, sha256: sha256('x') };
  const hidden = await diffReport(
    side(same, [file('usr/lib/modules/1/config', '', { content: absent })]),
    side(same, []),
  );
  assert.deepEqual(hidden.unknown, ['n100 1: usr/lib/modules/1/config is not in this store']);
});
