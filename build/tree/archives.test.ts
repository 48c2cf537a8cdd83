import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { sha256 } from '../../sdk/lib/files.ts';
import { entriesOf } from '../debian/entries.ts';
import { readTar } from '../debian/tar.ts';
import { cutArchives, treeToCpio } from './cpio.ts';
import type { Entry } from './entry.ts';
import { treeToTar } from './tar.ts';
import { dir, file, hardlink, listing, symlink, treeOf } from './testing.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'archives-test-'));
});
after(() => rm(folder, { recursive: true }));

async function bytesOf(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const noBlob = (digest: string): string => assert.fail(`asked for blob ${digest}`);
const capability = Buffer.from('0100000200040000000000000000000000000a3d', 'hex').toString('base64');

const tree = treeOf(
  dir('usr', { mode: 0o2755, gid: 8 }),
  hardlink('usr/also', 'usr/tool', { mode: 0o4755 }),
  file('usr/empty'),
  file('usr/huge-owner', 'x', { uid: 3_000_000, gid: 4_000_000 }),
  symlink('usr/link', `/${'t'.repeat(180)}`),
  dir(`usr/${'d'.repeat(90)}`),
  file(`usr/${'d'.repeat(90)}/${'f'.repeat(99)}`, 'split name'),
  file(`usr/${'n'.repeat(160)}`, 'long name'),
  file('usr/ping', 'x'.repeat(512), { xattrs: { 'security.capability': capability, 'user.a': 'YQ==' } }),
  file('usr/tool', 'tool'.repeat(400), { mode: 0o4755 }),
  file('usr/Főtanúsítvány', 'ü'),
);

describe('treeToTar', () => {
  test('tar(1) reads back the same tree', async () => {
    const path = join(folder, 'round.tar');
    await writeFile(path, await bytesOf(treeToTar(tree, { blobPath: noBlob, mtime: 5 })));
    const members = await readTar(path, 'test');
    assert.deepEqual([members[0]?.name, members[0]?.type, members[0]?.mode], ['./', 'directory', 0o755]);
    const plain = (entry: Entry) => ({
      ...entry,
      origin: '',
      ...(entry.type === 'file' ? { content: entry.content.sha256 } : {}),
    });
    const read = treeOf(...entriesOf(members, 'blob', 'test'));
    assert.deepEqual(read.entries.map(plain), tree.entries.map(plain));
  });

  test('has hard links after their files', async () => {
    const path = join(folder, 'order.tar');
    await writeFile(path, await bytesOf(treeToTar(tree, { blobPath: noBlob, mtime: 0 })));
    const names = (await readTar(path, 'test')).map(({ name }) => name);
    assert.ok(names.indexOf('usr/also') > names.indexOf('usr/tool'));
  });

  test('streams contents of blobs across chunks, with the given time', async () => {
    const blob = Buffer.alloc(5 << 20, 'blob of the store ');
    const blobPath = join(folder, 'blob');
    await writeFile(blobPath, blob);
    const part = (path: string, offset: number, size: number): Entry => ({
      ...file(path),
      type: 'file',
      content: { blob: sha256(blob), offset, size, sha256: sha256(blob.subarray(offset, offset + size)) },
    });
    const parts = [
      part('a', 0, 3_000_001),
      part('b', 7, 0),
      part('c', 1_000_003, 2_500_000),
      part('d', blob.length - 5, 5),
    ];
    const tar = await bytesOf(
      treeToTar(treeOf(...parts), { blobPath: () => blobPath, mtime: 1_700_000_000 }),
    );
    const path = join(folder, 'blobs.tar');
    await writeFile(path, tar);
    const [, ...members] = await readTar(path, 'test');
    assert.deepEqual(
      members.map((member) => member.sha256),
      parts.map((entry) => entry.type === 'file' && entry.content.sha256),
    );
    assert.equal(tar.toString('latin1', 136, 147), (1_700_000_000).toString(8).padStart(11, '0'));
    assert.equal(tar.length % 512, 0);
    const beyond = treeOf(part('a', blob.length - 5, 6));
    await assert.rejects(
      bytesOf(treeToTar(beyond, { blobPath: () => blobPath, mtime: 0 })),
      /shorter than its entries/,
    );
  });
});

interface Member {
  readonly name: string;
  readonly inode: number;
  readonly mode: number;
  readonly nlink: number;
  readonly data: string;
}

function readCpio(archive: Buffer): Member[] {
  const members: Member[] = [];
  for (let at = 0; ; ) {
    assert.equal(archive.toString('latin1', at, at + 6), '070701');
    const field = (index: number) =>
      Number.parseInt(archive.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16);
    const nameEnd = at + 110 + field(11);
    const name = archive.toString('utf8', at + 110, nameEnd - 1);
    const data = Math.ceil(nameEnd / 4) * 4;
    if (name === 'TRAILER!!!') return members;
    members.push({
      name,
      inode: field(0),
      mode: field(1),
      nlink: field(4),
      data: archive.toString('utf8', data, data + field(6)),
    });
    at = Math.ceil((data + field(6)) / 4) * 4;
  }
}

describe('treeToCpio', () => {
  const small = treeOf(
    dir('d'),
    file('d/f', 'content', { mode: 0o755 }),
    hardlink('d/a', 'd/f'),
    hardlink('z', 'd/f'),
    symlink('l', 'd/f'),
    file('q', 'ü'),
  );

  test('has parents first, and hard links share an inode, with the content at the last one', async () => {
    const members = readCpio(await bytesOf(treeToCpio(small, { blobPath: noBlob, mtime: 0 })));
    assert.deepEqual(
      members.map(({ name, inode, mode, nlink, data }) => [name, inode, mode.toString(8), nlink, data]),
      [
        ['d', 1, '40755', 2, ''],
        ['l', 2, '120777', 1, 'd/f'],
        ['q', 3, '100644', 1, 'ü'],
        ['d/a', 4, '100755', 3, ''],
        ['z', 4, '100755', 3, ''],
        ['d/f', 4, '100755', 3, 'content'],
      ],
    );
  });

  test('is padded to 512 bytes and always the same', async () => {
    const archive = await bytesOf(treeToCpio(small, { blobPath: noBlob, mtime: 9 }));
    assert.equal(archive.length % 512, 0);
    assert.deepEqual(archive, await bytesOf(treeToCpio(small, { blobPath: noBlob, mtime: 9 })));
  });

  test('archives in a row are cut where they end, whatever is in their files', async () => {
    const bytes = (each: typeof small) => bytesOf(treeToCpio(each, { blobPath: noBlob, mtime: 0 }));
    const trailer = (await bytes(treeOf())).toString('latin1');
    const tricky = treeOf(file('a', trailer), file('bb', `${trailer}x`), file('TRAILER', '070701'));
    const archives = await Promise.all([small, tricky, treeOf(), small].map(bytes));
    const row = Buffer.concat(archives);
    assert.deepEqual(cutArchives(row), archives);
    for (const end of [row.length - 1, 100, 511]) assert.throws(() => cutArchives(row.subarray(0, end)));
    assert.throws(() => cutArchives(Buffer.from('no archive')));
  });

  test('refuses extended attributes by name', async () => {
    await assert.rejects(
      bytesOf(treeToCpio(tree, { blobPath: noBlob, mtime: 0 })),
      /\/usr\/ping has extended attributes/,
    );
  });

  test('an empty tree is an empty archive', async () => {
    assert.deepEqual(readCpio(await bytesOf(treeToCpio(treeOf(), { blobPath: noBlob, mtime: 0 }))), []);
    assert.deepEqual(listing(treeOf()), []);
  });
});
