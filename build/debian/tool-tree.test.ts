import assert from 'node:assert/strict';
import { lstat, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { makeDeb, type TarPart } from './testing.ts';
import { unpackToolTree } from './tool-tree.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tool-tree-test-'));
});
after(() => rm(folder, { recursive: true }));

async function unpack(name: string, ...packages: (readonly TarPart[])[]): Promise<string> {
  const debs = [];
  for (const [index, data] of packages.entries()) {
    const path = join(folder, `${name}-${index}.deb`);
    const control = `Package: p${index}\nVersion: 1\nArchitecture: amd64\n`;
    await writeFile(path, makeDeb({ control, data, packing: 'xz' }));
    debs.push({ path, label: `p${index}` });
  }
  const out = join(folder, name);
  await unpackToolTree({ debs, out, scratch: join(folder, `${name}-scratch`), jobs: 2 });
  return out;
}

test('packages become a folder with merged /usr', async () => {
  const umask = process.umask(0o077);
  try {
    const out = await unpack(
      'merged',
      [
        { name: './usr/bin/', type: '5', mode: 0o555 },
        { name: './usr/bin/tool', data: 'tool', mode: 0o4555, uid: 5 },
        { name: './usr/bin/also', type: '1', link: './usr/bin/tool' },
        { name: './usr/bin/alt', type: '2', link: '/etc/alternatives/alt' },
      ],
      [
        { name: './lib/x/', type: '5' },
        { name: './lib/x/lib.so', data: 'a'.repeat(100_000) },
        { name: './lib64/ld.so', type: '2', link: '../lib/x/lib.so' },
        { name: './usr/bin/', type: '5' },
      ],
    );
    assert.deepEqual((await readdir(out)).sort(), ['bin', 'lib', 'lib64', 'sbin', 'usr']);
    assert.equal(await readlink(join(out, 'lib64')), 'usr/lib64');
    assert.equal((await readFile(join(out, 'lib64/ld.so'))).length, 100_000);
    assert.equal(await readlink(join(out, 'usr/bin/alt')), '../../etc/alternatives/alt');
    const status = await lstat(join(out, 'usr/bin/tool'));
    assert.deepEqual([status.mode & 0o7777, status.nlink, status.uid], [0o755, 2, process.getuid?.()]);
    assert.equal((await lstat(join(out, 'usr/bin'))).mode & 0o7777, 0o755);
    assert.equal((await lstat(join(out, 'usr/lib'))).mode & 0o7777, 0o755, 'whatever the umask');
  } finally {
    process.umask(umask);
  }
});

test('two packages that own a path are an error naming both, and nothing is unpacked', async () => {
  await assert.rejects(
    unpack('conflict', [{ name: './bin/x', data: '1' }], [{ name: './usr/bin/x', data: '2' }]),
    /\/usr\/bin\/x: deb:p0 .*deb:p1/,
  );
  assert.ok(!(await readdir(folder)).includes('conflict'));
});

test('a broken package stops the others', async () => {
  await assert.rejects(
    unpack('broken', [{ name: './a', data: '1' }], [{ name: '../b', data: '2' }]),
    /leads out/,
  );
});
