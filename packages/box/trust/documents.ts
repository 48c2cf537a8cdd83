import { CHANNEL_SECONDS, FORMAT, SEVERITIES } from '../../../build/release/format/namespaces.ts';
import type {
  Channel,
  Envelope,
  Release,
  ReleaseFile,
  ReleaseRef,
  Role,
  Rollout,
  Root,
  Signature,
  Withdrawn,
} from '../../../build/release/format/types.ts';
import { isVersion } from '../../../build/release/format/version.ts';
import { BoxError } from '../io/box.ts';
import {
  choice,
  type Field,
  integer,
  list,
  map,
  maybe,
  member,
  members,
  object,
  readDocument,
  string,
  time,
} from '../io/fields.ts';

import { base64, fromBase64, sha256Bytes } from '../io/sha256.ts';

/*
 * Readers of the signed files (build/release/format has their schemas). Unknown fields are ignored. Another
 * format number is refused. Any other fault is reported with its place.
 */

const digest = (field: Field) => string(field, /^[0-9a-f]{64}$/, 'a SHA-256 in 64 lower-case digits');
const fingerprint = (field: Field) => string(field, /^SHA256:[A-Za-z0-9+/]{43}$/, 'a fingerprint of a key');
const instant = (field: Field) => {
  time(field);
  return string(field);
};
const text = (field: Field) => string(field);
const fromOne = (field: Field) => integer(field, 1);
/** `document` has checked it. */
const format = () => FORMAT as typeof FORMAT;
/** A file name in the folder of a release, without a way out of the folder. */
const FILE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}(\/[A-Za-z0-9][A-Za-z0-9._-]{0,127})*$/;

/** A name of an image or a channel. */
export const NAME = /^[a-z0-9][a-z0-9-]{0,31}$/;
const name = (field: Field) => string(field, NAME, 'a name of small letters, digits and hyphens');

function version(field: Field): string {
  const value = string(field);
  if (!isVersion(value)) throw new BoxError(`${field.at} must be a version such as 2026.1129.0`);
  return value;
}

function document<T>(what: string, where: string, signed: string, read: (field: Field) => T): T {
  return readDocument(signed, what, where, (root) => {
    const found = object(root).format;
    if (found !== FORMAT) {
      throw new BoxError(`has format ${JSON.stringify(found)}, and this release reads ${FORMAT}`);
    }
    return read(root);
  });
}

/**
 * Reads an envelope.
 * @throws BoxError with the place of a fault
 */
export function parseEnvelope(content: string, what: string, where: string): Envelope {
  return readDocument(content, what, where, (root) =>
    members<Envelope>(root, {
      signed: text,
      signatures: (field) =>
        list(field, (each) => members<Signature>(each, { key: fingerprint, sshsig: text }), 32),
    }),
  );
}

function role(field: Field): Role {
  const keys = list(member(field, 'keys'), fingerprint, 32);
  const [first, ...others] = new Set(keys);
  if (first === undefined) throw new BoxError(`${field.at}.keys must not be empty`);
  return { threshold: integer(member(field, 'threshold'), 1, 1 + others.length), keys: [first, ...others] };
}

/** Two fingerprints for one key would let it sign twice. */
function publicKey(field: Field, id: string): string {
  const line = string(field, /^[a-z0-9@.-]+ [A-Za-z0-9+/=]+$/, 'a public key on one line without a comment');
  const found = `SHA256:${base64(sha256Bytes(fromBase64(line.split(' ')[1] ?? '')))}`;
  if (found !== id) throw new BoxError(`${field.at} is the key ${found}`);
  return line;
}

/**
 * Reads the text of a root of trust. The order of its members stays as it is: `digestOf` hashes them.
 * @throws BoxError with the place of a fault
 */
export function parseRoot(signed: string, where: string): Root {
  return document('root.json', where, signed, (root) => {
    const parsed = members<Root>(root, {
      format,
      number: fromOne,
      issued: instant,
      expires: instant,
      keys: (field) => map(field, publicKey),
      roles: (field) => members<Root['roles']>(field, { root: role, release: role, channel: role }),
    });
    for (const [each, { keys }] of Object.entries(parsed.roles)) {
      const lost = keys.find((key) => parsed.keys[key] === undefined);
      if (lost !== undefined)
        throw new BoxError(`roles.${each} names the key ${lost}, which keys does not have`);
    }
    return parsed;
  });
}

/**
 * Reads the text of a release.
 * @throws BoxError with the place of a fault
 */
export function parseRelease(signed: string, where: string): Release {
  return document('release.json', where, signed, (root) => {
    const blocks = (field: Field) => {
      const bytes = integer(field, 0);
      if (bytes % 4096 !== 0) throw new BoxError(`${field.at} must be a multiple of 4096`);
      return bytes;
    };
    return members<Release>(root, {
      format,
      image: name,
      version,
      date: instant,
      rootHash: digest,
      usr: (usr) => members<Release['usr']>(usr, { data: blocks, hash: blocks, hashOffset: blocks }),
      files: (files) =>
        map(files, (file, path) => {
          if (!FILE.test(path)) throw new BoxError(`${file.at} is not the name of a file of a release`);
          return members<ReleaseFile>(file, { size: (size) => integer(size, 0), sha256: digest });
        }),
      needs: maybe(version),
      root: maybe(fromOne),
      kernel: text,
      zfs: maybe((zfs) =>
        members<NonNullable<Release['zfs']>>(zfs, { version: text, features: (field) => list(field, text) }),
      ),
      severity: (field) => choice(field, SEVERITIES),
      notes: maybe(text),
    });
  });
}

/** What a box reads of a channel: it ignores the rules for the channel's owner. */
type Followed = Omit<Channel, 'forced' | 'policy'>;

/**
 * Reads the text of a channel file.
 * @throws BoxError with the place of a fault
 */
export function parseChannel(signed: string, where: string): Channel {
  return document('the channel file', where, signed, (root) => {
    const channel = members<Followed>(root, {
      format,
      image: name,
      channel: name,
      serial: fromOne,
      issued: instant,
      expires: instant,
      version: maybe(version),
      release: maybe(digest),
      since: maybe(instant),
      rollout: maybe((rollout) =>
        members<Rollout>(rollout, { begins: instant, hours: (hours) => integer(hours, 0, 24 * 366) }),
      ),
      barriers: (field) => list(field, (each) => members<ReleaseRef>(each, { version, release: digest })),
      halted: maybe((halted) =>
        members<NonNullable<Channel['halted']>>(halted, { reason: text, since: instant }),
      ),
      withdrawn: (field) =>
        list(field, (each) => members<Withdrawn>(each, { version, reason: text, since: instant })),
    });
    if ((channel.version === undefined) !== (channel.release === undefined))
      throw new BoxError('version and release must both be there, or neither');
    if (Date.parse(channel.expires) - Date.parse(channel.issued) > CHANNEL_SECONDS * 1000)
      throw new BoxError('expires must be at most seven days after issued');
    return channel;
  });
}
