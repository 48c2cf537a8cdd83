import type { Channel, Release, Root } from '../../../build/release/format/types.ts';
import { type Box, BoxError, folderOf, readTextIfThere } from '../io/box.ts';
import { list, member, optional, parseDocument, string } from '../io/fields.ts';
import { sha256 } from '../io/sha256.ts';
import { parseChannel, parseEnvelope, parseRelease, parseRoot } from './documents.ts';
import { checkSignatures, type VerifyOptions } from './verify.ts';

/** The root of trust of a release, part of its verified /usr. */
export const BUILT_IN_ROOT = '/usr/share/draisine/root.json';
/** The root of trust in the machine config. It has precedence over that of the release. */
export const OWN_ROOT = '/etc/draisine/root.json';
/** The newest verified root. */
export const KEPT_ROOT = '/var/lib/draisine/update/root.json';

/**
 * The root that is trusted before anything is fetched: the owner's, or that of /usr, or a later one that
 * followed it.
 */
export function trustedRoot(box: Box): Root {
  const where = box.stat(OWN_ROOT) === undefined ? BUILT_IN_ROOT : OWN_ROOT;
  const first = readTextIfThere(box, where);
  if (first === undefined)
    throw new BoxError('this release has no root of trust, so it takes no updates', {
      where: BUILT_IN_ROOT,
      hint: `build the image with keys (./draisine keys init), or add ${OWN_ROOT} by the machine config`,
    });
  const root = parseRoot(parseEnvelope(first, 'root.json', where).signed, where);
  const kept = readKept(box);
  return kept && kept.root.number > root.number && kept.after.includes(digestOf(root)) ? kept.root : root;
}

/** Identifies a root in the chain of a kept one. */
const digestOf = (root: Root) => sha256(JSON.stringify(root));

interface KeptRoot {
  readonly root: Root;
  /** The roots that it followed. The root of another owner is not among them. */
  readonly after: readonly string[];
}

/** A kept root that cannot be read is ignored: the chain starts again from the root of /usr. */
function readKept(box: Box): KeptRoot | undefined {
  const text = readTextIfThere(box, KEPT_ROOT);
  if (text === undefined) return undefined;
  try {
    const root = parseRoot(parseEnvelope(text, 'root.json', KEPT_ROOT).signed, KEPT_ROOT);
    const after = optional(member(parseDocument(text, 'root.json', KEPT_ROOT), 'after'), (field) =>
      list(field, (each) => string(each)),
    );
    return { root, after: after ?? [] };
  } catch (error) {
    if (!(error instanceof BoxError)) throw error;
    box.log('warning', `the kept root of trust is ignored: ${error.message}`);
    return undefined;
  }
}

/**
 * The root after `root`, from the text of its file. Its number is one higher, and enough root keys of both
 * have signed it.
 */
function nextRoot(box: Box, root: Root, text: string, where: string, options?: VerifyOptions): Root {
  const what = 'root.json';
  const envelope = parseEnvelope(text, what, where);
  const next = parseRoot(envelope.signed, where);
  if (next.number !== root.number + 1)
    throw new BoxError(`root ${next.number} does not follow root ${root.number}`, { where });
  checkSignatures(
    box,
    envelope,
    'root',
    root,
    `${what} ${next.number}, for the keys of root ${root.number},`,
    options,
  );
  checkSignatures(box, envelope, 'root', next, `${what} ${next.number}`, options);
  return next;
}

/**
 * Walks from the trusted root to the newest. `fetchRoot(undefined)` is BASE/root.json; `fetchRoot(N)` is
 * number N, for boxes that missed some. An older root on the server is an error, because it may be a replay.
 */
export function followRoots(
  box: Box,
  trusted: Root,
  fetchRoot: (number: number | undefined) => { readonly text: string; readonly where: string },
  options?: VerifyOptions,
): Root {
  const newest = fetchRoot(undefined);
  const { number } = parseRoot(parseEnvelope(newest.text, 'root.json', newest.where).signed, newest.where);
  if (number < trusted.number)
    throw new BoxError(`the server has root ${number}, but root ${trusted.number} is already trusted`, {
      where: newest.where,
    });
  let root = trusted;
  const kept = readKept(box);
  const after = kept && digestOf(kept.root) === digestOf(trusted) ? [...kept.after] : [];
  while (root.number < number) {
    const next = root.number + 1 === number ? newest : fetchRoot(root.number + 1);
    after.push(digestOf(root));
    root = nextRoot(box, root, next.text, next.where, options);
    const envelope = parseEnvelope(next.text, 'root.json', next.where);
    box.makeFolder(folderOf(KEPT_ROOT), 0o700);
    box.writeFile(KEPT_ROOT, `${JSON.stringify({ ...envelope, after }, null, 2)}\n`);
    box.log('notice', `root of trust ${root.number} follows ${root.number - 1}`);
  }
  return root;
}

/** Limits for a channel file, from earlier ones. */
export interface ChannelExpectation {
  readonly image: string;
  readonly channel: string;
  /** The lowest serial that is accepted. */
  readonly serial: number;
}

/** The channel file of this image and channel: signed, and not older than an accepted one. */
export function openChannel(
  box: Box,
  root: Root,
  text: string,
  where: string,
  expected: ChannelExpectation,
  options?: VerifyOptions,
): Channel {
  const envelope = parseEnvelope(text, 'the channel file', where);
  const value = parseChannel(envelope.signed, where);
  checkSignatures(box, envelope, 'channel', root, 'the channel file', options);
  if (value.image !== expected.image || value.channel !== expected.channel)
    throw new BoxError(
      `this is the channel ${value.channel} of ${value.image}, not ${expected.channel} of ${expected.image}`,
      { where },
    );
  if (value.serial < expected.serial)
    throw new BoxError(
      `the channel file has serial ${value.serial}, but ${expected.serial} was accepted before`,
      {
        where,
        hint: 'the server is out of date, or somebody sends an old copy on purpose',
      },
    );
  return value;
}

/** The release that a channel names by version and digest: signed. `digest`: of the bytes of its file. */
export function openRelease(
  box: Box,
  root: Root,
  text: string,
  where: string,
  expected: { readonly image: string; readonly version: string; readonly release: string },
  digest: string,
  options?: VerifyOptions,
): Release {
  if (digest !== expected.release)
    throw new BoxError(`release.json of ${expected.version} is not the one that the channel names`, {
      where,
    });
  const envelope = parseEnvelope(text, 'release.json', where);
  const value = parseRelease(envelope.signed, where);
  checkSignatures(box, envelope, 'release', root, 'release.json', options);
  if (value.image !== expected.image || value.version !== expected.version)
    throw new BoxError(
      `release.json is of ${value.image} ${value.version}, not of ${expected.image} ${expected.version}`,
      { where },
    );
  if (value.root !== undefined && value.root > root.number)
    throw new BoxError(`${value.version} needs root ${value.root}, but the trusted root is ${root.number}`, {
      where,
    });
  return value;
}

/**
 * The trusted time: the latest of the clock, the build's epoch and the newest signed time. A dead battery
 * cannot make an old file valid.
 */
export function trustedTime(box: Box, epochMs: number, newestSignedMs: number): number {
  return Math.max(box.now(), epochMs, newestSignedMs);
}

/** timesyncd touches this file when it has the time of a server, and removes it when it ends. */
const SYNCHRONISED = '/run/systemd/timesync/synchronized';

/** Whether a time server has set the clock. */
export const isSynchronised = (box: Box): boolean => box.stat(SYNCHRONISED) !== undefined;

/** Milliseconds by which the clock of a publisher may be ahead. */
const AHEAD = 24 * 3_600_000;

/**
 * Whether a signed time (milliseconds since 1970) is in the future, by a clock that a time server has set. Such a time
 * must not count: by it, all files of the following years would have expired.
 */
export const isAhead = (box: Box, signed: number): boolean =>
  signed > box.now() + AHEAD && isSynchronised(box);
