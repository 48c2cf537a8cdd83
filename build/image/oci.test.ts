import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { canonicalJson, sha256 } from '../../sdk/lib/files.ts';
import { readTar } from '../debian/tar.ts';
import { given, runRecipe } from '../graph/testing-recipe.ts';
import { dir, file, symlink } from '../tree/testing.ts';
import { ociArchive } from './oci.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'draisine-oci-'));
});
after(() => rm(folder, { recursive: true, force: true }));

const busybox = {
  name: 'busybox-static',
  entries: [
    dir('usr'),
    dir('usr/bin'),
    file('usr/bin/busybox', 'the program', { mode: 0o755 }),
    symlink('usr/bin/sh', 'dash'),
    dir('usr/share'),
    dir('usr/share/doc'),
    file('usr/share/doc/readme', 'not wanted'),
  ],
};

/** Members of an OCI archive by name. */
async function build(epoch = 1_700_000_000): Promise<{ bytes: Buffer; members: Map<string, Buffer> }> {
  const own = await mkdtemp(join(folder, 'run-'));
  await writeFile(join(own, 'package'), canonicalJson(busybox));
  const target = ociArchive('box:oci', {
    packages: [await given(join(own, 'package'))],
    name: 'oci-busybox',
    entrypoint: ['/bin/sh'],
    epoch,
  });
  const { out } = await runRecipe(target, own);
  const bytes = await readFile(out);
  const members = (await readTar(out, 'test')).filter(({ type }) => type === 'file');
  return {
    bytes,
    members: new Map(
      members.map(({ name, offset, size }) => [
        name.replace(/^\.\//, ''),
        bytes.subarray(offset, offset + size),
      ]),
    ),
  };
}

interface Descriptor {
  readonly digest: string;
  readonly size: number;
}

test('the archive is an OCI image layout with correct digests and sizes, from index to layer', async () => {
  const { members } = await build();
  const json = <T>(bytes: Buffer | undefined) => JSON.parse(String(bytes)) as T;
  const follow = ({ digest, size }: Descriptor): Buffer => {
    const blob = members.get(`blobs/${digest.replace(':', '/')}`) ?? assert.fail(digest);
    assert.equal(`sha256:${sha256(blob)}`, digest);
    assert.equal(blob.length, size);
    return blob;
  };
  assert.deepEqual(json(members.get('oci-layout')), { imageLayoutVersion: '1.0.0' });
  const { manifests } = json<{
    manifests: readonly (Descriptor & { annotations: Record<string, string> })[];
  }>(members.get('index.json'));
  const [entry] = manifests;
  assert.ok(entry);
  assert.equal(entry.annotations['org.opencontainers.image.ref.name'], 'localhost/oci-busybox:latest');
  const manifest = json<{ config: Descriptor; layers: readonly Descriptor[] }>(follow(entry));
  const config = json<{
    config: { Entrypoint: string[] };
    created: string;
    rootfs: { diff_ids: string[] };
  }>(follow(manifest.config));
  assert.deepEqual(config.config.Entrypoint, ['/bin/sh']);
  assert.equal(config.created, '2023-11-14T22:13:20.000Z');
  const [layer] = manifest.layers;
  assert.ok(layer && manifest.layers.length === 1);
  assert.deepEqual(config.rootfs.diff_ids, [layer.digest]); // the layer is not compressed
  const path = join(folder, 'layer.tar');
  await writeFile(path, follow(layer));
  const files = new Map(
    (await readTar(path, 'layer')).map((member) => [member.name.replace(/^\.\//, ''), member]),
  );
  assert.equal(files.get('usr/bin/busybox')?.mode, 0o755);
  assert.equal(files.get('usr/bin/httpd')?.linkname, 'busybox');
  assert.equal(files.get('usr/bin/sh')?.linkname, 'dash', 'the files of the package stay');
  assert.equal(files.get('bin')?.linkname, 'usr/bin');
  assert.equal(files.get('tmp/')?.mode ?? files.get('tmp')?.mode, 0o1777);
  assert.ok(![...files.keys()].some((name) => name.includes('readme')));
});

test('two builds give the same bytes, and the time comes from the input only', async () => {
  const first = await build();
  assert.deepEqual((await build()).bytes, first.bytes);
  assert.notDeepEqual((await build(0)).bytes, first.bytes);
});
