import { byteLength } from '../json/text.ts';
import { type Problem, problem, type Report } from '../report.ts';
import { checkOptionalPath, checkPath } from './path.ts';
import { checkOptionalUrl, checkTangUrl } from './url.ts';

type Integer = number | bigint;

interface Filesystem {
  readonly device: string;
  readonly format?: string;
  readonly label?: string;
  readonly path?: string;
  readonly uuid?: string;
  readonly wipeFilesystem?: boolean;
  readonly options?: readonly string[];
  readonly mountOptions?: readonly string[];
}

const FORMATS = ['ext4', 'btrfs', 'xfs', 'swap', 'vfat'];
/** Longest label in bytes (mkfs.ext4(8), mkfs.btrfs(8), mkfs.xfs(8), mkswap by trial, mkfs.fat(8)). */
const LABEL_LIMITS: Readonly<Record<string, number>> = { ext4: 16, btrfs: 256, xfs: 12, swap: 15, vfat: 11 };

function checkFormat(fs: Filesystem, minor: number): Problem | undefined {
  if (fs.format) {
    const known = minor >= 3 ? [...FORMATS, 'none'] : FORMATS;
    return known.includes(fs.format)
      ? undefined
      : problem('invalid filesystem format', `spec 3.${minor} knows ${known.join(', ')}`);
  }
  const described =
    fs.path ||
    fs.label ||
    fs.uuid ||
    fs.wipeFilesystem ||
    (minor >= 1 && fs.mountOptions?.length) ||
    fs.options?.length;
  if (!described) return undefined;
  return problem(
    'format cannot be empty when path, label, uuid, wipeFilesystem, options, or mountOptions is specified',
    `give a format: ${FORMATS.join(', ')}`,
  );
}

function checkFilesystemLabel({ format, label }: Filesystem): Problem | undefined {
  if (!label) return undefined;
  if (!format) return problem('filesystem must specify format if label is specified');
  const limit = LABEL_LIMITS[format];
  if (limit === undefined || !Object.hasOwn(LABEL_LIMITS, format) || byteLength(label) <= limit)
    return undefined;
  return problem(
    `filesystem labels cannot be longer than ${limit} characters when using ${format}`,
    `this one has ${byteLength(label)}`,
  );
}

export const checkFilesystem =
  (minor: number) =>
  (fs: Filesystem, report: Report): void => {
    report.error(checkOptionalPath(fs.path), 'path');
    report.error(checkPath(fs.device), 'device');
    report.error(checkFormat(fs, minor), 'format');
    report.error(checkFilesystemLabel(fs), 'label');
  };

interface Raid {
  readonly level?: string;
  readonly spares?: Integer;
  readonly devices?: readonly string[];
}

const LEVELS_WITHOUT_SPARES = ['linear', 'raid0', '0', 'stripe'];
const LEVELS_WITH_SPARES = ['raid1', '1', 'mirror', 'raid4', '4', 'raid5', '5', 'raid6', '6', 'raid10', '10'];

function checkLevel({ level = '', spares = 0 }: Raid, minor: number): Problem | undefined {
  const names = 'use linear, raid0, raid1, raid4, raid5, raid6 or raid10';
  if (level === '' && minor >= 3) return problem('raid level is required', names);
  if (LEVELS_WITH_SPARES.includes(level)) return undefined;
  if (!LEVELS_WITHOUT_SPARES.includes(level)) return problem('unrecognized raid level', names);
  return spares === 0
    ? undefined
    : problem(
        'spares unsupported for linear and raid0 arrays',
        'set spares to 0, or take a level with redundancy',
      );
}

export const checkRaid =
  (minor: number) =>
  (raid: Raid, report: Report): void => {
    report.error(checkLevel(raid, minor), 'level');
    if (!raid.devices?.length)
      report.error(problem('raid devices required', 'list the member devices'), 'devices');
  };

interface Clevis {
  readonly custom?: Custom;
  readonly tang?: readonly unknown[];
  readonly tpm2?: boolean;
  readonly threshold?: Integer;
}

interface Custom {
  readonly pin?: string;
  readonly config?: string;
  readonly needsNetwork?: boolean;
}

interface Luks {
  readonly name: string;
  readonly device?: string;
  readonly label?: string;
  readonly clevis?: Clevis;
  readonly keyFile?: { readonly source?: string };
}

function mixesCustom({ custom, tang = [], tpm2, threshold = 0 }: Clevis, minor: number): boolean {
  const hasCustom = minor >= 3 ? !!custom?.pin : custom !== undefined;
  return hasCustom && (tang.length > 0 || tpm2 === true || threshold !== 0);
}

export const checkLuks =
  (minor: number) =>
  (luks: Luks, report: Report): void => {
    if (luks.name.includes('/')) {
      report.error(
        problem('device names cannot contain slashes', 'the device appears as /dev/mapper/NAME'),
        'name',
      );
    }
    if (luks.label && byteLength(luks.label) > 47) {
      report.error(problem('luks device labels cannot be longer than 47 characters', 'shorten it'), 'label');
    }
    report.error(luks.device ? checkPath(luks.device) : problem('disk device is required'), 'device');
    if (luks.clevis && mixesCustom(luks.clevis, minor)) {
      report.error(
        problem('cannot use custom clevis config with tpm2, tang, or threshold', 'keep one'),
        'clevis',
      );
    }
    if (checkOptionalUrl(luks.keyFile?.source, minor)) {
      report.error(problem('invalid key-file source', 'see the entry at keyFile.source'), 'keys');
    }
  };

export const checkClevisCustom =
  (minor: number) =>
  ({ pin = '', config = '', needsNetwork }: Custom, report: Report): void => {
    if (pin === '' && config === '' && (minor < 3 || needsNetwork !== true)) return;
    if (pin === '' && minor >= 3) {
      report.error(problem('missing required custom clevis pin', 'use tpm2, tang or sss'), 'pin');
    } else if (!['tpm2', 'tang', 'sss'].includes(pin)) {
      report.error(problem('unsupported clevis pin', 'use tpm2, tang or sss'), 'pin');
    }
    if (config === '')
      report.error(problem('missing required custom clevis config', 'clevis takes JSON here'), 'config');
  };

export function checkTang({ url, thumbprint }: { url: string; thumbprint?: string }, report: Report): void {
  report.error(checkTangUrl(url), 'url');
  if (!thumbprint)
    report.error(problem('thumbprint is required', 'ask the server: tang-show-keys'), 'thumbprint');
}
