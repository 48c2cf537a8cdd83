import type { Channel, Release, Root } from '../../../build/release/format/types.ts';
import { type Box, BoxError, orLog, readTextIfThere } from '../io/box.ts';
import { isoTime } from '../io/fields.ts';
import { sha256 } from '../io/sha256.ts';
import { decodeUtf8 } from '../io/utf8.ts';
import { type Policy, readPolicy } from '../settings/update.ts';
import { parseChannel, parseEnvelope, parseRelease } from '../trust/documents.ts';
import { followRoots, isAhead, openChannel, openRelease, trustedRoot, trustedTime } from '../trust/trust.ts';
import { unreadableFeatures } from '../zfs/features.ts';
import { type Decision, decide, type Situation, type Target, targetOf } from './decide.ts';
import { fetchFile, fetchIfThere, type Origin } from './fetch.ts';
import { epochOf } from './running.ts';
import { changeState, FOLDER, readState, type State } from './state.ts';
import { parseZone, type Zone } from './zone.ts';

/** Limit for signed files, in bytes. */
const MOST = 1 << 20;
/** The last accepted channel file. */
export const KEPT_CHANNEL = `${FOLDER}/channel.json`;
/** The release.json that the last check has read. So a question about it needs no network. */
const KEPT_RELEASE = `${FOLDER}/release.json`;
const ZONES = '/usr/share/zoneinfo';

/** The options of a check. */
export interface Request {
  /** Another source than the policy's. */
  readonly base?: string | undefined;
  /** The owner asks: see `Situation.asked`. A version: only that one. */
  readonly asked?: { readonly version?: string | undefined } | undefined;
}

/** The result of a check. */
export interface Checked {
  readonly situation: Situation;
  readonly decision: Decision;
  readonly origin: Origin;
  /** The path of the release's folder below the origin, and its document; for the next target. */
  readonly release: { readonly folder: string; readonly value: Release } | undefined;
}

/**
 * The time zone of a name, from tzdata.
 * @throws BoxError for an unknown name
 */
function zoneOf(box: Box, name: string): Zone {
  const path = `${ZONES}/${name}`;
  if (box.stat(path)?.type !== 'file') throw new BoxError(`there is no time zone ${name}`, { where: path });
  return parseZone(box.readFile(path), path);
}

/** The policy with the options of a check: a named version acts as a pin. */
function policyFor(box: Box, { base, asked }: Request): Policy {
  const policy = readPolicy(box);
  const named = asked?.version;
  return {
    ...policy,
    ...(base === undefined ? {} : { base: base.replace(/\/+$/, '') }),
    ...(named === undefined ? {} : { pin: named, max: undefined }),
  };
}

function originOf({ base, proxy, ca }: Policy): Origin {
  if (base === undefined)
    throw new BoxError('this box has no source of updates', {
      hint: 'name it in the machine config (update: { base: … }), or plug in a stick labelled DRAISINE-UPDATE',
    });
  return { base, proxy, ca };
}

const textOf = (bytes: Uint8Array) => decodeUtf8(bytes);

function fetchRoots(box: Box, origin: Origin): Root {
  return followRoots(box, trustedRoot(box), (number) => {
    const path = number === undefined ? 'root.json' : `root.${number}.json`;
    return { text: textOf(fetchFile(box, origin, path, MOST)), where: `${origin.base}/${path}` };
  });
}

/** Serials under other keys do not count: a lost channel key may have signed a very high one. */
function serialFloor(state: State, name: string, keys: string): number {
  const known = state.serials[name];
  return known?.keys === keys ? known.serial : 0;
}

function fetchChannel(box: Box, origin: Origin, root: Root, image: string, channel: string): Channel {
  const name = `${image}/${channel}`;
  const keys = [...root.roles.channel.keys].sort().join(' ');
  const bytes = fetchIfThere(box, origin, `${name}.json`, MOST);
  const where = `${origin.base}/${name}.json`;
  if (!bytes) throw new BoxError(`there is no channel ${channel} of ${image}`, { where });
  const text = textOf(bytes);
  const state = readState(box);
  const value = openChannel(box, root, text, where, {
    image,
    channel,
    serial: serialFloor(state, name, keys),
  });
  if (isAhead(box, Date.parse(value.issued)))
    throw new BoxError(
      `the channel file was issued at ${value.issued}, and it is ${isoTime(box.now())} here`,
      { where, hint: 'the clock of its publisher is ahead, or that of this box is wrong (timedatectl)' },
    );
  box.makeFolder(FOLDER, 0o700);
  box.writeFile(KEPT_CHANNEL, text, { mode: 0o600 });
  changeState(box, ({ serials, signedTime }) => {
    // A lost channel key may also have signed a time in the far future.
    const replaced = serials[name] !== undefined && serials[name].keys !== keys;
    const times = [replaced ? 0 : signedTime, Date.parse(value.issued), Date.parse(root.issued)];
    return {
      serials: { ...serials, [name]: { serial: value.serial, keys } },
      signedTime: Math.max(0, ...times.filter((time) => !isAhead(box, time))),
    };
  });
  const now = trustedTime(box, 0, 0);
  if (Date.parse(value.expires) < now)
    box.log('warning', `the channel file ${where} expired at ${value.expires}: it gives no new release`);
  return value;
}

function fetchRelease(
  box: Box,
  origin: Origin,
  root: Root,
  image: string,
  target: Target,
): NonNullable<Checked['release']> {
  const folder = `${image}/releases/${target.version}`;
  const path = `${folder}/release.json`;
  const where = `${origin.base}/${path}`;
  const bytes = fetchFile(box, origin, path, MOST);
  const digest = sha256(bytes);
  const expected = { image, version: target.version, release: target.release ?? digest };
  const value = openRelease(box, root, textOf(bytes), where, expected, digest);
  box.writeFile(KEPT_RELEASE, bytes, { mode: 0o600 });
  return { folder, value };
}

/** The release.json of a target, if it is the one that was kept. */
function keptRelease(box: Box, { version, release }: Target): Release | undefined {
  if (box.stat(KEPT_RELEASE) === undefined) return undefined;
  const bytes = box.readFile(KEPT_RELEASE);
  if (release !== undefined && sha256(bytes) !== release) return undefined;
  const envelope = parseEnvelope(textOf(bytes), 'the release file', KEPT_RELEASE);
  const value = parseRelease(envelope.signed, KEPT_RELEASE);
  return value.version === version ? value : undefined;
}

/** A situation with what the target's release.json asks of a box. */
function informed(box: Box, situation: Situation, release: Release): Situation {
  const unreadable = release.zfs ? unreadableFeatures(box, release.zfs.features) : [];
  return { ...situation, release, unreadable };
}

function situationOf(
  box: Box,
  running: { readonly version: string },
  policy: Policy,
  channel: Channel,
  request: Request,
): Situation {
  const state = readState(box);
  return {
    now: trustedTime(box, epochOf(running.version), state.signedTime),
    machineId: box.machineId(),
    running: running.version,
    policy,
    zone: policy.windows.length > 0 ? zoneOf(box, policy.zone) : () => 0,
    state,
    channel,
    ...(request.asked ? { asked: request.asked } : {}),
  };
}

/**
 * Asks the channel for the next action.
 * @throws if it cannot be reached or must not be trusted
 */
export function check(
  box: Box,
  running: { readonly image: string; readonly version: string },
  request: Request = {},
): Checked {
  const policy = policyFor(box, request);
  const origin = originOf(policy);
  const root = fetchRoots(box, origin);
  if (Date.parse(root.expires) < box.now())
    box.log('warning', `root ${root.number} expired at ${root.expires}`);
  const channel = fetchChannel(box, origin, root, running.image, policy.channel);
  const situation = situationOf(box, running, policy, channel, request);
  const first = decide(situation);
  const target = targetOf(situation);
  if (first.action !== 'stage' || !target) return { situation, decision: first, origin, release: undefined };
  const release = fetchRelease(box, origin, root, running.image, target);
  const whole = informed(box, situation, release.value);
  return { situation: whole, decision: decide(whole), origin, release };
}

/** The same from the last accepted channel file, without the network. Undefined if there is none. */
export function recall(
  box: Box,
  running: { readonly version: string },
  request: Request = {},
): Pick<Checked, 'situation' | 'decision'> | undefined {
  const text = readTextIfThere(box, KEPT_CHANNEL);
  if (text === undefined) return undefined;
  return orLog(box, 'warning', 'the kept channel file is ignored', () => {
    const channel = parseChannel(parseEnvelope(text, 'the channel file', KEPT_CHANNEL).signed, KEPT_CHANNEL);
    const situation = situationOf(box, running, policyFor(box, request), channel, request);
    const decision = decide(situation);
    const target = decision.action === 'stage' ? targetOf(situation) : undefined;
    const release = target && keptRelease(box, target);
    if (!release) return { situation, decision };
    const whole = informed(box, situation, release);
    return { situation: whole, decision: decide(whole) };
  });
}

/**
 * The end of the last accepted channel file, in milliseconds since 1970, if it is over; undefined if not, or if
 * there is no file.
 */
export function keptChannelExpired(box: Box): number | undefined {
  const text = readTextIfThere(box, KEPT_CHANNEL);
  if (text === undefined) return undefined;
  const { expires } = parseChannel(
    parseEnvelope(text, 'the channel file', KEPT_CHANNEL).signed,
    KEPT_CHANNEL,
  );
  const end = Date.parse(expires);
  return end < trustedTime(box, 0, readState(box).signedTime) ? end : undefined;
}

/** The result in one sentence. */
export function describeDecision(decision: Decision): string {
  if (decision.action !== 'wait') return decision.reason;
  return decision.waits.map(describeWait).join('; ');
}

/** The reason for waiting, and the event that ends it, as text. */
export function describeWait({
  reason,
  end,
  until,
}: {
  readonly reason: string;
  readonly end: string;
  readonly until: number | undefined;
}): string {
  const time = until === undefined || end.includes(isoTime(until)) ? '' : `, at ${isoTime(until)}`;
  return `${reason}. It ends when: ${end}${time}`;
}
