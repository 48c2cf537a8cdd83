import { existsSync, statSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { badInput, Failure, ifThere } from '../../../sdk/lib/errors.ts';
import { byteOrder, sha256, sha256File } from '../../../sdk/lib/files.ts';
import { parseJson } from '../../../sdk/lib/json.ts';
import { warn } from '../../../sdk/lib/log.ts';
import { NAMESPACES } from '../format/namespaces.ts';
import { parseFormat } from '../format/read.ts';
import type { Channel, Envelope, Root, TestReport } from '../format/types.ts';
import { compareVersions, isVersion } from '../format/version.ts';
import { placeOf } from '../place.ts';
import { readOwnRoot, replacedRootOf, signersFor } from '../signing.ts';
import {
  addSignature,
  checkSigned,
  formatEnvelope,
  isSigned,
  type Opened,
  openEnvelope,
} from '../trust/envelope.ts';
import { checkFresh, checkSuccessor, openRoot } from '../trust/root.ts';
import { checkFiles, checkReleaseTrust, filesOf, type LocatedRelease, readRelease } from '../verify.ts';
import { makeServedFolder, publishFile, publishFolder, publishText } from './files.ts';
import { whilePublishing } from './lock.ts';
import type { BoxReports } from './rules.ts';

/** A folder of releases and channels during an edit: the lock is held, and the roots are checked. */
export interface Base {
  readonly folder: string;
  readonly root: Root;
  /** The folder of the signing keys. */
  readonly keys: string;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** The root keys are offline, so their owners need time to renew the root. */
const EXPIRES_SOON_MS = 45 * 24 * 3_600_000;

/** The folder of channels, the keys, and the time of the edit. */
export interface EditOptions {
  readonly folder: string;
  readonly keys: string;
  readonly now?: number;
}

async function textOf(path: string): Promise<string | undefined> {
  return await ifThere(readFile(path, 'utf8'));
}

/** Edits a folder of channels under its lock. The folder's root.json becomes the newest one of the keys. */
export async function edit<T>(options: EditOptions, work: (base: Base) => Promise<T>): Promise<T> {
  const { folder, keys, now = Date.now() } = options;
  const own = await readOwnRoot(keys);
  checkFresh(own, now);
  if (Date.parse(own.value.expires) - now < EXPIRES_SOON_MS)
    warn(
      `the root expires at ${own.value.expires}; then nothing can be published: ./draisine keys rotate root --keep`,
    );
  if (!existsSync(folder))
    throw badInput('there is no such folder', { where: folder, hint: 'make it: ./draisine channel init' });
  return await whilePublishing(folder, async () => {
    await publishRoots(folder, keys, own);
    return await work({ folder, root: own.value, keys, now });
  });
}

/**
 * Brings root.json to the folder, and each earlier root as root.N.json.
 * @throws if the folder's root is not an earlier one of these keys, or if boxes could not follow from it to the new one
 */
async function publishRoots(folder: string, keys: string, own: Opened<'root'>): Promise<void> {
  const path = join(folder, 'root.json');
  const text = await textOf(path);
  const roots = await rootsOf(keys, own);
  if (text !== undefined) await checkFollows(await openRoot(text, path), roots, own, keys);
  let before: Root | undefined;
  for (const [number, opened] of roots) {
    if (before?.number === number - 1) await checkSuccessor(before, opened);
    before = opened.value;
    const file = join(folder, `root.${number}.json`);
    await publishText(file, formatEnvelope(opened.envelope), await textOf(file));
  }
  await publishText(path, formatEnvelope(own.envelope), text);
}

/** The present root of the keys, and the earlier ones that lie beside it, by number. */
async function rootsOf(keys: string, own: Opened<'root'>): Promise<ReadonlyMap<number, Opened<'root'>>> {
  const roots = new Map<number, Opened<'root'>>();
  for (let number = 1; number < own.value.number; number++) {
    const path = join(keys, `root.${number}.json`);
    const text = await textOf(path);
    if (text !== undefined) roots.set(number, await openRoot(text, path));
  }
  return roots.set(own.value.number, own);
}

/** Checks that the published root is one of these roots, and that all later ones are there: boxes read one by one. */
async function checkFollows(
  published: Opened<'root'>,
  roots: ReadonlyMap<number, Opened<'root'>>,
  own: Opened<'root'>,
  keys: string,
): Promise<void> {
  const { number } = published.value;
  const bring = (which: number | string) => `bring ${which} to ${keys}`;
  if (number > own.value.number)
    throw badInput(`root ${number} is published, the keys here have root ${own.value.number}`, {
      where: published.where,
      hint: bring('the newer root.json'),
    });
  for (let next = number + 1; next < own.value.number; next++)
    if (!roots.has(next))
      throw badInput(
        `root ${number} is published, and boxes need root ${next} to follow to root ${own.value.number}`,
        {
          where: published.where,
          hint: bring(`root.${next}.json`),
        },
      );
  const same = roots.get(number);
  const next = roots.get(number + 1);
  if (same === undefined && next !== undefined) await checkSuccessor(published.value, next);
  else if (same?.envelope.signed !== published.envelope.signed)
    throw badInput('another root of trust is published there', {
      where: published.where,
      hint: 'name the folder of these keys, or set DRAISINE_KEYS to those of the folder',
    });
}

/** A name of an image or of a channel: what boxes accept. */
const NAME = /^[a-z0-9][a-z0-9-]{0,31}$/;

/**
 * Checks the name of an image or a channel that the user gives.
 * @throws badInput
 */
export function checkName(what: string, name: string): void {
  if (!NAME.test(name))
    throw badInput(`${JSON.stringify(name)} cannot be the name of ${what}`, {
      hint: 'at most 32 small letters, digits and hyphens',
    });
}

/**
 * The images of a folder that has channels. An image may be a link to a folder on another disk. Other folders, such as
 * `lost+found`, are no images.
 */
export async function imagesOf(folder: string): Promise<string[]> {
  const names = await readdir(folder);
  return names
    .filter(
      (name) =>
        NAME.test(name) && statSync(join(folder, name), { throwIfNoEntry: false })?.isDirectory() === true,
    )
    .sort(byteOrder);
}

/** The channels of an image. */
export async function channelsOf(folder: string, image: string): Promise<string[]> {
  const names = (await ifThere(readdir(join(folder, image)))) ?? [];
  return names
    .flatMap((name) => (/^[a-z0-9][a-z0-9-]*\.json$/.test(name) ? [name.slice(0, -5)] : []))
    .sort(byteOrder);
}

/** The image with the given name; without a name, the only one there. */
export async function imageOf(folder: string, named: string | undefined): Promise<string> {
  const images = await imagesOf(folder);
  const found = named ?? (images.length === 1 ? images[0] : undefined);
  if (found !== undefined && images.includes(found)) return found;
  throw badInput(named === undefined ? 'there are several images, or none' : `there is no image ${named}`, {
    where: folder,
    hint: `name one: --image NAME; there are: ${images.join(', ') || 'none'}`,
  });
}

/**
 * A published channel file, with its signature checked. A signature by a key of an older root counts, with a
 * warning: after a rotation the next edit signs the file anew.
 */
export async function readChannel(
  base: Base,
  image: string,
  channel: string,
): Promise<Opened<'channel'> | undefined> {
  const path = join(base.folder, image, `${channel}.json`);
  const text = await textOf(path);
  if (text === undefined) return undefined;
  const opened = await openEnvelope('channel', text, path);
  if (opened.value.image !== image || opened.value.channel !== channel)
    throw badInput(`the channel file is of ${opened.value.image}/${opened.value.channel}`, { where: path });
  if (await isSigned(opened, 'channel', base.root)) return opened;
  const older = await replacedRootOf(base.keys, base.root, opened, 'channel');
  if (older === undefined) await checkSigned(opened, 'channel', base.root);
  else
    warn(
      `${path}: signed by a key of root ${older}, which root ${base.root.number} has replaced; signed anew`,
    );
  return opened;
}

/**
 * An existing channel.
 * @throws badInput if there is none
 */
export async function needChannel(base: Base, image: string, channel: string): Promise<Opened<'channel'>> {
  const found = await readChannel(base, image, channel);
  if (found) return found;
  throw badInput(`there is no channel ${channel} of ${image}`, {
    where: join(base.folder, image),
    hint: `there are: ${(await channelsOf(base.folder, image)).join(', ')}; channel init makes one`,
  });
}

async function sign(base: Base, text: string): Promise<Envelope> {
  let envelope: Envelope = { signed: text, signatures: [] };
  const role = base.root.roles.channel;
  const failures: string[] = [];
  for (const { key, publicKey } of await signersFor('channel', base.root, base.keys)) {
    if (envelope.signatures.length >= role.threshold) break;
    try {
      envelope = await addSignature(envelope, 'channel', key, publicKey);
    } catch (error) {
      if (!(error instanceof Failure) || error.exitCode === 2) throw error;
      failures.push(error.message);
    }
  }
  if (envelope.signatures.length >= role.threshold) return envelope;
  throw new Failure(
    [`no channel key here can sign (namespace ${NAMESPACES.channel})`, ...failures].join('\n       '),
    {
      where: base.keys,
      hint: 'bring the channel key to this machine, or replace a lost one: ./draisine keys rotate channel',
    },
  );
}

/** Signs and publishes a channel file, atomically. Boxes must accept the file that is read back. */
export async function writeChannel(base: Base, channel: Channel): Promise<void> {
  const path = join(base.folder, channel.image, `${channel.channel}.json`);
  const text = formatEnvelope(await sign(base, `${JSON.stringify(channel, null, 2)}\n`));
  await parseFormat('channel', JSON.stringify(channel), path);
  await makeServedFolder(join(base.folder, channel.image));
  await publishText(path, text, await textOf(path));
}

/** The path of a version of an image in a folder of channels. */
export function releasePath(base: { readonly folder: string }, image: string, version: string): string {
  return join(base.folder, image, 'releases', version);
}

/** A release in a folder of channels. */
export interface Published {
  readonly version: string;
  /** SHA-256 of the published release.json. */
  readonly digest: string;
  readonly release: LocatedRelease;
  /** Bytes that were copied; 0 if the release was there. */
  readonly moved: number;
  /** Whether the published release.json got signatures. Its digest is another one then. */
  readonly signedAgain?: boolean;
}

/** A published release. Its signatures are checked, its files are not read. */
export async function publishedRelease(base: Base, image: string, version: string): Promise<Published> {
  if (!isVersion(version)) throw badInput(`${version} is neither a version nor the folder of a release`);
  const release = await readRelease(placeOf(releasePath(base, image, version)));
  await checkReleaseTrust(release, base.root, base.keys);
  return { version, digest: sha256(release.text), release, moved: 0 };
}

/**
 * Publishes the release of a folder under its version, whole or not at all. A release that is there already
 * is not copied; only its signatures are, if keys of the present root have not signed the published one. Other bytes
 * under a published version are refused.
 */
export async function publishRelease(base: Base, from: string): Promise<Published> {
  const release = await readRelease(placeOf(from));
  await checkReleaseTrust(release, base.root, base.keys);
  const { image, version } = release.value;
  const to = releasePath(base, image, version);
  if (existsSync(join(to, 'release.json'))) {
    const there = await readRelease(placeOf(to));
    if (there.envelope.signed !== release.envelope.signed)
      throw badInput(`version ${version} of ${image} is published already, with other bytes`, {
        where: to,
        hint: 'a published release never changes: release it with a higher version',
      });
    const moved = await mendFiles(release, from, to);
    const signedAgain = await addSignatures(base, there, release);
    const published = await publishedRelease(base, image, version);
    return await withReport(base, from, { ...published, moved, signedAgain });
  }
  await checkFiles(release);
  const files = filesOf(release.value).map(([name]) => name);
  const moved = await publishFolder(from, to, [...files, 'release.json', ...(await reportFiles(from))]);
  return { version, digest: await sha256File(join(to, 'release.json')), release, moved };
}

/**
 * Adds the signatures of `more` to a published release if too few keys of the present root have signed that. Returns
 * whether it did.
 */
async function addSignatures(base: Base, there: LocatedRelease, more: LocatedRelease): Promise<boolean> {
  if (await isSigned(there, 'release', base.root)) return false;
  const signatures = new Map(
    [...there.envelope.signatures, ...more.envelope.signatures].map((each) => [each.key, each]),
  );
  const text = formatEnvelope({ signed: there.envelope.signed, signatures: [...signatures.values()] });
  return await publishText(there.where, text, there.text);
}

/** The names of files of a published release that are missing or have another size. Their contents are not read. */
function wrongSizes({ value }: LocatedRelease, folder: string): string[] {
  return filesOf(value).flatMap(([name, { size }]) =>
    statSync(join(folder, name), { throwIfNoEntry: false })?.size === size ? [] : [name],
  );
}

/** The text of a published release.json; undefined if there is none. */
export async function publishedText(base: Base, image: string, version: string): Promise<string | undefined> {
  return await textOf(join(releasePath(base, image, version), 'release.json'));
}

/**
 * The reasons why boxes could not install a version, e.g. a missing file, or signatures by replaced keys. `digest`: of
 * release.json, as the channel says.
 */
export async function servingFaults(
  base: Base,
  image: string,
  version: string,
  digest: string | undefined,
): Promise<string[]> {
  const folder = releasePath(base, image, version);
  const text = await publishedText(base, image, version);
  if (text === undefined || sha256(text) !== digest) return ['release.json is missing, or is another one'];
  const release = await readRelease(placeOf(folder));
  const lost = wrongSizes(release, folder).map((name) => `${name} is missing, or has another size`);
  try {
    await checkReleaseTrust(release, base.root, base.keys);
    return lost;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return [...lost, `${error.message} (${error.hint})`];
  }
}

/**
 * Publishes those files of a published release again that are missing or have another size. Returns the number of their
 * bytes. The contents of the other files are not read.
 */
async function mendFiles(release: LocatedRelease, from: string, to: string): Promise<number> {
  const wrong = wrongSizes(release, to);
  if (wrong.length === 0) return 0;
  await checkFiles(release);
  for (const name of wrong) await publishFile(join(from, name), join(to, name));
  return wrong.reduce((sum, name) => sum + (release.value.files[name]?.size ?? 0), 0);
}

async function reportFiles(from: string): Promise<string[]> {
  const names = ['report/report.json', 'report/results.json'];
  return names.filter((name) => existsSync(join(from, name)));
}

/** Publishes a report for a release that is published already. */
async function withReport(base: Base, from: string, published: Published): Promise<Published> {
  const to = releasePath(base, published.release.value.image, published.version);
  const files = await reportFiles(from);
  let { moved } = published;
  // The results come first: a report without them would not be read.
  for (const file of files.reverse()) {
    const text = await readFile(join(from, file), 'utf8');
    await makeServedFolder(join(to, 'report'));
    if (await publishText(join(to, file), text, await textOf(join(to, file)))) moved += text.length;
  }
  return { ...published, moved };
}

/**
 * The signed test report beside a release; undefined if there is none.
 * @throws if it cannot be trusted
 */
export async function readReport(
  base: Base,
  image: string,
  version: string,
): Promise<TestReport | undefined> {
  const folder = releasePath(base, image, version);
  const path = join(folder, 'report/report.json');
  const text = await textOf(path);
  if (text === undefined) return undefined;
  const opened = await openEnvelope('report', text, path);
  if (!(await isSigned(opened, 'report', base.root, 1))) {
    const older = await replacedRootOf(base.keys, base.root, opened, 'report', 1);
    if (older !== undefined)
      throw badInput(`a key of root ${older}, which was replaced, has signed the test report`, {
        where: path,
        hint: `sign it again, with the release: ./draisine release sign ${folder}`,
      });
  }
  await checkSigned(opened, 'report', base.root, 1);
  const results = join(folder, 'report/results.json');
  const digest = existsSync(results) ? await sha256File(results) : 'none';
  if (digest !== opened.value.results)
    throw badInput('the test results are not those of the signed report', { where: results });
  return opened.value;
}

/** The reports of boxes, if somebody collects them. */
export async function readBoxes(base: Base, image: string, version: string): Promise<BoxReports | undefined> {
  const path = join(releasePath(base, image, version), 'report/boxes.json');
  const text = await textOf(path);
  if (text === undefined) return undefined;
  const hint = 'write {"committed": N, "rejected": N} with whole numbers from 0 on';
  const value = parseJson(text, 'the file of reports of boxes', path, hint) as Partial<BoxReports> | null;
  const isCount = (count: unknown): boolean => Number.isInteger(count) && Number(count) >= 0;
  if (isCount(value?.committed) && isCount(value?.rejected)) return value as BoxReports;
  throw badInput('the file of reports of boxes has no two numbers', { where: path, hint });
}

/** Published versions, oldest first. */
export async function versionsOf(folder: string, image: string): Promise<string[]> {
  const releases = join(folder, image, 'releases');
  if (!existsSync(releases)) return [];
  return (await readdir(releases)).filter(isVersion).sort(compareVersions);
}
