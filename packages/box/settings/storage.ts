import { encodeUtf8 } from '../io/utf8.ts';

/*
 * Scripts and units that a machine config makes for pools and datasets. The box takes from their names which jobs there
 * are, and from a script which disks a pool has.
 */

/** The folder of the scripts that make snapshots. */
export const SNAPSHOTS = '/etc/draisine/snapshots';

/** The folder of the scripts that scrub pools, POOL.sh. */
export const SCRUBS = '/etc/draisine/scrubs';

/** The folder of the scripts that make or import pools, POOL.sh. */
export const POOLS = '/etc/draisine/pools';

/** The folder of the keys of encrypted pools and datasets. */
const KEYS = '/etc/draisine/keys';

/**
 * The file with the key of an encrypted pool or dataset. Below a pool or dataset with a key of its own the path has `+`
 * for `/`: the file of that key cannot also be a folder. No name of ZFS has a `+`.
 */
export const storageKey = (name: string, isBelowKey = false): string =>
  `${KEYS}/${isBelowKey ? name.replaceAll('/', '+') : name}`;

/** The pool or dataset whose key a file has; undefined for another file. */
export const keyOf = (path: string): string | undefined =>
  path.startsWith(`${KEYS}/`) ? path.slice(KEYS.length + 1).replaceAll('+', '/') : undefined;

/** The folder of the scripts that make and mount datasets, POOL/NAME.sh. */
const DATASETS = '/etc/draisine/datasets';

const DAY = 24 * 3_600_000;

/** The periods of snapshots, in milliseconds. */
export const PERIODS = { hourly: DAY / 24, daily: DAY, weekly: 7 * DAY, monthly: 31 * DAY } as const;

/** The interval of a job. */
export type Period = keyof typeof PERIODS;

/** A string as part of a unit name (systemd.unit(5), "String escaping for inclusion in unit names"). */
export function unitEscape(text: string): string {
  return [...encodeUtf8(text)]
    .map((byte, at) => {
      const char = String.fromCharCode(byte);
      if (char === '/') return '-';
      const stays = /[A-Za-z0-9:_]/.test(char) || (char === '.' && at > 0);
      return stays ? char : `\\x${byte.toString(16).padStart(2, '0')}`;
    })
    .join('');
}

/** The unit that imports or makes a pool, or that makes and mounts a dataset. */
export const storageUnit = (name: string): string =>
  `${name.includes('/') ? 'zfs-dataset' : 'zpool'}-${unitEscape(name)}.service`;

/** The script that this unit runs. */
export const storageScript = (name: string): string => `${name.includes('/') ? DATASETS : POOLS}/${name}.sh`;

/** The name of the units of a dataset's snapshots, without `.timer`. */
export const snapshotUnit = (dataset: string, period: Period): string =>
  `snapshot-${unitEscape(dataset)}-${period}`;

/** The script of a dataset's snapshots. */
export const snapshotScript = (dataset: string, period: Period): string =>
  `${SNAPSHOTS}/${dataset}.${period}.sh`;

/** The snapshots that a script makes; undefined for another file. */
export function snapshotsOf(path: string): { readonly dataset: string; readonly period: Period } | undefined {
  const [, dataset = '', period = ''] = /^(.+)\.([a-z]+)\.sh$/.exec(path.slice(SNAPSHOTS.length + 1)) ?? [];
  const known = path.startsWith(`${SNAPSHOTS}/`) && Object.hasOwn(PERIODS, period);
  return known ? { dataset, period: period as Period } : undefined;
}

/** The name of the units of a pool's scrubs, without `.timer`. */
export const scrubUnit = (pool: string): string => `scrub-${unitEscape(pool)}`;

/** The line with the layout in the script of a pool. */
export const layoutLine = (words: readonly string[]): string => `# layout: ${words.join(' ')}`;

/** The layout in the script of a pool; undefined for another text. */
export const layoutIn = (text: string): string | undefined => /^# layout: (.*)$/m.exec(text)?.[1];
