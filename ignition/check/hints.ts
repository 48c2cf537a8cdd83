import { cleanPath } from '../base/clean-path.ts';
import { meantMode, octalText } from '../base/mode.ts';
import type { Step } from '../base/step.ts';
import type { StructShape } from '../spec/shape.ts';
import { configShape } from '../spec/v3.ts';
import { unusedHint } from './unused.ts';

/** Hints for the errors and warnings of ignition-validate. */

/** An entry before it is printed: message, path, and the value at that path as far as it is known. */
export interface Said {
  readonly message: string;
  readonly path: readonly Step[];
  readonly value: unknown;
  /** `3.2.0` */
  readonly version: string;
  /** Formats a mode in the way in which the form of the config writes it. */
  readonly writeMode: (mode: number) => string;
}

type Hint = string | ((said: Said) => string);

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

function schemes({ path, version, value }: Said): string {
  if (path.includes('tang')) return 'a Tang server is reached over http or https';
  const source = textOf(value);
  if (!/^[a-z][a-z0-9+.-]*:/i.test(source) && source !== '' && source.length <= 200)
    return `for this text as the content write data:,${encodeURIComponent(source)}`;
  const gs = /^3\.[01]\./.test(version) ? '' : ', gs';
  return `spec ${version.slice(0, 3)} fetches from http, https, tftp, s3, data${gs}`;
}

/** The spec has no special bits, so no hint advises a mode with them. */
const writable = (mode: number): number => mode & 0o777;

function modeHint({ value, writeMode }: Said): string {
  const mode = Number(value);
  const meant = meantMode(String(value));
  if (meant === undefined && (mode < 0 || mode > 0o7777))
    return `a mode has nine bits: write ${writeMode(0o644)} for 0644, ${writeMode(0o755)} for 0755`;
  const bits = writable(meant ?? mode);
  const is = meant === undefined ? '' : `mode ${String(value)} is ${octalText(mode)}: `;
  return (meant ?? mode) > 0o777
    ? `${is}write ${writeMode(bits)} for ${octalText(bits)}, and set the other bits by a tmpfiles.d file`
    : `${is}for ${octalText(bits)} write ${writeMode(bits)}`;
}

/** The keys of the object at a path; undefined if the spec has no such object. */
function shapeAt(path: readonly Step[]): StructShape | undefined {
  let shape: StructShape | undefined = configShape;
  for (const step of path) {
    if (typeof step === 'string') shape = shape?.get(step)?.of;
  }
  return shape;
}

const unusedIn = ({ path }: Said): string =>
  unusedHint(String(path.at(-1)), [...(shapeAt(path.slice(0, -1))?.keys() ?? [])]);

const HASHES = 'write FUNCTION-DIGEST with sha512 or sha256';

/** Hints by the beginning of the message. */
const HINTS: readonly (readonly [string, Hint])[] = [
  ['Unused key ', unusedIn],
  ['context tree does not match', 'leave the key out instead of writing null'],
  ['duplicate entry defined', 'merge it with the first one or remove it'],
  ['path not specified', 'give an absolute path'],
  [
    'path not absolute',
    ({ value }) =>
      /^(\{\{|\$\{|<%)/.test(textOf(value))
        ? 'a placeholder of a template was left in: fill the template in first'
        : `write it from the root, e.g. /${textOf(value).slice(0, 80)}`,
  ],
  ['path is not fully simplified', ({ value }) => `write ${cleanPath(textOf(value)).slice(0, 200)}`],
  ['invalid url scheme', schemes],
  ['unable to parse url', 'check its escapes (%XX), host and port'],
  ['rfc2396:', 'write a percent sign as %25'],
  ['invalid S3 object VersionId', 'give versionId a value, or leave it out of the query'],
  ['invalid data character', 'percent-encode the data, or use ;base64'],
  ['illegal base64', 'encode the data as padded standard base64'],
  ['missing comma', 'write data:,CONTENT or data:;base64,CONTENT'],
  ['invalid character for', 'write data:TYPE/SUBTYPE,… or data:,…'],
  ['invalid compression method', 'use gzip, or leave it out'],
  ['source must be specified if verification', 'give a source'],
  ['source is required', 'say where it is fetched from'],
  ['cannot use HTTP headers', 'headers need an http or https source'],
  ['unable to parse HTTP header', 'give a value, or none to remove it'],
  ["HTTP header name can't be empty", 'give it a name'],
  ['malformed hash specifier', HASHES],
  ['unrecognized hash function', ({ version }) => (version === '3.0.0' ? 'spec 3.0 knows sha512' : HASHES)],
  ['incorrect size for hash sum', 'sha512 has 128 hexadecimal digits, sha256 has 64'],
  ['proxies must be http(s)', 'write http://HOST:PORT'],
  ['insecure plaintext HTTP proxy', 'use https://'],
  ['cannot set both id and name', 'keep one of them'],
  ['illegal file mode', modeHint],
  ['setuid/setgid/sticky bits', modeHint],
  ['overwrite must be false if source', 'give contents.source, "data:," for an empty file'],
  ['directory path includes link', 'write the path that the link points to'],
  ['file path includes link', 'write the path that the link points to'],
  ['link path includes link', 'write the path that the link points to'],
  ['link target is required', 'say what the link points to'],
  ['hard link target is a directory', 'make it a symbolic link'],
  ["doesn't match the form", 'write 32 hexadecimal digits in groups of 8-4-4-4-12'],
  ['partition labels may not exceed', 'shorten it'],
  ['partition label will be truncated', 'leave the colon out'],
  ['shouldExist specified false', 'give only number and shouldExist'],
  ['a partition number >= 1 or a label', 'give it a number'],
  ['disk device is required', 'name it by a stable path such as /dev/disk/by-id/…'],
  ['partition numbers collide', 'give each partition its own number, or 0'],
  ['partitions overlap', 'move startMiB or shrink sizeMiB'],
  ['shouldExist is false for a partition', 'give every partition of this disk a number'],
  ['cannot use the same partition label', 'rename one'],
  ['invalid filesystem format', 'use ext4, btrfs, xfs, vfat or swap'],
  ['format cannot be empty', 'give a format: ext4, btrfs, xfs, vfat or swap'],
  ['filesystem must specify format', 'give a format: ext4, btrfs, xfs, vfat or swap'],
  [
    'filesystem labels cannot be longer',
    ({ value }) => `this one has ${Buffer.byteLength(textOf(value))}: shorten it`,
  ],
  ['raid level is required', 'use linear, raid0, raid1, raid4, raid5, raid6 or raid10'],
  ['unrecognized raid level', 'use linear, raid0, raid1, raid4, raid5, raid6 or raid10'],
  ['spares unsupported', 'set spares to 0, or take a level with redundancy'],
  ['raid devices required', 'list the member devices'],
  ['device names cannot contain slashes', 'the device appears as /dev/mapper/NAME'],
  ['luks device labels cannot be longer', 'shorten it'],
  ['cannot use custom clevis config', 'keep one'],
  ['invalid key-file source', 'see the entry at keyFile.source'],
  ['missing required custom clevis pin', 'use tpm2, tang or sss'],
  ['unsupported clevis pin', 'use tpm2, tang or sss'],
  ['missing required custom clevis config', 'clevis takes JSON here'],
  ['thumbprint is required', 'ask the server: tang-show-keys'],
  ['invalid systemd unit extension', 'name it NAME.service, or after another kind of unit such as .timer'],
  ['invalid systemd drop-in extension', 'name it NAME.conf'],
  ['invalid unit content', 'write [Section] lines, NAME=VALUE lines and # comments'],
  ['unit "', 'add [Install] with WantedBy=multi-user.target'],
];

/** Adds a hint to a message of Ignition. */
export function withHint(said: Said): string {
  const hint = HINTS.find(([begin]) => said.message.startsWith(begin))?.[1];
  if (hint === undefined) return said.message;
  return `${said.message}; ${typeof hint === 'string' ? hint : hint(said)}`;
}

/** A hint for a version that the shipped Ignition does not accept. Empty for a config without a version. */
export function versionHint(version: string, document: unknown): string {
  const isFirst =
    /^v?1\./.test(version) ||
    (typeof document === 'object' && document !== null && 'ignitionVersion' in document);
  if (isFirst) return 'spec 1 is not translated: write the config anew in spec 3.3.0';
  if (/^2\.[0-4]\.0$/.test(version) || /^3\.[456]\.0$/.test(version))
    return 'translate it first: draisine ignition translate';
  if (version === '') return 'write "ignition": { "version": "3.3.0" }';
  // `3.3`, `v3.3.0`, ` 3.3.0`, `2.1.0-dev`
  const [, major, minor] = /^\s*v?([23])\.(\d)(?:\.0)?(?:-[\w.]+)?\s*$/.exec(version) ?? [];
  const meant = `${major}.${minor}.0`;
  if (/^3\.[0-3]\.0$/.test(meant)) return `write "${meant}"`;
  if (/^(2\.[0-4]|3\.[456])\.0$/.test(meant))
    return `write "${meant}", then translate it: draisine ignition translate`;
  if (/^\s*v?2\./.test(version))
    return 'spec 2 ends with 2.4.0: write "2.4.0", then translate it: draisine ignition translate';
  return /^\s*v?3\./.test(version)
    ? 'specs up to 3.6.0 are read: write "3.6.0", then translate it: draisine ignition translate'
    : 'write "3.3.0"';
}
