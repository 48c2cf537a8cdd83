import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { sha256, writeAtomic } from '../../sdk/lib/files.ts';
import { write } from '../cli/testing.ts';
import { buildTargets } from '../graph/run.ts';
import type { Store } from '../graph/store.ts';
import { neverAborted, temporaryFolder } from '../graph/testing.ts';
import type { LoadedImage } from '../product/images.ts';
import { releaseTargets, type Statements, writeRelease } from './build.ts';
import type { Root } from './format/types.ts';
import { placeOf } from './place.ts';
import { makeSigningKeys, type SigningPlan, signersFor } from './signing.ts';
import { addSignature, formatEnvelope } from './trust/envelope.ts';
import { readRelease } from './verify.ts';

export interface Made {
  readonly version?: string;
  /** The content of /usr. */
  readonly content?: string;
  readonly packages?: LoadedImage['packages'];
  readonly facts?: object;
  readonly commandLines?: LoadedImage['commandLines'];
}

const FACTS = { kernel: '6.12-box', privileged: {}, units: {}, users: {}, kernelConfig: {}, listeners: {} };

/** For tests: an image of a few bytes with all that a release has, through the real graph. */
function tinyImage({
  version = '2026.1129.0',
  content = 'usr',
  packages,
  facts = {},
  commandLines = { disk: 'quiet' },
}: Made = {}): LoadedImage {
  const artifact = (name: string, file: string, text: string) => ({
    [name]: { target: write(`box:${name}`, { text }), file, byDefault: true },
  });
  return {
    name: 'box',
    version,
    ...{ epoch: 1_700_000_000, certificate: 'certificate', trust: '' },
    lock: sha256('lock'),
    packages: packages ?? [{ name: 'bash', version: '5.2-1', architecture: 'amd64' }],
    commandLines,
    usrHash: write('box:usr-hash', { text: `${sha256(content)}\n` }),
    tree: write('box:tree', { text: '{"entries":[]}' }),
    targets: {},
    artifacts: {
      ...artifact('usr', 'usr.erofs', content),
      ...artifact('usr-verity', 'usr.verity', `hash tree of ${content}`),
      ...artifact('usr.img', 'usr.img', `${content} and its hash tree`),
      ...artifact('uki', 'uki.efi', `uki of ${content}`),
      ...artifact('disk.zst', 'disk.img.zst', `disk of ${content} ${version}`),
      ...artifact('iso', 'draisine.iso', `iso of ${content}`),
      ...artifact('sbom', 'sbom.spdx.json', '{}'),
      ...artifact('cyclonedx', 'sbom.cdx.json', '{}'),
      ...artifact('facts', 'facts.json', JSON.stringify({ ...FACTS, ...facts })),
      ...artifact('kernel', 'vmlinuz', 'not of a release'),
    },
  };
}

/** For tests: builds a release of `tinyImage`. */
export async function makeRelease(
  store: Store,
  folder: string,
  made: Made = {},
  statements: Statements = { severity: 'none' },
) {
  const image = tinyImage(made);
  const outputs = await buildTargets(releaseTargets(image), { store, signal: neverAborted() });
  return await writeRelease(store, image, outputs, folder, statements);
}

/** For tests: a folder of signing keys (1 of 1 root and release keys unless told otherwise), and their root. */
export async function testKeys(t: TestContext, release = 1): Promise<{ folder: string; root: Root }> {
  const plan: SigningPlan = {
    root: { threshold: 1, count: 1, given: [] },
    release: { threshold: release, count: release, given: [] },
    channel: { threshold: 1, count: 1, given: [] },
  };
  const folder = join(await temporaryFolder(t), 'signing');
  return { folder, root: (await makeSigningKeys(folder, plan)).value };
}

/** For tests: signs a release with `count` of its keys. */
export async function signRelease(
  folder: string,
  keys: { folder: string; root: Root },
  count = 1,
): Promise<void> {
  let { envelope } = await readRelease(placeOf(folder));
  for (const { key, publicKey } of (await signersFor('release', keys.root, keys.folder)).slice(0, count))
    envelope = await addSignature(envelope, 'release', key, publicKey);
  await writeAtomic(join(folder, 'release.json'), formatEnvelope(envelope));
}
