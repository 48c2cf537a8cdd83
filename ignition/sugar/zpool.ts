import { layoutLine, storageKey, storageScript, storageUnit } from '../../packages/box/settings/storage.ts';
import { badInput } from '../../sdk/lib/errors.ts';
import { shellQuote, shellWords } from '../../sdk/lib/shell.ts';
import { cleanPath } from '../base/clean-path.ts';
import type { Secret } from '../base/secret.ts';
import { file } from './file.ts';
import { type Fragment, matching, mergeFragments } from './fragment.ts';
import { PROBLEMS } from './problems.ts';
import { unit } from './unit.ts';
import { checkProperties, settingLines } from './zfs-properties.ts';

/**
 * A whole disk by a stable name. Use its place (`by-path`) only if disks share one serial number, as behind
 * some USB bridges: a disk that moves to another port is then another disk.
 */
export type Disk = `/dev/disk/by-id/${string}` | `/dev/disk/by-path/${string}`;

type Two = readonly [Disk, Disk, ...Disk[]];
type Three = readonly [Disk, Disk, Disk, ...Disk[]];
type Four = readonly [Disk, Disk, Disk, Disk, ...Disk[]];

/** One group of disks: a mirror has two or more, raidzN at least N + 1 (zpoolconcepts(7)). */
export type Vdev =
  | { readonly mirror: Two }
  | { readonly raidz1: Two }
  | { readonly raidz2: Three }
  | { readonly raidz3: Four }
  | {
      readonly draid: Two;
      readonly parity?: 1 | 2 | 3;
      readonly data?: number;
      readonly spares?: number;
    }
  | { readonly disk: Disk };

/** A ZFS pool: its disks, properties and datasets. */
export interface PoolOptions {
  readonly vdevs: readonly [Vdev, ...Vdev[]];
  /** Intent log: one disk or a mirror. */
  readonly log?: { readonly disk: Disk } | { readonly mirror: Two };
  readonly cache?: readonly Disk[];
  /** Metadata and small blocks: losing it loses the pool, so it is a mirror. */
  readonly special?: { readonly mirror: Two };
  readonly spares?: readonly Disk[];
  /** Sector size as a power of two; default 12 (4 KiB). */
  readonly ashift?: 9 | 10 | 11 | 12 | 13 | 14 | 15 | 16;
  /** Encrypts the pool's root dataset, and the datasets that inherit from it. */
  readonly encryption?: { readonly key: Secret };
  /** Mount point of its root dataset; default /mnt/POOL. */
  readonly mountpoint?: string;
  /** `if-blank` (default): the pool is made if all its disks are blank. `never`: it is only imported. */
  readonly create?: 'if-blank' | 'never';
  /** Properties of the root dataset; all datasets inherit them (zfsprops(7)). */
  readonly properties?: { readonly [property: string]: string };
}

/** The systemd unit that imports or makes a pool. */
export const poolService = (pool: string): string => storageUnit(pool);

/** The file on the machine with the key of an encrypted pool or dataset. */
export const keyPath = storageKey;

function poolName(name: string): string {
  matching(
    name,
    /^[A-Za-z][A-Za-z0-9_.-]{0,254}$/,
    'pool name',
    'begin with a letter; use letters, digits, . - and _',
  );
  if (!/^(mirror|raidz|draid|spare|log$)/.test(name)) return name;
  throw badInput(`${name} is a word of zpool's own`, { hint: 'take another pool name' });
}

/** Folders of the system, and all that is in some of them. The system does not run with other files there. */
const OF_SYSTEM = /^\/(|root|etc|var|(bin|boot|dev|lib|lib64|proc|run|sbin|sys|usr)(\/.*)?)$/;

/** Refuses a mount point that zfs refuses (zfsprops(7), mountpoint), and one that hides files of the system. */
export function checkMountpoint(mountpoint: string, where: string): void {
  if (/^(none|legacy)$/.test(mountpoint)) return;
  if (OF_SYSTEM.test(cleanPath(mountpoint)))
    throw badInput(`the mount point ${mountpoint} would hide files of the system`, {
      where: `${where}.mountpoint`,
      hint: 'take another one: /srv/media',
    });
  if (mountpoint.startsWith('/')) return;
  throw badInput(`the mount point ${JSON.stringify(mountpoint)} is not absolute`, {
    where: `${where}.mountpoint`,
    hint: 'write it from the root: /srv/media',
  });
}

const LEAST: Readonly<Record<string, number>> = { mirror: 2, raidz1: 2, raidz2: 3, raidz3: 4, draid: 2 };

/** Refuses groups that have too few disks for their kind, or none (zpoolconcepts(7)). */
function checkVdevs(pool: string, vdevs: readonly Vdev[]): void {
  const where = `pools.${pool}.vdevs`;
  if (vdevs.length === 0) throw badInput(`pool ${pool} has no disks`, { where });
  for (const [index, vdev] of vdevs.entries()) {
    const kinds = Object.keys(vdev).filter((key) => key === 'disk' || key in LEAST);
    const [kind = ''] = kinds;
    if (kinds.length !== 1)
      throw badInput(`a group of disks has ${kinds.length} kinds`, {
        where: `${where}[${index}]`,
        hint: `write one of disk, ${Object.keys(LEAST).join(', ')}`,
      });
    const disks = (vdev as { readonly [kind: string]: unknown })[kind];
    const least = LEAST[kind] ?? 0;
    if (Array.isArray(disks) && disks.length < least)
      throw badInput(`${kind} has ${disks.length} disks and needs at least ${least}`, {
        where: `${where}[${index}]`,
      });
  }
}

/** A group of disks: its kind, the number of disks that it may lose, and the number of disks that it has. */
interface Group {
  readonly kind: string;
  readonly spare: number;
  readonly disks: number;
  readonly text: string;
}

function groupOf(vdev: Vdev, where = ''): Group {
  if ('disk' in vdev) return { kind: 'disk', spare: 0, disks: 1, text: `${where}one disk` };
  const name = Object.keys(vdev).find((key) => key in LEAST) ?? '';
  const disks = (vdev as { readonly [kind: string]: unknown })[name] as readonly Disk[];
  const kind = name.replace(/[0-9]$/, '');
  const parity = 'draid' in vdev ? (vdev.parity ?? 1) : Number(name.at(-1));
  const spare = kind === 'mirror' ? disks.length - 1 : parity;
  return { kind, spare, disks: disks.length, text: `${where}${name} of ${disks.length} disks` };
}

/**
 * Whether ZFS makes a pool of two groups without force: both may lose the same number of disks, and groups of one kind
 * have the same number of disks (get_replication of OpenZFS's zpool_vdev.c).
 */
const isAlike = (one: Group, other: Group): boolean =>
  one.kind === other.kind
    ? one.spare === other.spare && one.disks === other.disks
    : one.spare === other.spare && one.kind !== 'disk' && other.kind !== 'disk';

/** Refuses groups that ZFS puts into one pool only with force, which the script never uses. */
function checkRedundancy(pool: string, { vdevs, special, create }: PoolOptions): void {
  if (create === 'never') return;
  const [first, ...others] = [
    ...vdevs.map((vdev) => groupOf(vdev)),
    ...(special ? [groupOf(special, 'special ')] : []),
  ];
  const other = others.find((each) => first && !isAlike(first, each));
  if (first === undefined || other === undefined) return;
  throw badInput(`ZFS makes no pool of ${first.text} and ${other.text}: their redundancy differs`, {
    where: `pools.${pool}`,
    hint: "let each group lose the same number of disks, and give groups of one kind the same number; or make the pool by hand (zpool create -f), and write create: 'never'",
  });
}

function vdevWords(vdev: Vdev): string[] {
  if ('disk' in vdev) return [vdev.disk];
  if ('draid' in vdev) {
    const { draid, parity = 1, data, spares } = vdev;
    const layout = `draid${parity}${data === undefined ? '' : `:${data}d`}:${draid.length}c${spares === undefined ? '' : `:${spares}s`}`;
    return [layout, ...draid];
  }
  return Object.entries(vdev).flatMap(([kind, disks]) => [kind, ...(disks as readonly Disk[])]);
}

/** The disks and groups as arguments of `zpool create`. */
export function poolLayout({ vdevs, log, cache = [], special, spares = [] }: PoolOptions): string[] {
  return [
    ...vdevs.flatMap(vdevWords),
    ...(special ? ['special', 'mirror', ...special.mirror] : []),
    ...(log ? ['log', ...('mirror' in log ? ['mirror', ...log.mirror] : [log.disk])] : []),
    ...(cache.length > 0 ? ['cache', ...cache] : []),
    ...(spares.length > 0 ? ['spare', ...spares] : []),
  ];
}

/** All disks of a pool. */
export const disksOf = (options: PoolOptions): string[] =>
  poolLayout(options).filter((word) => word.startsWith('/'));

function checkDisks(pool: string, disks: readonly string[]): void {
  for (const [index, disk] of disks.entries()) {
    matching(
      disk,
      /^\/dev\/disk\/by-(id|path)\/[^/\s]+$/,
      'disk of a pool',
      'name it as /dev/disk/by-id/…, or by-path where two disks have one serial number',
    );
    if (disks.indexOf(disk) !== index)
      throw badInput(`pool ${pool} has the disk ${disk} twice`, { where: `pools.${pool}` });
  }
}

/** Options of `zpool create` and `zfs create` for an encrypted dataset. `path`: of its key. */
export function encryptionWords(flag: '-O' | '-o', path: string): string[] {
  return [flag, 'encryption=aes-256-gcm', flag, 'keyformat=passphrase', flag, `keylocation=file://${path}`];
}

/**
 * Features that the previous release knows as well, so that it can read the pool after a rollback
 * (zpool-features(7)).
 * `zpool upgrade` raises them when both releases of a machine know more.
 */
const COMPATIBILITY = 'openzfs-2.2-linux';

/** Makes the pool if all its disks are blank. If that fails, the disks are blank again. */
function makingScript(name: string, options: PoolOptions): string {
  const { ashift = 12, encryption, mountpoint = `/mnt/${name}`, create, properties = {} } = options;
  if (create === 'never') return `fail "not found, and the config says never to create it"`;
  const layout = poolLayout(options);
  const disks = shellWords(disksOf(options));
  const rootProperties = Object.entries({ mountpoint, compression: 'lz4', atime: 'off', ...properties });
  const command = [
    ...['zpool', 'create', '-o', `ashift=${ashift}`, '-o', 'cachefile=none'],
    ...['-o', `compatibility=${COMPATIBILITY}`],
    ...rootProperties.flatMap(([property, value]) => ['-O', `${property}=${value}`]),
    ...(encryption ? encryptionWords('-O', keyPath(name)) : []),
    name,
    ...layout,
  ];
  return `for disk in ${disks}; do
  [ -b "$disk" ] || fail "disk $disk is missing. Nothing was made or changed; it comes up by itself when the disk does"
  # blkid also exits with 2 for a disk that it cannot read
  head -c 1048576 "$disk" >/dev/null || fail "disk $disk cannot be read, so it is not known to be blank: smartctl -a $disk"
  # 2: blkid found no signature, so the disk is blank
  code=0; signature=$(blkid -p -o export "$disk" 2>&1) || code=$?
  [ "$code" -eq 2 ] || fail "disk $disk is not blank: $(echo "$signature" | tr '\\n' ' '); wipe it yourself if you mean it: wipefs -a $disk"
done
tries=0
until said=$(${shellWords(command)} 2>&1); do
  echo "$said" >&2
  tries=$((tries + 1))
  case "$tries $said" in
  [1-3]*unavailable*) sleep "$tries" ;; # udev reads a new table once more, and for a moment its partitions are gone
  *) wipefs --all --quiet ${disks} || : # they were blank, and are to be so at the next boot
    fail "not created: $(echo "$said" | tr '\\n\\t' '  ')" ;;
  esac
  udevadm settle --timeout=30 || :
done`;
}

/**
 * Imports without force. zpool's own advice for a pool that cannot be imported ends in "Destroy and
 * re-create". It is not shown.
 */
const IMPORTING = `if ! said=$(zpool import -d "$dir" -N -o cachefile=none "$pool" 2>&1); then
  case "$said" in
  *'previously in use from another system'*)
    fail "it was last used by another machine, and not exported there. If that machine does not have it any more: zpool import -f -d $dir -N -o cachefile=none $pool && systemctl restart $unit" ;;
  *) fail "it cannot be imported now; nothing on its disks was changed. ZFS says: $(echo "$said" | sed '/[Dd]estroy/d' | tr '\\n\\t' '  ')" ;;
  esac
fi`;

/**
 * Loads keys from files. A key that a person has to type does not stop the boot. All datasets are mounted here, the outer
 * one before the inner one.
 */
const OPENING = `zfs list -H -o name,encryptionroot,keystatus,keylocation -t filesystem,volume -r "$pool" |
  while IFS='	' read -r name root status location; do
    [ "$name" = "$root" ] || continue
    problem="key-$(echo "$name" | tr / +)"
    forget "$problem"
    [ "$status" = unavailable ] || continue
    case "$location" in
    prompt) tell "$problem" "dataset $name is locked and waits for its key: zfs load-key $name && zfs mount -R $name" ;;
    *) zfs load-key "$name" </dev/null || tell "$problem" "dataset $name is locked: its key $location cannot be read" ;;
    esac
  done
zfs list -H -o name,mounted,canmount,keystatus,mountpoint -s mountpoint -t filesystem -r "$pool" |
  while IFS='	' read -r name mounted canmount status where; do
    problem="mount-$(echo "$name" | tr / +)"
    forget "$problem"
    case "$mounted $canmount $status $where" in
    'no on '*' unavailable /'*) keep_out "$where" ;;
    'no on '*' /'*) keep_out "$where"; zfs mount "$name" || tell "$problem" "dataset $name could not be mounted at $where" ;;
    esac
  done`;

/** Sets the properties that an imported pool has not yet. Its datasets are mounted even if that fails, e.g. if it is full. */
function propertyLines({ properties = {} }: PoolOptions): string {
  const lines = settingLines(Object.entries(properties));
  if (lines.length === 0) return '';
  const failed = `echo "<4>pool $pool: some properties of the machine config could not be set" >&2`;
  return `dataset=$pool\n${lines.join('\n')} || ${failed}\n`;
}

/** The shell script that imports or makes the pool. It never passes -f to a command. */
export function poolScript(name: string, options: PoolOptions): string {
  const { mountpoint = `/mnt/${name}` } = options;
  checkMountpoint(mountpoint, `pools.${name}`);
  checkProperties(options.properties ?? {}, `pools.${name}`);
  checkVdevs(name, options.vdevs);
  checkRedundancy(name, options);
  const disks = disksOf(options);
  checkDisks(name, disks);
  const dir = disks.some((disk) => disk.startsWith('/dev/disk/by-path/'))
    ? '/dev/disk/by-path'
    : '/dev/disk/by-id';
  return `${layoutLine(poolLayout(options))}
set -eu
pool=${shellQuote(name)}
pattern=${shellQuote(name.replaceAll('.', '\\.'))} # for sed and grep: a dot stands for itself
unit=${shellQuote(poolService(name))}
dir=${dir}
mountpoint=${shellQuote(mountpoint)}
${PROBLEMS}
fail() { tell "pool-$pool" "pool $pool: $*"; exit 1; }
imported() { zpool list -H -o name "$pool" >/dev/null 2>&1; }
modprobe zfs
udevadm settle --timeout=30 || :
# Disks behind USB, or that spin up one after the other: without them the pool would come up degraded, or not at all.
whole() { zpool import -d "$dir" 2>/dev/null | sed -n "/^ *pool: $pattern\\$/,/^ *state:/p" | grep -q 'state: ONLINE'; }
imported || whole || for second in $(seq 60); do
  missing=''
  for disk in ${shellWords(disks)}; do [ -b "$disk" ] || missing="$missing $disk"; done
  [ -n "$missing" ] || break
  [ "$second" -gt 1 ] || echo "pool $pool: waiting for$missing"
  sleep 1
done
if imported; then
  :
elif zpool import -d "$dir" 2>/dev/null | grep -q "^ *pool: $pattern\\$"; then
${IMPORTING.replace(/^/gm, '  ')}
else
${makingScript(name, options).replace(/^/gm, '  ')}
fi
forget "pool-$pool" # not before: its text is right until then
was=$(zfs get -H -o value mountpoint "$pool")
if [ "$was" != "$mountpoint" ]; then
  echo "<5>pool $pool was mounted at $was, and is at $mountpoint from now on, as the machine config says"
  zfs set -u "mountpoint=$mountpoint" "$pool"
fi
${propertyLines(options)}${OPENING}
`;
}

/**
 * A ZFS pool: imported at boot, made if all its disks are blank, never forced.
 * @param around units that mount the folders around its mount points
 */
export function zpool(name: string, options: PoolOptions, around: readonly string[] = []): Fragment {
  const script = storageScript(poolName(name));
  const key = options.encryption
    ? [file(keyPath(name), { contents: options.encryption.key, mode: 0o400 })]
    : [];
  return mergeFragments(
    ...key,
    file(script, { contents: poolScript(name, options), mode: 0o755 }),
    unit(poolService(name), {
      enabled: true,
      contents: {
        Unit: {
          Description: `ZFS pool ${name}`,
          After: ['systemd-modules-load.service', ...around].join(' '),
          OnFailure: 'draisine-pool-late@%N.service',
        },
        Service: {
          Type: 'oneshot',
          RemainAfterExit: true,
          ExecStart: `/bin/sh ${script}`,
          ExecStop: `-/usr/sbin/zpool export ${name}`,
          TimeoutStartSec: '5min',
        },
        Install: { WantedBy: 'multi-user.target' },
      },
    }),
  );
}
