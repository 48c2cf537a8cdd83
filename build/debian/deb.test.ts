import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Failure } from '../../sdk/lib/errors.ts';
import { sha256 } from '../../sdk/lib/files.ts';
import { readDeb } from './deb.ts';
import type { Decoders } from './decompress.ts';
import type { Package } from './package.ts';
import {
  type ArPart,
  type DebParts,
  makeAr,
  makeDeb,
  makeTar,
  type Packing,
  SOUND_CONTROL,
  storeXz,
  type TarPart,
} from './testing.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'deb-test-'));
});
after(async () => {
  await rm(folder, { recursive: true });
});

let runs = 0;

async function read(deb: Buffer, decoders: Decoders = {}): Promise<{ unpacked: Package; tar: Buffer }> {
  runs += 1;
  const path = join(folder, `${runs}.deb`);
  await writeFile(path, deb);
  let tar = Buffer.alloc(0);
  const keep = async (dataTar: string) => {
    tar = await readFile(dataTar);
    return sha256(tar);
  };
  const unpacked = await readDeb(path, {
    label: 'sound_1.2-3',
    scratch: join(folder, `${runs}`),
    decoders,
    keep,
  });
  return { unpacked, tar };
}

async function refused(deb: Buffer | DebParts, what: RegExp, where = /package sound/): Promise<void> {
  await assert.rejects(read(Buffer.isBuffer(deb) ? deb : makeDeb(deb)), (error) => {
    assert.ok(error instanceof Failure, String(error));
    assert.match(error.message, what);
    assert.match(error.where ?? '', where);
    return true;
  });
}

const FILES: readonly TarPart[] = [
  { name: './usr/', type: '5' },
  { name: './usr/bin/', type: '5', mode: 0o2775, gid: 8 },
  { name: './usr/bin/tool', data: 'tool'.repeat(300), mode: 0o4755, uid: 3, gid: 4 },
  { name: './usr/bin/also', type: '1', link: './usr/bin/tool' },
  { name: './usr/bin/third', type: '1', link: './usr/bin/also' },
  { name: './usr/bin/link', type: '2', link: '../../etc/x' },
  { name: './usr/bin/absolute', type: '2', link: '/etc/x' },
  { name: './usr/empty', data: '' },
  { name: './usr/Főtanúsítvány', data: 'ü', mode: 0o600 },
];

describe('readDeb', () => {
  for (const packing of ['none', 'gz', 'xz'] satisfies Packing[]) {
    test(`reads control, scripts and entries of a package packed with ${packing}`, async () => {
      const scripts = {
        postinst: '#!/bin/sh\necho hi\n',
        triggers: 'activate ldconfig\n',
        conffiles: '/etc/x\nremove-on-upgrade /etc/old\n',
        md5sums: 'ignored',
      };
      const { unpacked, tar } = await read(makeDeb({ data: FILES, scripts, packing }));
      assert.deepEqual([unpacked.name, unpacked.version, unpacked.architecture], ['sound', '1.2-3', 'amd64']);
      assert.equal(unpacked.fields.description, 'a\nb');
      assert.deepEqual(unpacked.scripts, { postinst: scripts.postinst, triggers: scripts.triggers });
      assert.deepEqual(unpacked.conffiles, ['etc/x']);
      assert.deepEqual(
        unpacked.entries.map(({ path, type }) => `${type} ${path}`),
        [
          'dir usr',
          'dir usr/bin',
          'file usr/bin/tool',
          'hardlink usr/bin/also',
          'hardlink usr/bin/third',
          'symlink usr/bin/link',
          'symlink usr/bin/absolute',
          'file usr/empty',
          'file usr/Főtanúsítvány',
        ],
      );
      for (const entry of unpacked.entries) {
        assert.equal(entry.origin, 'deb:sound');
        if (entry.type !== 'file') continue;
        assert.ok('blob' in entry.content);
        const { blob, offset, size, sha256: digest } = entry.content;
        const bytes = tar.subarray(offset, offset + size);
        const source = FILES.find(({ name }) => name === `./${entry.path}`);
        assert.deepEqual([blob, bytes.toString(), digest], [sha256(tar), source?.data, sha256(bytes)]);
      }
    });
  }

  test('keeps owners and modes; a hard link has those of its file', async () => {
    const { unpacked } = await read(makeDeb({ data: FILES }));
    const of = (path: string) => {
      const entry = unpacked.entries.find((each) => each.path === path);
      return [entry?.mode, entry?.uid, entry?.gid];
    };
    assert.deepEqual(of('usr/bin'), [0o2775, 0, 8]);
    assert.deepEqual(of('usr/bin/tool'), [0o4755, 3, 4]);
    assert.deepEqual(of('usr/bin/third'), [0o4755, 3, 4]);
    const third = unpacked.entries.find(({ path }) => path === 'usr/bin/third');
    assert.equal(third?.type === 'hardlink' && third.target, 'usr/bin/tool');
  });

  test('reads PAX headers: long names, large owners and binary extended attributes', async () => {
    const capability = Buffer.from('0100000200040000000000000000000000000a3d', 'hex');
    const long = `./${'d'.repeat(150)}/${'f'.repeat(200)}`;
    const { unpacked } = await read(
      makeDeb({
        data: [
          { name: './before', data: 'x'.repeat(513) },
          {
            name: 'short',
            data: 'content',
            pax: { path: long, uid: '4000000', mtime: '1.5', 'SCHILY.xattr.security.capability': capability },
          },
          { name: './after', data: 'y' },
        ],
      }),
    );
    const [, entry, after] = unpacked.entries;
    assert.equal(entry?.path, long.slice(2));
    assert.equal(entry?.uid, 4000000);
    assert.deepEqual(entry?.xattrs, { 'security.capability': capability.toString('base64') });
    assert.equal(after?.type === 'file' && after.content.sha256, sha256('y'));
    assert.equal(after?.xattrs, undefined);
  });

  test('is the same with a decoder command', async () => {
    const gunzip = "process.stdin.pipe(require('node:zlib').createGunzip()).pipe(process.stdout)";
    const packed = makeAr([
      { name: 'debian-binary', data: '2.0\n' },
      { name: 'control.tar.gz', data: gzipSync(makeTar([{ name: './control', data: SOUND_CONTROL }])) },
      { name: 'data.tar.zst', data: gzipSync(makeTar(FILES)) },
    ]);
    const zst = { file: process.execPath, args: ['-e', gunzip], env: {} };
    const { unpacked } = await read(packed, { zst });
    assert.equal(unpacked.entries.length, FILES.length);
    await assert.rejects(read(packed), /no zstd decoder/);
    const broken = { ...zst, args: ['-e', 'process.stderr.write("no such frame"); process.exit(3)'] };
    await assert.rejects(read(packed, { zst: broken }), /cannot decode the zst data.*no such frame/);
  });

  test('leaves nothing in scratch but the kept data.tar', async () => {
    await read(makeDeb({ data: FILES, packing: 'xz' }));
    assert.deepEqual(await readdir(join(folder, String(runs))), ['data.tar']);
    await assert.rejects(read(makeDeb({ data: FILES, packing: 'xz' }).subarray(0, 1000)));
    assert.deepEqual(
      (await readdir(join(folder, String(runs))).catch(() => [])).filter((name) => name !== 'control.tar'),
      [],
    );
  });
});

const broken = (parts: readonly ArPart[]) => makeAr([{ name: 'debian-binary', data: '2.0\n' }, ...parts]);
const control = {
  name: 'control.tar.gz',
  data: gzipSync(makeTar([{ name: './control', data: SOUND_CONTROL }])),
};

describe('readDeb refuses', () => {
  const archives: [name: string, deb: Buffer, what: RegExp][] = [
    ['an empty file', Buffer.alloc(0), /ar magic/],
    ['another kind of file', Buffer.from('PK\u0003\u0004 and so on'), /ar magic/],
    ['no members', makeAr([]), /debian-binary/],
    ['another format version', makeDeb({ format: '3.0\n' }), /format "3.0"/],
    ['a format that only begins alike', makeDeb({ format: '2.0beta\n' }), /format/],
    ['a truncated ar header', makeDeb({ packing: 'none' }).subarray(0, 100), /incomplete ar header/],
    [
      'a truncated member',
      makeDeb({ packing: 'none' }).subarray(0, 3000),
      /truncated .deb: .* bytes by its header/,
    ],
    [
      'an ar size that is no number',
      broken([{ name: 'control.tar', data: '', size: '-1' }]),
      /broken ar header/,
    ],
    [
      'an ar size that is too large',
      broken([{ name: 'control.tar', data: '', size: '9999999999' }]),
      /has 9999999999 bytes by its header/,
    ],
    [
      'no control archive',
      broken([{ name: 'data.tar', data: '' }]),
      /control.tar is missing.*found data.tar/,
    ],
    ['no data archive', broken([control]), /data.tar is missing/],
    ['an unknown compression', broken([control, { name: 'data.tar.lzma', data: '' }]), /unknown compression/],
    [
      'the name of what every object has',
      broken([control, { name: 'data.tartoString', data: '' }]),
      /unknown compression/,
    ],
    [
      'damaged gzip',
      broken([control, { name: 'data.tar.gz', data: 'no gzip at all' }]),
      /cannot decode the gz data/,
    ],
    [
      'truncated gzip',
      broken([control, { name: 'data.tar.gz', data: gzipSync(makeTar([])).subarray(0, 20) }]),
      /cannot decode the gz/,
    ],
    ['an empty xz member', broken([control, { name: 'data.tar.xz', data: '' }]), /cannot decode the xz data/],
    [
      'damaged xz',
      broken([control, { name: 'data.tar.xz', data: flipped(storeXz(makeTar(FILES)), 700) }]),
      /cannot decode the xz data/,
    ],
    [
      'truncated xz',
      broken([control, { name: 'data.tar.xz', data: storeXz(makeTar(FILES)).subarray(0, -40) }]),
      /cannot decode the xz data/,
    ],
    [
      'a tar without its end',
      broken([control, { name: 'data.tar', data: makeTar(FILES, { end: false }) }]),
      /no end-of-archive marker/,
    ],
    [
      'a tar cut inside a file',
      broken([control, { name: 'data.tar', data: makeTar(FILES).subarray(0, 2000) }]),
      /truncated tar/,
    ],
    [
      'a tar cut inside a header',
      broken([control, { name: 'data.tar', data: makeTar(FILES).subarray(0, 1300) }]),
      /truncated tar/,
    ],
    ['an empty tar', broken([control, { name: 'data.tar', data: '' }]), /truncated tar/],
    [
      'a damaged tar header',
      broken([control, { name: 'data.tar', data: flipped(makeTar(FILES), 3) }]),
      /damaged or truncated tar/,
    ],
    [
      'members after the end of the archive',
      broken([control, { name: 'data.tar', data: Buffer.concat([makeTar([]), makeTar(FILES)]) }]),
      /after the end-of-archive/,
    ],
    [
      'a member size that lies',
      broken([control, { name: 'data.tar', data: makeTar([{ name: './a', data: 'x', size: 5000 }]) }]),
      /truncated tar/,
    ],
    [
      'a file in the place of the root',
      broken([control, { name: 'data.tar', data: makeTar([{ name: './', type: '2', link: 'x' }]) }]),
      /root of the package/,
    ],
  ];
  for (const [name, deb, what] of archives) test(name, () => refused(deb, what));

  const data: [name: string, parts: TarPart[], what: RegExp][] = [
    ['a path with ".."', [{ name: './usr/../../etc/passwd', data: 'x' }], /\.\.\/etc\/passwd.*leads out/],
    ['a path that is only ".."', [{ name: '..', type: '5' }], /leads out/],
    ['an absolute path', [{ name: '/etc/passwd', data: 'x' }], /absolute/],
    ['an absolute path behind "./"', [{ name: './/etc/passwd', data: 'x' }], /not a plain path/],
    [
      'a folder that has content',
      [{ name: './usr/', type: '5', data: 'x' }],
      /usr\/ is a folder, but has 1 bytes by its header/,
    ],
    ['an empty component', [{ name: './usr//bin', type: '5' }], /not a plain path/],
    [
      'a name that is not UTF-8',
      [{ name: './x', data: 'x', pax: { path: Buffer.from([0x2e, 0x2f, 0xff]) } }],
      /not UTF-8/,
    ],
    [
      'a path twice',
      [
        { name: './a', data: '1' },
        { name: 'a', data: '2' },
      ],
      /\/a is in the package twice/,
    ],
    [
      'a folder twice',
      [
        { name: './a/', type: '5' },
        { name: './a', type: '5' },
      ],
      /\/a is in the package twice/,
    ],
    [
      'a file below a symlink',
      [
        { name: './a', type: '2', link: '/etc' },
        { name: './a/passwd', data: 'x' },
      ],
      /\/a\/passwd lies below \/a, which is a symlink/,
    ],
    [
      'a symlink that comes later than the file below it',
      [
        { name: './a/b/c', data: 'x' },
        { name: './a', type: '2', link: '/' },
      ],
      /lies below \/a/,
    ],
    [
      'a file below a file',
      [
        { name: './a', data: 'x' },
        { name: './a/b', data: 'x' },
      ],
      /lies below \/a, which is a file/,
    ],
    [
      'a symlink out of the root',
      [{ name: './usr/x', type: '2', link: '../../../../etc/shadow' }],
      /leaves the root/,
    ],
    [
      'a symlink that leaves and comes back',
      [{ name: './x', type: '2', link: 'a/../../b' }],
      /leaves the root/,
    ],
    ['a symlink without a target', [{ name: './x', type: '2' }], /without a usable target/],
    ['a hard link out of the package', [{ name: './x', type: '1', link: '../../etc/shadow' }], /leads out/],
    ['a hard link to an absolute path', [{ name: './x', type: '1', link: '/etc/shadow' }], /absolute/],
    ['a hard link to nothing', [{ name: './x', type: '1', link: './y' }], /\/x: a hard link to .\/y/],
    [
      'a hard link to a symlink',
      [
        { name: './y', type: '2', link: 'z' },
        { name: './x', type: '1', link: './y' },
      ],
      /not an earlier file/,
    ],
    ['a hard link to itself', [{ name: './x', type: '1', link: './x' }], /not an earlier file/],
    ['a character device', [{ name: './null', type: '3' }], /\/null: a member of type character-device/],
    ['a block device', [{ name: './sda', type: '4' }], /type block-device/],
    ['a FIFO', [{ name: './fifo', type: '6' }], /\/fifo: a member of type fifo/],
    ['an unknown type', [{ name: './x', type: 'S' }], /\/x: a member of type unknown/],
    ['content in a symlink', [{ name: './x', type: '2', link: 'y', data: 'content' }], /7 bytes of content/],
    [
      'a PAX record that changes the meaning',
      [{ name: './x', pax: { 'GNU.sparse.major': '1' } }],
      /unsupported PAX record GNU.sparse.major/,
    ],
    [
      'a global PAX header',
      [{ name: './x', type: 'g', data: '' }, { name: './y' }],
      /unsupported tar header of type "g"/,
    ],
  ];
  for (const [name, parts, what] of data) test(name, () => refused({ data: parts }, what));

  const controls: [name: string, parts: DebParts, what: RegExp][] = [
    ['a control file without a name', { control: 'Version: 1\nArchitecture: all\n' }, /Package, Version/],
    ['two stanzas', { control: `${SOUND_CONTROL}\n${SOUND_CONTROL}` }, /not one stanza/],
    ['a script in a folder', { scripts: { 'x/postinst': '' } }, /not a plain file/],
    ['a relative conffile', { scripts: { conffiles: 'etc/x\n' } }, /not an absolute path/],
    ['a conffile that climbs', { scripts: { conffiles: '/etc/../../x\n' } }, /leads out/],
  ];
  for (const [name, parts, what] of controls) test(name, () => refused(parts, what));

  test('a script that is not text', () =>
    refused(
      broken([
        {
          name: 'control.tar',
          data: makeTar([
            { name: './control', data: SOUND_CONTROL },
            { name: './preinst', data: Buffer.from([0x7f, 0xff]) },
          ]),
        },
        { name: 'data.tar', data: makeTar([]) },
      ]),
      /preinst is not UTF-8 text/,
    ));

  test('a damaged xz file does not disturb the next one', async () => {
    const truncated = broken([
      control,
      { name: 'data.tar.xz', data: storeXz(makeTar(FILES)).subarray(0, -40) },
    ]);
    await refused(truncated, /cannot decode/);
    assert.equal((await read(makeDeb({ data: FILES, packing: 'xz' }))).unpacked.entries.length, FILES.length);
  });
});

function flipped(data: Buffer, at: number): Buffer {
  const copy = Buffer.from(data);
  copy[at] = (copy[at] ?? 0) ^ 0x10;
  return copy;
}
