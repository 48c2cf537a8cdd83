import { createWriteStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { canonicalJson, sha256, sha256File } from '../../sdk/lib/files.ts';
import { readPackage } from '../debian/package.ts';
import { recipe, type Target } from '../graph/target.ts';
import type { Entry, Tree } from '../tree/entry.ts';
import { mergeLayers } from '../tree/merge.ts';
import { inlineContent } from '../tree/overlay.ts';
import { treeToTar } from '../tree/tar.ts';
import { trimTree } from '../tree/trim.ts';

/** Programs of busybox that a test calls by name. */
const APPLETS = [
  'sh',
  'cat',
  'echo',
  'sleep',
  'httpd',
  'nc',
  'wget',
  'id',
  'ls',
  'nslookup',
  'ping',
  'ip',
  'mount',
  'touch',
  'dd',
  'sync',
  'stat',
  'env',
  'true',
  'false',
  'seq',
  'head',
  'mkdir',
  'rm',
  'chown',
  'hostname',
  'grep',
  'ps',
  'kill',
  'test',
];

/**
 * A container image as an OCI archive (OCI image layout v1 in a tar, one layer), made of Debian packages through
 * the same tree code as /usr. `podman load -i` takes it; no registry is involved.
 */
export const ociArchive = recipe<{
  packages: readonly Target[];
  name: string;
  entrypoint: readonly string[];
  epoch: number;
}>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, out, scratch, blob }) {
    const { name, entrypoint, epoch } = inputs;
    const rootfs = await rootFileSystem(inputs.packages);
    const layer = join(scratch, 'layer.tar');
    await pipeline(treeToTar(rootfs, { blobPath: blob, mtime: epoch }), createWriteStream(layer));
    const entries = await layoutOf(layer, { name, entrypoint, epoch });
    const archive = mergeLayers([{ overlay: 'archive', entries }]);
    await pipeline(treeToTar(archive, { blobPath: blob, mtime: epoch }), createWriteStream(out));
  },
});

const OWNED = { uid: 0, gid: 0, origin: 'oci' } as const;

const link = (path: string, target: string): Entry => ({
  ...OWNED,
  type: 'symlink',
  path,
  target,
  mode: 0o777,
});
const folder = (path: string, mode = 0o755): Entry => ({ ...OWNED, type: 'dir', path, mode });
const file = (path: string, content: string | Uint8Array): Entry => ({
  ...OWNED,
  type: 'file',
  path,
  mode: 0o644,
  content: inlineContent(content),
});

/** The files of the packages without documentation, links from program names to busybox, and the files that containers expect. */
async function rootFileSystem(targets: readonly { readonly path: string }[]): Promise<Tree> {
  const packages = await Promise.all(targets.map(({ path }) => readPackage(path)));
  const { tree } = trimTree(mergeLayers([{ packages }]), [
    {
      reason: 'documentation',
      paths: ['usr/share/{doc,man,lintian,initramfs-tools,bug}', 'usr/share/doc-base'],
    },
  ]);
  const present = new Set(tree.entries.map(({ path }) => path));
  const { entries } = mergeLayers([
    { packages: [{ name: 'packages', entries: tree.entries }] },
    {
      overlay: 'oci',
      entries: [
        ...APPLETS.filter((applet) => !present.has(`usr/bin/${applet}`)).map((applet) =>
          link(`usr/bin/${applet}`, 'busybox'),
        ),
        folder('tmp', 0o1777),
        ...['root', 'etc', 'var', 'run', 'proc', 'sys', 'dev'].map((path) => folder(path)),
        file('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\n'),
      ],
    },
  ]);
  const aliases = ['bin', 'sbin', 'lib']
    .filter((path) => !entries.some((entry) => entry.path === path))
    .map((path) => link(path, `usr/${path === 'sbin' ? 'bin' : path}`));
  return { entries: [...entries, ...aliases].sort((a, b) => (a.path < b.path ? -1 : 1)) };
}

/** The files of an OCI image layout with one layer, a tar (image-spec: image-layout.md, manifest.md, config.md). */
async function layoutOf(
  layer: string,
  { name, entrypoint, epoch }: { name: string; entrypoint: readonly string[]; epoch: number },
): Promise<Entry[]> {
  const layerDigest = await sha256File(layer);
  const described = (type: string, digest: string, size: number) => ({
    mediaType: `application/vnd.oci.image.${type}`,
    digest: `sha256:${digest}`,
    size,
  });
  const config = canonicalJson({
    architecture: 'amd64',
    os: 'linux',
    created: new Date(epoch * 1000).toISOString(),
    config: { Entrypoint: entrypoint, Env: ['PATH=/usr/bin:/usr/sbin:/bin'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${layerDigest}`] },
  });
  const manifest = canonicalJson({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: described('config.v1+json', sha256(config), config.length),
    layers: [described('layer.v1.tar', layerDigest, (await stat(layer)).size)],
  });
  const index = canonicalJson({
    schemaVersion: 2,
    manifests: [
      {
        ...described('manifest.v1+json', sha256(manifest), manifest.length),
        annotations: { 'org.opencontainers.image.ref.name': `localhost/${name}:latest` },
      },
    ],
  });
  return [
    file('oci-layout', '{"imageLayoutVersion":"1.0.0"}'),
    file('index.json', index),
    file(`blobs/sha256/${sha256(config)}`, config),
    file(`blobs/sha256/${sha256(manifest)}`, manifest),
    file(`blobs/sha256/${layerDigest}`, await readFile(layer)),
  ];
}
