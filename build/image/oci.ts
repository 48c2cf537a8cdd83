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
    const packages = await Promise.all(inputs.packages.map(({ path }) => readPackage(path)));
    const merged = mergeLayers([{ packages }]);
    const { tree } = trimTree(merged, [
      {
        reason: 'documentation',
        paths: ['usr/share/{doc,man,lintian,initramfs-tools,bug}', 'usr/share/doc-base'],
      },
    ]);
    const link = (path: string, target: string): Entry => ({
      type: 'symlink',
      path,
      target,
      mode: 0o777,
      uid: 0,
      gid: 0,
      origin: 'oci',
    });
    const present = new Set(tree.entries.map(({ path }) => path));
    const layer = mergeLayers([
      { packages: [{ name: 'packages', entries: tree.entries }] },
      {
        overlay: 'oci',
        entries: [
          ...APPLETS.filter((applet) => !present.has(`usr/bin/${applet}`)).map((applet) =>
            link(`usr/bin/${applet}`, 'busybox'),
          ),
          ...['tmp', 'root', 'etc', 'var', 'run', 'proc', 'sys', 'dev'].map(
            (path): Entry => ({
              type: 'dir',
              path,
              mode: path === 'tmp' ? 0o1777 : 0o755,
              uid: 0,
              gid: 0,
              origin: 'oci',
            }),
          ),
          {
            type: 'file',
            path: 'etc/passwd',
            mode: 0o644,
            uid: 0,
            gid: 0,
            origin: 'oci',
            content: inlineContent('root:x:0:0:root:/root:/bin/sh\n'),
          },
        ],
      },
    ]);
    const aliases = ['bin', 'sbin', 'lib']
      .filter((path) => !layer.entries.some((entry) => entry.path === path))
      .map((path) => link(path, `usr/${path === 'sbin' ? 'bin' : path}`));
    const rootfs: Tree = {
      entries: [...layer.entries, ...aliases].sort((a, b) => (a.path < b.path ? -1 : 1)),
    };

    const layerPath = join(scratch, 'layer.tar');
    await pipeline(treeToTar(rootfs, { blobPath: blob, mtime: epoch }), createWriteStream(layerPath));
    const layerDigest = await sha256File(layerPath);
    const { size: layerSize } = await stat(layerPath);
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
      config: {
        mediaType: 'application/vnd.oci.image.config.v1+json',
        digest: `sha256:${sha256(config)}`,
        size: config.length,
      },
      layers: [
        {
          mediaType: 'application/vnd.oci.image.layer.v1.tar',
          digest: `sha256:${layerDigest}`,
          size: layerSize,
        },
      ],
    });
    const index = canonicalJson({
      schemaVersion: 2,
      manifests: [
        {
          mediaType: 'application/vnd.oci.image.manifest.v1+json',
          digest: `sha256:${sha256(manifest)}`,
          size: manifest.length,
          annotations: { 'org.opencontainers.image.ref.name': `localhost/${name}:latest` },
        },
      ],
    });
    const file = (path: string, content: string | Uint8Array): Entry => ({
      type: 'file',
      path,
      mode: 0o644,
      uid: 0,
      gid: 0,
      origin: 'oci',
      content: inlineContent(content),
    });
    const archive = mergeLayers([
      {
        overlay: 'archive',
        entries: [
          file('oci-layout', '{"imageLayoutVersion":"1.0.0"}'),
          file('index.json', index),
          file(`blobs/sha256/${sha256(config)}`, config),
          file(`blobs/sha256/${sha256(manifest)}`, manifest),
          file(`blobs/sha256/${layerDigest}`, await readFile(layerPath)),
        ],
      },
    ]);
    await pipeline(treeToTar(archive, { blobPath: blob, mtime: epoch }), createWriteStream(out));
  },
});
