import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { badInput, Failure } from '../../../sdk/lib/errors.ts';
import { readSecurityView } from '../documents.ts';
import type { Channel, Policy, Release } from '../format/types.ts';
import { placeOf } from '../place.ts';
import { besidesSecurity } from '../security.ts';
import { readOwnRoot } from '../signing.ts';
import { isSigned, type Opened } from '../trust/envelope.ts';
import { readRelease } from '../verify.ts';
import {
  type Base,
  channelsOf,
  checkName,
  type EditOptions,
  edit,
  imageOf,
  imagesOf,
  needChannel,
  type Published,
  publishedRelease,
  publishRelease,
  readBoxes,
  readChannel,
  readReport,
  releasePath,
  servingFaults,
  versionsOf,
  writeChannel,
} from './base.ts';
import { makeServedFolder, publishFailure, removePublished } from './files.ts';
import {
  type Candidate,
  CHANNELS,
  fromReplacedKey,
  halt,
  issue,
  newChannel,
  objections,
  POLICIES,
  place,
  refresh,
  releaseObjections,
  resume,
  withdraw,
} from './rules.ts';
import { withNewSignatures } from './signed-again.ts';

/**
 * The outcome of a verb of `channel`: the channel files that it wrote, and the bytes of a release that it
 * copied.
 */
export interface Edited {
  readonly channels: readonly Channel[];
  readonly moved: number;
}

/** The folder of channels, and one of its images; default: the only one. */
export type Where = EditOptions & { readonly image?: string };

/**
 * `channel init` makes the folder, and the missing channels of an image. With a policy it changes the policy.
 */
export async function initChannels(
  where: EditOptions & { readonly image: string },
  names: readonly string[],
  policy: Policy | undefined,
): Promise<Edited> {
  checkName('an image', where.image); // all is checked before the folder is made
  for (const name of names) checkName('a channel', name);
  await readOwnRoot(where.keys);
  try {
    await makeServedFolder(where.folder);
  } catch (error) {
    throw publishFailure(where.folder, error);
  }
  return await edit(where, async (base) => {
    const channels: Channel[] = [];
    const withdrawn = await withdrawnSoFar(base, where.image);
    for (const name of names.length > 0 ? names : CHANNELS) {
      const there = await readChannel(base, where.image, name);
      const wanted = { ...(there?.value.policy ?? POLICIES[name] ?? {}), ...policy };
      if (there && JSON.stringify(there.value.policy) === JSON.stringify(wanted)) continue;
      const next = there
        ? issue({ ...there.value, policy: wanted }, base.now)
        : issue({ ...newChannel(where.image, name, wanted, base.now), withdrawn }, base.now);
      await writeChannel(base, next);
      channels.push(next);
    }
    return { channels, moved: 0 };
  });
}

/** The versions that the channels of an image have withdrawn: a new channel never has them either. */
async function withdrawnSoFar(base: Base, image: string): Promise<Channel['withdrawn']> {
  const channels: Channel[] = [];
  if (!existsSync(join(base.folder, image))) return [];
  for (const name of await channelsOf(base.folder, image))
    channels.push((await needChannel(base, image, name)).value);
  return withdrawnIn(channels);
}

/** The withdrawals of some channels, each version once. The first channel decides on the order and the reason. */
function withdrawnIn(channels: readonly Channel[]): Channel['withdrawn'] {
  const found = new Map<string, Channel['withdrawn'][number]>();
  for (const each of channels.flatMap(({ withdrawn }) => withdrawn))
    if (!found.has(each.version)) found.set(each.version, each);
  return [...found.values()];
}

/** Options for putting a release on a channel. */
export interface SetOptions {
  readonly hours?: number;
  /** Milliseconds since 1970. */
  readonly begins?: number;
  readonly barrier?: boolean;
  /** The reason for overruling the rules. */
  readonly force?: string;
}

/**
 * For a channel of security fixes: the other changes of the release. The first release of a channel may have
 * any.
 */
async function besidesFixes(base: Base, channel: Channel, { release }: Published): Promise<string[]> {
  const { policy, image, version } = channel;
  if (!policy?.security || version === undefined || version === release.value.version) return [];
  const before = await publishedRelease(base, image, version);
  return besidesSecurity(await readSecurityView(before.release), await readSecurityView(release));
}

async function candidateFor(base: Base, to: Channel, published: Published): Promise<Candidate> {
  const { image, version } = published.release.value;
  return {
    ...{ to, release: published.release.value },
    report: await readReport(base, image, version),
    boxes: await readBoxes(base, image, version),
    besides: await besidesFixes(base, to, published),
  };
}

/**
 * `channel set CHANNEL RELEASE` publishes the release of a folder (or takes a published version) and puts it
 * on the channel.
 */
export async function setChannel(
  where: Where,
  name: string,
  what: string,
  options: SetOptions = {},
): Promise<Edited> {
  return await edit(where, async (base) => {
    const isFolder = existsSync(what) && statSync(what).isDirectory();
    const { image, version } = isFolder
      ? await identityOf(what, where.image)
      : { image: await imageOf(base.folder, where.image), version: what };
    // Checked before a release is copied.
    const { policy, version: before } = (await needChannel(base, image, name)).value;
    const { from: lower, security } = policy ?? {};
    const isNew = before !== version;
    const wrongWay =
      lower === undefined || security
        ? []
        : [`${name} takes releases from ${lower}: channel promote ${lower} ${name}`];
    if (isNew) refuseUnless(options.force, wrongWay, name);
    const published = isFolder
      ? await publishRelease(base, what)
      : await publishedRelease(base, image, version);
    const renamed = published.signedAgain ? await nameNewSignatures(base, image) : [];
    const { value } = await needChannel(base, image, name);
    // Security fixes come from a branch of the lock. Its releases are in no lower channel.
    const refused = security ? releaseObjections(await candidateFor(base, value, published)) : wrongWay;
    if (isNew) refuseUnless(options.force, refused, name);
    const next = place(
      value,
      { ...placement(published, options), ...forced(options.force, refused) },
      base.now,
    );
    if (next) await writeChannel(base, next);
    return { channels: [...renamed, ...(next ? [next] : [])], moved: published.moved };
  });
}

/** Image and version of the release in a folder. `wanted`: the image that the user has named. */
async function identityOf(folder: string, wanted: string | undefined): Promise<Release> {
  const { value } = await readRelease(placeOf(folder));
  if (wanted === undefined || wanted === value.image) return value;
  throw badInput(`the release is of ${value.image}, not of ${wanted}`, { where: folder });
}

/** Writes the digests of releases that were signed again into the channel files of an image. */
async function nameNewSignatures(base: Base, image: string): Promise<Channel[]> {
  const names = await channelsOf(base.folder, image);
  const change: Change['change'] = async ({ value }) => {
    const next = await withNewSignatures(base, value);
    return next && issue(next, base.now);
  };
  return await changeAll(
    base,
    names.map((name) => ({ image, name, change })),
  );
}

function placement({ version, digest }: Published, { hours, begins, barrier }: SetOptions) {
  return {
    ...{ version, release: digest },
    ...(hours === undefined ? {} : { hours }),
    ...(begins === undefined ? {} : { begins }),
    ...(barrier ? { barrier } : {}),
  };
}

function forced(reason: string | undefined, refused: readonly string[]) {
  return reason === undefined || refused.length === 0
    ? {}
    : { forced: { reason, refused: refused.join('; ') } };
}

function refuseUnless(force: string | undefined, refused: readonly string[], where: string): void {
  if (refused.length === 0 || force !== undefined) return;
  throw new Failure(`not promoted: ${refused.join('\n       ')}`, {
    where: `channel ${where}`,
    hint: 'remove the causes, or add --force REASON; the channel file will contain the reason',
  });
}

/** `channel promote FROM TO` */
export async function promote(
  where: Where,
  from: string,
  to: string,
  options: SetOptions = {},
): Promise<Edited> {
  return await edit(where, async (base) => {
    const image = await imageOf(base.folder, where.image);
    const source = (await needChannel(base, image, from)).value;
    const { value } = await needChannel(base, image, to);
    // A withdrawal may not have reached the file of the target, e.g. because it was damaged.
    const target = { ...value, withdrawn: withdrawnIn([value, source]) };
    if (source.version === undefined)
      throw badInput(`${from} has no release yet`, { hint: `./draisine channel set BASE ${from} RELEASE` });
    if (source.version === target.version && source.release === target.release)
      return { channels: [], moved: 0 };
    const published = await publishedRelease(base, image, source.version);
    if (published.digest !== source.release)
      throw badInput(`release.json of ${source.version} is not the one that ${from} names`, {
        where: published.release.where,
        hint: 'if it was signed again: ./draisine channel refresh BASE; else restore it, because a published release never changes',
      });
    const candidate = await candidateFor(base, target, published);
    const refused = objections({ ...candidate, from: source }, base.now);
    refuseUnless(options.force, refused, to);
    const next = place(
      target,
      { ...placement(published, options), ...forced(options.force, refused) },
      base.now,
    );
    if (next) await writeChannel(base, next);
    return { channels: next ? [next] : [], moved: 0 };
  });
}

/** A channel, and the function that makes its next file; undefined for a channel that stays as it is. */
interface Change {
  readonly image: string;
  readonly name: string;
  readonly change: (opened: Opened<'channel'>) => Channel | undefined | Promise<Channel | undefined>;
}

/**
 * Changes some channels. If one channel cannot be changed, the others are changed nevertheless. So a release that loses
 * data is withdrawn from as many channels as possible, and one damaged channel does not let the others expire.
 * @throws after the last one, if some could not be changed
 */
async function changeAll(base: Base, changes: readonly Change[]): Promise<Channel[]> {
  const changed: Channel[] = [];
  const failures: Failure[] = [];
  for (const { image, name, change } of changes) {
    try {
      const next = await change(await needChannel(base, image, name));
      if (!next) continue;
      await writeChannel(base, next);
      changed.push(next);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      failures.push(error);
    }
  }
  const [first] = failures;
  if (first === undefined) return changed;
  if (changed.length === 0 && failures.every(({ message }) => message === first.message)) throw first;
  const done = changed.map(({ image, channel }) => `${image}/${channel}`).join(', ') || 'none';
  const told = failures.map(({ message, where }) => `${message}${where ? ` (${where})` : ''}`);
  throw new Failure(`some channels could not be changed: ${told.join('\n       ')}`, {
    where: base.folder,
    hint: `changed: ${done}; mend the others, and give the command again${first.hint ? `: ${first.hint}` : ''}`,
    exitCode: first.exitCode,
    cause: first,
  });
}

/** `channel halt CHANNEL REASON` */
export async function haltChannel(where: Where, name: string, reason: string): Promise<Edited> {
  return await edit(where, async (base) => {
    const image = await imageOf(base.folder, where.image);
    const channels = await changeAll(base, [
      { image, name, change: ({ value }) => halt(value, reason, base.now) },
    ]);
    return { channels, moved: 0 };
  });
}

/** `channel resume CHANNEL` */
export async function resumeChannel(where: Where, name: string): Promise<Edited> {
  return await edit(where, async (base) => {
    const image = await imageOf(base.folder, where.image);
    const channels = await changeAll(base, [{ image, name, change: ({ value }) => resume(value, base.now) }]);
    return { channels, moved: 0 };
  });
}

/** `channel withdraw VERSION REASON` withdraws a version in every channel of the image. */
export async function withdrawRelease(where: Where, version: string, reason: string): Promise<Edited> {
  return await edit(where, async (base) => {
    const image = await imageOf(base.folder, where.image);
    const known = await versionsOf(base.folder, image);
    const names = await channelsOf(base.folder, image);
    // Somebody may have removed the release from the folder already. Boxes may have it.
    const isNamed = async () => {
      for (const name of names)
        if (versionsIn((await needChannel(base, image, name)).value).includes(version)) return true;
      return false;
    };
    if (!known.includes(version) && !(await isNamed()))
      throw badInput(`version ${version} of ${image} is not published`, {
        where: join(base.folder, image, 'releases'),
        hint: `there are: ${known.join(', ') || 'none'}`,
      });
    const change: Change['change'] = ({ value }) => withdraw(value, version, reason, base.now);
    const channels = await changeAll(
      base,
      names.map((name) => ({ image, name, change })),
    );
    return { channels, moved: 0 };
  });
}

/**
 * `channel refresh` renews channel files with less than half of their time left, those signed by a replaced key, and those
 * that name a release that was signed again.
 * @throws after that, if boxes cannot install a release that a channel names
 */
export async function refreshChannels(where: Where, always: boolean): Promise<Edited> {
  return await edit(where, async (base) => {
    const images = where.image === undefined ? await imagesOf(base.folder) : [where.image];
    const changes: Change[] = [];
    for (const image of images)
      for (const name of await channelsOf(base.folder, image))
        changes.push({
          image,
          name,
          change: async (opened) => {
            const { value } = opened;
            const isOld = !(await isSigned(opened, 'channel', base.root));
            const present = isOld ? fromReplacedKey(value, base.now) : value;
            const signed = await withNewSignatures(base, present);
            return refresh(signed ?? present, base.now, always || isOld || signed !== undefined);
          },
        });
    const channels = await changeAll(base, changes);
    await checkServed(base, changes);
    return { channels, moved: 0 };
  });
}

/**
 * Checks that boxes can install the releases that channels name: release.json by its digest and signatures, its files by
 * their sizes.
 */
async function checkServed(base: Base, channels: readonly Pick<Change, 'image' | 'name'>[]): Promise<void> {
  const faults: string[] = [];
  for (const { image, name } of channels) {
    const { version, release, withdrawn } = (await needChannel(base, image, name)).value;
    if (version === undefined || withdrawn.some((each) => each.version === version)) continue;
    const found = await servingFaults(base, image, version, release);
    if (found.length > 0) faults.push(`${image}/${name} has ${version}: ${found.join(', ')}`);
  }
  if (faults.length === 0) return;
  throw new Failure(`boxes cannot install the release of a channel: ${faults.join('\n       ')}`, {
    where: base.folder,
    hint: 'unless the line above says how: publish it again from its folder: ./draisine channel set BASE CHANNEL DIR',
  });
}

/** The versions that a channel names. */
const versionsIn = ({ version, barriers }: Channel): (string | undefined)[] => [
  version,
  ...barriers.map((each) => each.version),
];

/**
 * The versions that `channel prune` may remove: all but those that a channel names and the newest `keep`
 * ones.
 */
function prunable(versions: readonly string[], channels: readonly Channel[], keep: number): string[] {
  const named = new Set(channels.flatMap(versionsIn));
  return versions.slice(0, Math.max(0, versions.length - keep)).filter((version) => !named.has(version));
}

/**
 * `channel prune` removes releases that no channel names, except for the newest ones. Returns their versions.
 */
export async function pruneReleases(where: Where, keep: number): Promise<readonly string[]> {
  return await edit(where, async (base) => {
    const image = await imageOf(base.folder, where.image);
    const channels: Channel[] = [];
    for (const name of await channelsOf(base.folder, image))
      channels.push((await needChannel(base, image, name)).value);
    const gone = prunable(await versionsOf(base.folder, image), channels, keep);
    for (const version of gone) await removePublished(releasePath(base, image, version));
    return gone;
  });
}
