import { storageScript, storageUnit } from '../../packages/box/settings/storage.ts';
import { badInput } from '../../sdk/lib/errors.ts';
import { shellQuote, shellWords } from '../../sdk/lib/shell.ts';
import { meantMode, octalText } from '../base/mode.ts';
import type { Secret } from '../base/secret.ts';
import { type Account, file } from './file.ts';
import { type Fragment, matching, mergeFragments } from './fragment.ts';
import { PROBLEMS } from './problems.ts';
import { unit } from './unit.ts';
import { checkProperties, settingLines } from './zfs-properties.ts';
import { checkMountpoint, encryptionWords, keyPath, poolService } from './zpool.ts';

/** A number of bytes, with or without a unit. */
export type Size = `${number}${'' | 'K' | 'M' | 'G' | 'T'}` | 'none';

/** A ZFS dataset: its properties, and the owner of its top folder. */
export interface DatasetOptions {
  readonly quota?: Size;
  readonly reservation?: Size;
  /** Mount point; default: below the parent's. */
  readonly mountpoint?: string;
  /** Owner and mode of its root directory; default: root:root 0o755. */
  readonly owner?: { readonly user: Account; readonly group?: Account; readonly mode?: number };
  readonly encryption?: { readonly key: Secret };
  /** Any property (zfsprops(7)). */
  readonly properties?: { readonly [property: string]: string };
}

/** systemd unit that makes and mounts a dataset. */
export const datasetService = (name: string): string => storageUnit(name);

function declared({ quota, reservation, mountpoint, properties = {} }: DatasetOptions): [string, string][] {
  const given = { quota, reservation, mountpoint, ...properties };
  return Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== undefined);
}

/** Sets owner and mode if they differ. A dataset that is full to its quota refuses even the present ones. */
function owningLines({ user, group, mode = 0o755 }: NonNullable<DatasetOptions['owner']>): string[] {
  const account = shellQuote(`${user}${group === undefined ? '' : `:${group}`}`);
  const others = [
    `! -user ${shellQuote(`${user}`)}`,
    ...(group === undefined ? [] : [`! -group ${shellQuote(`${group}`)}`]),
  ];
  const octal = mode.toString(8).padStart(4, '0');
  return [
    '[ -w "$where" ] || exit 0 # the dataset is read-only',
    `find "$where" -maxdepth 0 \\( ${others.join(' -o ')} \\) -exec chown ${account} {} +`,
    `find "$where" -maxdepth 0 ! -perm ${octal} -exec chmod ${octal} {} +`,
  ];
}

/**
 * A shell script that makes the dataset once, and at each boot sets its properties, mounts it and sets its
 * owner.
 */
export function datasetScript(name: string, options: DatasetOptions, keyFile = keyPath(name)): string {
  const properties = declared(options);
  const create = [
    ...['zfs', 'create', '-p', '-u'],
    ...properties.flatMap(([property, value]) => ['-o', `${property}=${value}`]),
    ...(options.encryption ? encryptionWords('-o', keyFile) : []),
    name,
  ];
  const own = options.owner ? owningLines(options.owner) : [];
  return [
    'set -eu',
    PROBLEMS,
    `dataset=${shellQuote(name)}`,
    `zfs list -H -o name "$dataset" >/dev/null 2>&1 || ${shellWords(create)}`,
    ...settingLines(properties),
    // No dataset has a plus sign in its name.
    'name="dataset-$(echo "$dataset" | tr / +)"',
    'forget "$name"',
    `if [ "$(zfs get -H -o value keystatus "$dataset")" = unavailable ]; then
  root=$(zfs get -H -o value encryptionroot "$dataset")
  case "$(zfs get -H -o value keylocation "$root")" in
  prompt) tell "$name" "dataset $dataset is locked and waits for the key of $root: zfs load-key $root && systemctl restart ${datasetService(name)}"; exit 1 ;;
  *) zfs load-key "$root" </dev/null || { tell "$name" "dataset $dataset is locked: the key of $root cannot be read"; exit 1; } ;;
  esac
fi
if [ "$(zfs get -H -o value sharenfs "$dataset")" != off ] && ! command -v exportfs >/dev/null; then
  echo "<4>dataset $dataset has sharenfs, but this image has no NFS server: nothing is shared" >&2
fi`,
    'where=$(zfs get -H -o value mountpoint "$dataset")',
    'case "$where $(zfs get -H -o value canmount "$dataset")" in *" off") exit 0 ;; /*) ;; *) exit 0 ;; esac',
    '[ "$(zfs get -H -o value mounted "$dataset")" = yes ] || { keep_out "$where"; zfs mount "$dataset"; }',
    ...own,
    '',
  ].join('\n');
}

/** The datasets above a dataset, outermost first, without the pool. */
function ancestors(name: string): string[] {
  const parts = name.split('/');
  return parts.slice(2).map((_, index) => parts.slice(0, index + 2).join('/'));
}

/**
 * A ZFS dataset of a pool: `tank/media`.
 * @param keyFile the path of its key on the machine
 * @param around units that mount the folders around its mount point
 */
export function dataset(
  name: string,
  options: DatasetOptions = {},
  keyFile = keyPath(name),
  around: readonly string[] = [],
): Fragment {
  const shape = /^[A-Za-z][A-Za-z0-9_.-]*(\/[A-Za-z0-9_.:-]+)+$/;
  matching(name, shape, 'dataset name', 'write POOL/NAME');
  const where = `datasets.${name}`;
  if (name.length > 255) throw badInput('the name of a dataset has more than 255 characters', { where });
  if (options.mountpoint !== undefined) checkMountpoint(options.mountpoint, where);
  checkProperties(options.properties ?? {}, where);
  for (const limit of ['quota', 'reservation'] as const)
    if (!/^([0-9]+(\.[0-9]+)?[KMGTPE]?(i?B)?|none)$/i.test(options[limit] ?? 'none'))
      throw badInput(`not a size: ${JSON.stringify(options[limit])}`, {
        where: `${where}.${limit}`,
        hint: "write '500G' or '1.5T'",
      });
  const meant = meantMode(String(options.owner?.mode ?? ''));
  if (meant !== undefined)
    throw badInput(`mode ${options.owner?.mode} is ${octalText(options.owner?.mode ?? 0)}`, {
      where: `${where}.owner.mode`,
      hint: `write 0o${meant.toString(8)}`,
    });
  const script = storageScript(name);
  const pool = poolService(name.split('/')[0] ?? '');
  const key = options.encryption ? [file(keyFile, { contents: options.encryption.key, mode: 0o400 })] : [];
  return mergeFragments(
    ...key,
    file(script, { contents: datasetScript(name, options, keyFile), mode: 0o755 }),
    unit(datasetService(name), {
      enabled: true,
      contents: {
        Unit: {
          Description: `ZFS dataset ${name}`,
          Requires: pool,
          After: [...new Set([pool, ...ancestors(name).map(datasetService), ...around])].join(' '),
        },
        Service: { Type: 'oneshot', RemainAfterExit: true, ExecStart: `/bin/sh ${script}` },
        Install: { WantedBy: 'multi-user.target' },
      },
    }),
  );
}
