import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { badInput } from '../../sdk/lib/errors.ts';
import { log, warn } from '../../sdk/lib/log.ts';
import { channelsOf, imagesOf } from '../release/channel/base.ts';
import * as edits from '../release/channel/edit.ts';
import { CHANNELS } from '../release/channel/rules.ts';
import type { Channel, Policy, Root } from '../release/format/types.ts';
import { isUrl, type Place, placeOf } from '../release/place.ts';
import { replacedRootOf, signingFolder } from '../release/signing.ts';
import { checkSigned, isSigned, openEnvelope } from '../release/trust/envelope.ts';
import { trustedRoot } from './release.ts';
import { formatTable } from './table.ts';

interface CommonFlags {
  readonly image?: string;
  readonly json?: boolean;
}

function whereOf(folder: string, { image }: CommonFlags) {
  return { folder, keys: signingFolder(), ...(image === undefined ? {} : { image }) };
}

function tell({ channels, moved }: edits.Edited, { json }: CommonFlags): void {
  if (json) process.stdout.write(`${JSON.stringify({ channels, moved }, null, 2)}\n`);
  for (const channel of channels) log(describe(channel));
  if (channels.length === 0) log(`nothing to change${moved > 0 ? `, ${moved} bytes copied` : ''}`);
}

/** Why no box starts the update to the channel's release; undefined if boxes do. */
function stopOf({ version, halted, withdrawn }: Channel): string | undefined {
  if (halted) return `halted: ${halted.reason}`;
  const found = withdrawn.find((each) => each.version === version);
  return found && `withdrawn: ${found.reason}`;
}

function describe(channel: Channel): string {
  const { image, channel: name, serial, version, expires } = channel;
  const state = stopOf(channel) ?? `good until ${expires}`;
  return `${image}/${name}: ${version ?? 'no release yet'}, serial ${serial}, ${state}`;
}

/** The options of `channel init`. Given ones become the policy of the named channels. */
export interface InitFlags extends CommonFlags {
  readonly channel?: readonly string[];
  readonly from?: string;
  readonly minHours?: number;
  readonly maxFailed?: number;
  readonly rollout?: number;
  readonly security?: boolean;
}

/** `channel init BASE IMAGE` */
export async function channelInit(folder: string, image: string, flags: InitFlags): Promise<void> {
  const { channel = [], from, minHours, maxFailed, rollout, security } = flags;
  const policy: Policy = {
    ...(from === undefined ? {} : { from }),
    ...(minHours === undefined ? {} : { hours: minHours }),
    ...(maxFailed === undefined ? {} : { failed: maxFailed }),
    ...(rollout === undefined ? {} : { rollout }),
    ...(security === undefined ? {} : { security }),
  };
  const given = Object.keys(policy).length > 0;
  if (given && channel.length === 0)
    throw badInput('a policy needs one channel', { hint: 'name it: --channel NAME' });
  tell(
    await edits.initChannels({ ...whereOf(folder, flags), image }, channel, given ? policy : undefined),
    flags,
  );
}

/** The options of `channel set` and `channel promote`. */
export interface PlaceFlags extends CommonFlags {
  readonly hours?: number;
  readonly begins?: string;
  readonly barrier?: boolean;
  readonly force?: string;
}

/** Milliseconds by which the begin of a rollout may have passed. */
const PAST_MS = 3_600_000;

/** The begin of a rollout. A text without a zone, or a part of a date, would be another time on another machine. */
function beginOf(text: string): number {
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (Number.isNaN(time))
    throw badInput(`--begins is not a time: ${text}`, { hint: 'write it as 2026-11-29T12:00:00Z' });
  if (time < Date.now() - PAST_MS)
    throw badInput(`--begins is in the past: ${text}`, {
      hint: 'boxes whose turn has passed would all start at once; if you want that: --hours 0',
    });
  return time;
}

function checkReason(what: string, reason: string): void {
  if (reason.trim() === '')
    throw badInput(`${what} needs a reason`, { hint: 'write one; the channel file will have it' });
}

function placeOptions({ hours, begins, barrier, force }: PlaceFlags) {
  const time = begins === undefined ? undefined : beginOf(begins);
  if (force !== undefined) checkReason('--force', force);
  return {
    ...(hours === undefined ? {} : { hours }),
    ...(time === undefined ? {} : { begins: time }),
    ...(barrier ? { barrier } : {}),
    ...(force === undefined ? {} : { force }),
  };
}

/** `channel set BASE CHANNEL RELEASE` */
export async function channelSet(
  folder: string,
  channel: string,
  what: string,
  flags: PlaceFlags,
): Promise<void> {
  tell(await edits.setChannel(whereOf(folder, flags), channel, what, placeOptions(flags)), flags);
}

/** `channel promote BASE FROM TO` */
export async function channelPromote(
  folder: string,
  from: string,
  to: string,
  flags: PlaceFlags,
): Promise<void> {
  tell(await edits.promote(whereOf(folder, flags), from, to, placeOptions(flags)), flags);
}

/** `channel halt BASE CHANNEL REASON` */
export async function channelHalt(
  folder: string,
  channel: string,
  reason: string,
  flags: CommonFlags,
): Promise<void> {
  checkReason('a halt', reason);
  tell(await edits.haltChannel(whereOf(folder, flags), channel, reason), flags);
}

/** `channel resume BASE CHANNEL` */
export async function channelResume(folder: string, channel: string, flags: CommonFlags): Promise<void> {
  tell(await edits.resumeChannel(whereOf(folder, flags), channel), flags);
}

/** `channel withdraw BASE VERSION REASON` */
export async function channelWithdraw(
  folder: string,
  version: string,
  reason: string,
  flags: CommonFlags,
): Promise<void> {
  checkReason('a withdrawal', reason);
  tell(await edits.withdrawRelease(whereOf(folder, flags), version, reason), flags);
}

/** `channel refresh BASE` */
export async function channelRefresh(
  folder: string,
  flags: CommonFlags & { readonly always?: boolean },
): Promise<void> {
  tell(await edits.refreshChannels(whereOf(folder, flags), flags.always ?? false), flags);
}

/** `channel prune BASE` */
export async function channelPrune(
  folder: string,
  flags: CommonFlags & { readonly keep: number },
): Promise<void> {
  const removed = await edits.pruneReleases(whereOf(folder, flags), flags.keep);
  if (flags.json) process.stdout.write(`${JSON.stringify({ removed }, null, 2)}\n`);
  log(removed.length === 0 ? 'nothing to remove' : `removed ${removed.join(', ')}`);
}

/** The options of `channel show`. */
export interface ShowFlags {
  readonly image?: string;
  readonly channel?: readonly string[];
  readonly root?: string;
  readonly json?: boolean;
}

const LIMIT = 1 << 20;

/** A channel file of a place, with its signature checked; undefined if there is none. */
async function channelAt(
  place: Place,
  image: string,
  name: string,
  root: Root,
): Promise<Channel | undefined> {
  const path = `${image}/${name}.json`;
  const bytes = await place.bytes(path, LIMIT);
  if (!bytes) return undefined;
  const opened = await openEnvelope('channel', bytes.toString('utf8'), place.at(path));
  if (!(await isSigned(opened, 'channel', root))) {
    const older = await replacedRootOf(signingFolder(), root, opened, 'channel');
    if (older !== undefined)
      throw badInput(`a key of root ${older} has signed it, which root ${root.number} has replaced`, {
        where: opened.where,
        hint: 'sign it anew: ./draisine channel refresh BASE',
      });
  }
  await checkSigned(opened, 'channel', root);
  return opened.value;
}

/** `channel show BASE`; BASE is a folder or a URL. */
export async function channelShow(where: string, flags: ShowFlags): Promise<void> {
  const { value: root } = await trustedRoot(flags.root);
  const place = placeOf(where);
  const images = flags.image === undefined ? await imagesAt(where) : [flags.image];
  const found: Channel[] = [];
  for (const image of images)
    for (const name of flags.channel ?? (await channelNames(where, image))) {
      const channel = await channelAt(place, image, name, root);
      if (channel) found.push(channel);
      else if (flags.channel)
        throw badInput(`there is no channel ${name} of ${image}`, { where: place.at(image) });
    }
  if (found.length === 0)
    throw badInput('there is no channel', {
      where,
      hint: `for a channel other than ${CHANNELS.join(', ')} add --channel NAME`,
    });
  for (const { image, channel, expires } of found)
    if (Date.parse(expires) < Date.now())
      warn(`${image}/${channel} expired at ${expires}: ./draisine channel refresh`);
  process.stdout.write(flags.json ? `${JSON.stringify(found, null, 2)}\n` : formatTable(found.map(row), []));
}

/** The channels to show: those of a folder, the usual ones first. A web server has no list, so only the usual ones. */
async function channelNames(where: string, image: string): Promise<readonly string[]> {
  if (isUrl(where)) return CHANNELS;
  const there = existsSync(join(where, image)) ? await channelsOf(where, image) : [];
  return [...CHANNELS, ...there.filter((name) => !CHANNELS.includes(name))];
}

async function imagesAt(where: string): Promise<string[]> {
  if (isUrl(where)) throw badInput('a web server has no list of images', { hint: 'name one: --image NAME' });
  return await imagesOf(where);
}

function row(channel: Channel): string[] {
  const { image, channel: name, version, serial, rollout, forced, expires } = channel;
  return [
    image,
    name,
    version ?? '–',
    `serial ${serial}`,
    rollout ? `over ${rollout.hours} h from ${rollout.begins}` : '–',
    stopOf(channel) ?? (forced ? `forced: ${forced.reason}` : 'open'),
    `until ${expires}`,
  ];
}
