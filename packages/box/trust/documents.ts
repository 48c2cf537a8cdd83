import {
  CHANNEL_SECONDS,
  FORMAT,
  NAMESPACES,
  type RoleName,
} from '../../../build/release/format/namespaces.ts';
import type { Channel, Envelope, Release, Role, Root } from '../../../build/release/format/types.ts';
import { isVersion } from '../../../build/release/format/version.ts';
import { BoxError } from '../io/box.ts';
import {
  choice,
  type Field,
  integer,
  list,
  map,
  member,
  object,
  optional,
  parseDocument,
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

/** Missing members are absent, not undefined. */
function given<T extends object>(members: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as never;
}

function document<T>(what: string, where: string, signed: string, read: (field: Field) => T): T {
  const root = parseDocument(signed, what, where);
  try {
    const { format } = object(root);
    if (format !== FORMAT) {
      throw new BoxError(`has format ${JSON.stringify(format)}, and this release reads ${FORMAT}`);
    }
    return read(root);
  } catch (error) {
    if (!(error instanceof BoxError)) throw error;
    throw new BoxError(`${what}: ${error.message}`, { where });
  }
}

/**
 * Reads an envelope.
 * @throws BoxError with the place of a fault
 */
export function parseEnvelope(content: string, what: string, where: string): Envelope {
  const root = parseDocument(content, what, where);
  try {
    return {
      signed: string(member(root, 'signed')),
      signatures: list(
        member(root, 'signatures'),
        (each) => ({ key: fingerprint(member(each, 'key')), sshsig: string(member(each, 'sshsig')) }),
        32,
      ),
    };
  } catch (error) {
    if (!(error instanceof BoxError)) throw error;
    throw new BoxError(`${what}: ${error.message}`, { where });
  }
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
 * Reads the text of a root of trust.
 * @throws BoxError with the place of a fault
 */
export function parseRoot(signed: string, where: string): Root {
  return document('root.json', where, signed, (root) => {
    const keys = map(member(root, 'keys'), publicKey);
    const roles = member(root, 'roles');
    const names = Object.keys(NAMESPACES) as RoleName[];
    const parsed = Object.fromEntries(names.map((each) => [each, role(member(roles, each))]));
    for (const each of names) {
      const lost = parsed[each]!.keys.find((key) => keys[key] === undefined);
      if (lost !== undefined)
        throw new BoxError(`roles.${each} names the key ${lost}, which keys does not have`);
    }
    return {
      format: FORMAT as typeof FORMAT,
      number: integer(member(root, 'number'), 1),
      issued: instant(member(root, 'issued')),
      expires: instant(member(root, 'expires')),
      keys,
      roles: parsed as unknown as Root['roles'],
    };
  });
}

/**
 * Reads the text of a release.
 * @throws BoxError with the place of a fault
 */
export function parseRelease(signed: string, where: string): Release {
  return document('release.json', where, signed, (root) => {
    const usr = member(root, 'usr');
    const blocks = (field: Field) => {
      const bytes = integer(field, 0);
      if (bytes % 4096 !== 0) throw new BoxError(`${field.at} must be a multiple of 4096`);
      return bytes;
    };
    return given({
      format: FORMAT as typeof FORMAT,
      image: name(member(root, 'image')),
      version: version(member(root, 'version')),
      date: instant(member(root, 'date')),
      rootHash: digest(member(root, 'rootHash')),
      usr: {
        data: blocks(member(usr, 'data')),
        hash: blocks(member(usr, 'hash')),
        hashOffset: blocks(member(usr, 'hashOffset')),
      },
      files: map(member(root, 'files'), (file, path) => {
        if (!FILE.test(path)) throw new BoxError(`${file.at} is not the name of a file of a release`);
        return { size: integer(member(file, 'size'), 0), sha256: digest(member(file, 'sha256')) };
      }),
      needs: optional(member(root, 'needs'), version),
      root: optional(member(root, 'root'), (field) => integer(field, 1)),
      kernel: text(member(root, 'kernel')),
      zfs: optional(member(root, 'zfs'), (zfs) => ({
        version: text(member(zfs, 'version')),
        features: list(member(zfs, 'features'), text),
      })),
      severity: choice(member(root, 'severity'), ['none', 'low', 'moderate', 'important', 'critical']),
      notes: optional(member(root, 'notes'), text),
    });
  });
}

const reference = (field: Field) => ({
  version: version(member(field, 'version')),
  release: digest(member(field, 'release')),
});

/**
 * Reads the text of a channel file.
 * @throws BoxError with the place of a fault
 */
export function parseChannel(signed: string, where: string): Channel {
  return document('the channel file', where, signed, (root) => {
    const channel = given({
      format: FORMAT as typeof FORMAT,
      image: name(member(root, 'image')),
      channel: name(member(root, 'channel')),
      serial: integer(member(root, 'serial'), 1),
      issued: instant(member(root, 'issued')),
      expires: instant(member(root, 'expires')),
      version: optional(member(root, 'version'), version),
      release: optional(member(root, 'release'), digest),
      since: optional(member(root, 'since'), instant),
      rollout: optional(member(root, 'rollout'), (rollout) => ({
        begins: instant(member(rollout, 'begins')),
        hours: integer(member(rollout, 'hours'), 0, 24 * 366),
      })),
      barriers: list(member(root, 'barriers'), reference),
      halted: optional(member(root, 'halted'), (halted) => ({
        reason: text(member(halted, 'reason')),
        since: instant(member(halted, 'since')),
      })),
      withdrawn: list(member(root, 'withdrawn'), (each) => ({
        version: version(member(each, 'version')),
        reason: text(member(each, 'reason')),
        since: instant(member(each, 'since')),
      })),
    });
    if ((channel.version === undefined) !== (channel.release === undefined))
      throw new BoxError('version and release must both be there, or neither');
    if (Date.parse(channel.expires) - Date.parse(channel.issued) > CHANNEL_SECONDS * 1000)
      throw new BoxError('expires must be at most seven days after issued');
    return channel;
  });
}
