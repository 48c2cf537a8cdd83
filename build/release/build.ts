import { existsSync, statSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { badInput } from '../../sdk/lib/errors.ts';
import { sha256, writeAtomic } from '../../sdk/lib/files.ts';
import type { PoolFile } from '../debian/fetch.ts';
import { hashOffset } from '../fs/usr-image.ts';
import { makeGraph } from '../graph/graph.ts';
import { outFailure, publishBlob, sweepUnfinished, unfinishedName } from '../graph/publish.ts';
import { removeTreeAsync, type Store } from '../graph/store.ts';
import type { Output, Target } from '../graph/target.ts';
import type { ImageFacts } from '../image/facts.ts';
import type { LoadedImage } from '../product/images.ts';
import { type Artifact, formatManifest, MANIFEST, type Manifest } from '../product/manifest.ts';
import { PROVENANCE } from './documents.ts';
import { formatTime } from './format/time.ts';
import type { Release } from './format/types.ts';
import { provenanceStatement } from './provenance.ts';
import { formatEnvelope, openEnvelope } from './trust/envelope.ts';

/** The signed file of a release. It names all other files by digest. */
export const RELEASE = 'release.json';

/** The artifacts of a release, if the image has them, and targets of which only the size is needed. */
const SHIPPED = ['usr.img', 'uki', 'disk.zst', 'iso', 'sbom', 'cyclonedx', 'facts'];
const MEASURED = ['usr', 'usr-verity'];

const STATED = ['severity', 'needs', 'notes', 'root'] as const;

/** Properties of a release that do not follow from its inputs: a person states them. */
export type Statements = Pick<Release, (typeof STATED)[number]>;

/** The statements in a release. */
export const statementsIn = (release: Release): Statements =>
  Object.fromEntries(
    STATED.flatMap((name) => (release[name] === undefined ? [] : [[name, release[name]]])),
  ) as unknown as Statements;

/** The targets of a release. */
export function releaseTargets(image: LoadedImage): readonly Target[] {
  const targets = [...SHIPPED, ...MEASURED].flatMap((name) => image.artifacts[name]?.target ?? []);
  return [...new Set([...targets, image.usrHash])];
}

function outputOf(outputs: ReadonlyMap<string, Output>, target: Target | undefined): Output {
  const output = target && outputs.get(target.name);
  if (!output) throw new Error(`${target?.name ?? 'a part of the release'} was not built`);
  return output;
}

function fetchedFor(image: LoadedImage): PoolFile[] {
  return makeGraph(releaseTargets(image)).nodes.flatMap(({ target: { recipe, inputs } }) =>
    recipe.fetch && typeof inputs.path === 'string' ? [inputs as unknown as PoolFile] : [],
  );
}

/** The version of OpenZFS among the packages: upstream's, without Debian's revision and epoch. */
function zfsVersion({ packages }: LoadedImage): string | undefined {
  const found = packages.find(({ name }) => name === 'zfsutils-linux')?.version;
  return found?.replace(/^\d+:/, '').replace(/-[^-]*$/, '');
}

/**
 * The texts of a release that are not outputs of the graph, by file name. They are functions of those outputs
 * and of `statements`.
 */
async function documents(
  image: LoadedImage,
  outputs: ReadonlyMap<string, Output>,
  artifacts: readonly Artifact[],
  statements: Statements,
): Promise<{ files: Map<string, string>; release: Release }> {
  const usrHash = (await readFile(outputOf(outputs, image.usrHash).path, 'utf8')).trim();
  const facts = JSON.parse(
    await readFile(outputOf(outputs, image.artifacts.facts?.target).path, 'utf8'),
  ) as ImageFacts;
  const { name, version, lock, commandLines, packages, epoch } = image;
  const manifest: Manifest = { name, version, lock, usrHash, commandLines, artifacts, packages };
  const files = new Map([[MANIFEST, formatManifest(manifest)]]);
  const subjects = [
    ...artifacts.map((each) => [each.path, each.sha256] as const),
    ...[...files].map(([file, text]) => [file, sha256(text)] as const),
  ];
  files.set(
    PROVENANCE,
    provenanceStatement({
      ...{ image: name, version, epoch, lock },
      certificate: image.certificate === '' ? undefined : sha256(image.certificate),
      trust: image.trust === '' ? undefined : sha256(image.trust),
      fetched: fetchedFor(image),
      files: Object.fromEntries(subjects),
    }),
  );
  const usr = outputOf(outputs, image.artifacts.usr?.target).size;
  const zfs = zfsVersion(image);
  const { needs, notes, root, severity } = statements;
  const texts = [...files].map(([file, text]) => ({
    ...{ path: file, size: Buffer.byteLength(text), sha256: sha256(text) },
  }));
  const sorted = [...artifacts, ...texts].sort((a, b) => (a.path < b.path ? -1 : 1));
  const release: Release = {
    format: 1,
    image: name,
    version,
    date: formatTime(epoch * 1000),
    rootHash: usrHash,
    usr: {
      data: usr,
      hash: outputOf(outputs, image.artifacts['usr-verity']?.target).size,
      hashOffset: hashOffset(usr),
    },
    files: Object.fromEntries(
      sorted.map(({ path, size, sha256: digest }) => [path, { size, sha256: digest }]),
    ),
    ...(needs === undefined ? {} : { needs }),
    ...(root === undefined ? {} : { root }),
    kernel: facts.kernel,
    ...(zfs === undefined ? {} : { zfs: { version: zfs, features: [...(facts.zfsFeatures ?? [])] } }),
    severity,
    ...(notes === undefined ? {} : { notes }),
  };
  files.set(RELEASE, formatEnvelope({ signed: `${JSON.stringify(release, null, 2)}\n`, signatures: [] }));
  return { files, release };
}

/**
 * Puts a release into `folder`, whole or not at all: its artifacts from the store, its manifest, its
 * provenance, and release.json, unsigned.
 * The same release in the folder stays, with its signatures; files of it that are missing or have another size are put
 * back. A signed release with other content is never replaced. Returns whether files were written.
 */
export async function writeRelease(
  store: Store,
  image: LoadedImage,
  outputs: ReadonlyMap<string, Output>,
  folder: string,
  statements: Statements,
): Promise<{ release: Release; written: boolean }> {
  const artifacts = SHIPPED.flatMap((name): (Artifact & { target: Target })[] => {
    const artifact = image.artifacts[name];
    if (!artifact) return [];
    const { size, digest } = outputOf(outputs, artifact.target);
    return [{ name, path: artifact.file, size, sha256: digest, target: artifact.target }];
  });
  const listed = artifacts.map(({ name, path, size, sha256: digest }) => ({
    name,
    path,
    size,
    sha256: digest,
  }));
  const { files, release } = await documents(image, outputs, listed, statements);
  if (await isThere(folder, files.get(RELEASE) ?? '')) {
    files.delete(RELEASE); // the one in the folder has signatures
    return { release, written: await putBack(store, folder, artifacts, files) };
  }
  const [temporary, aside] = [unfinishedName(folder), unfinishedName(folder)];
  try {
    await mkdir(dirname(folder), { recursive: true });
    await sweepUnfinished(folder);
    for (const { path, sha256: digest } of artifacts) await publishBlob(store, digest, join(temporary, path));
    for (const [file, text] of files) await writeFile(join(temporary, file), text, { flush: true });
    if (existsSync(folder)) await rename(folder, aside);
    await rename(temporary, folder);
  } catch (error) {
    throw outFailure(folder, error);
  } finally {
    for (const left of [temporary, aside]) if (existsSync(left)) await removeTreeAsync(left);
  }
  return { release, written: true };
}

/** Puts back the files of a release that are missing or have another size. Returns whether there were any. */
async function putBack(
  store: Store,
  folder: string,
  artifacts: readonly Artifact[],
  texts: ReadonlyMap<string, string>,
): Promise<boolean> {
  const isWhole = (name: string, size: number) =>
    statSync(join(folder, name), { throwIfNoEntry: false })?.size === size;
  let written = false;
  for (const { path, size, sha256: digest } of artifacts)
    if (!isWhole(path, size)) written = (await publishBlob(store, digest, join(folder, path))) || written;
  for (const [name, text] of texts)
    if (!isWhole(name, Buffer.byteLength(text))) {
      await writeAtomic(join(folder, name), text);
      written = true;
    }
  return written;
}

/**
 * Whether the release in `folder` is this one.
 * @throws badInput for another release that is signed
 */
async function isThere(folder: string, text: string): Promise<boolean> {
  const path = join(folder, RELEASE);
  if (!existsSync(path)) return false;
  const { envelope } = await openEnvelope('release', await readFile(path, 'utf8'), path);
  if (envelope.signed === (await openEnvelope('release', text, path)).envelope.signed) return true;
  if (envelope.signatures.length === 0) return false;
  throw badInput('this version is signed already, with other content', {
    where: path,
    hint: 'a signed release never changes: give the next one a higher version (--version YYYY.MDD.N)',
  });
}
