import { badInput } from '../../sdk/lib/errors.ts';
import type { Secret } from '../secret.ts';
import { file } from './file.ts';
import { type Fragment, matching, mergeFragments } from './fragment.ts';
import { shellQuote } from './ini.ts';
import { unit } from './unit.ts';
import { unitEscape } from './unit-name.ts';

/** A whole disk by a name that stays. */
export type Disk = `/dev/disk/by-id/${string}`;

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
  /** Encrypts the pool's root dataset and what inherits from it. */
  readonly encryption?: { readonly key: Secret };
  /** Where its root dataset is mounted; default /mnt/POOL. */
  readonly mountpoint?: string;
  /** `if-blank` (default): made when all its disks are blank. `never`: only imported. */
  readonly create?: 'if-blank' | 'never';
  /** Properties of the root dataset, inherited by all (zfsprops(7)). */
  readonly properties?: { readonly [property: string]: string };
}

/** systemd unit that imports or makes a pool. */
export function poolService(pool: string): string {
  return `zpool-${unitEscape(pool)}.service`;
}

export function keyPath(dataset: string): string {
  return `/etc/draisine/keys/${dataset}`;
}

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

function vdevWords(vdev: Vdev): string[] {
  if ('disk' in vdev) return [vdev.disk];
  if ('draid' in vdev) {
    const { draid, parity = 1, data, spares } = vdev;
    const layout = `draid${parity}${data === undefined ? '' : `:${data}d`}:${draid.length}c${spares === undefined ? '' : `:${spares}s`}`;
    return [layout, ...draid];
  }
  return Object.entries(vdev).flatMap(([kind, disks]) => [kind, ...(disks as readonly Disk[])]);
}

/** The disks and groups as `zpool create` takes them. */
export function poolLayout({ vdevs, log, cache = [], special, spares = [] }: PoolOptions): string[] {
  return [
    ...vdevs.flatMap(vdevWords),
    ...(special ? ['special', 'mirror', ...special.mirror] : []),
    ...(log ? ['log', ...('mirror' in log ? ['mirror', ...log.mirror] : [log.disk])] : []),
    ...(cache.length > 0 ? ['cache', ...cache] : []),
    ...(spares.length > 0 ? ['spare', ...spares] : []),
  ];
}

function checkDisks(pool: string, disks: readonly string[]): void {
  for (const [index, disk] of disks.entries()) {
    matching(disk, /^\/dev\/disk\/by-id\/[^/\s]+$/, 'disk of a pool', 'name it as /dev/disk/by-id/…');
    if (disks.indexOf(disk) !== index)
      throw badInput(`${disk} stands twice in pool ${pool}`, { where: `pools.${pool}` });
  }
}

/** Options of `zpool create` for an encrypted dataset. */
export function encryptionWords(flag: '-O' | '-o', dataset: string): string[] {
  const key = `keylocation=file://${keyPath(dataset)}`;
  return [flag, 'encryption=aes-256-gcm', flag, 'keyformat=passphrase', flag, key];
}

const words = (list: readonly string[]): string => list.map(shellQuote).join(' ');

/** The shell script that makes sure of the pool. It never passes -f to anything. */
export function poolScript(name: string, options: PoolOptions): string {
  const {
    ashift = 12,
    encryption,
    mountpoint = `/mnt/${name}`,
    create = 'if-blank',
    properties = {},
  } = options;
  const layout = poolLayout(options);
  const disks = layout.filter((word) => word.startsWith('/'));
  checkDisks(name, disks);
  const rootProperties = Object.entries({ mountpoint, compression: 'lz4', atime: 'off', ...properties });
  const command = [
    ...['zpool', 'create', '-o', `ashift=${ashift}`, '-o', 'cachefile=none'],
    ...rootProperties.flatMap(([property, value]) => ['-O', `${property}=${value}`]),
    ...(encryption ? encryptionWords('-O', name) : []),
    name,
    ...layout,
  ];
  const making =
    create === 'never'
      ? `fail "not found, and the config says never to create it"`
      : `for disk in ${words(disks)}; do
  [ -b "$disk" ] || fail "disk $disk is missing"
  # 2: blkid found no signature, so the disk is blank
  code=0; signature=$(blkid -p -o export "$disk" 2>&1) || code=$?
  [ "$code" -eq 2 ] || fail "disk $disk is not blank: $(echo "$signature" | tr '\\n' ' '); wipe it yourself if you mean it: wipefs -a $disk"
done
tries=0
until said=$(${words(command)} 2>&1); do
  echo "$said" >&2
  tries=$((tries + 1))
  case "$tries $said" in
  [1-3]*unavailable*) sleep "$tries" ;; # udev reads a new table once more, and for a moment its partitions are gone
  *) wipefs --all --quiet ${words(disks)} || : # they were blank, and are to be so at the next boot
    fail 'not created' ;;
  esac
  udevadm settle --timeout=30 || :
done`;
  return `set -eu
pool=${shellQuote(name)}
fail() { echo "pool $pool: $*" >&2; exit 1; }
imported() { zpool list -H -o name "$pool" >/dev/null 2>&1; }
modprobe zfs
udevadm settle --timeout=30 || :
# Disks behind USB, or that spin up one after the other: without them the pool would come up degraded, or not at all.
whole() { zpool import -d /dev/disk/by-id 2>/dev/null | sed -n "/^ *pool: $pool\\$/,/^ *state:/p" | grep -q 'state: ONLINE'; }
imported || whole || for second in $(seq 60); do
  missing=''
  for disk in ${words(disks)}; do [ -b "$disk" ] || missing="$missing $disk"; done
  [ -n "$missing" ] || break
  [ "$second" -gt 1 ] || echo "pool $pool: waiting for$missing"
  sleep 1
done
if imported; then
  :
elif zpool import -d /dev/disk/by-id 2>/dev/null | grep -qE "^ *pool: $pool\\$"; then
  zpool import -d /dev/disk/by-id -N -o cachefile=none "$pool"
else
${making.replace(/^/gm, '  ')}
fi
[ "$(zfs get -H -o value keystatus "$pool")" != unavailable ] || zfs load-key "$pool"
case "$(zfs get -H -o value mounted "$pool") $(zfs get -H -o value canmount "$pool")" in
  "no on") zfs mount "$pool" ;;
esac
`;
}

/** A ZFS pool: imported at boot, made if all its disks are blank, never forced. */
export function zpool(name: string, options: PoolOptions): Fragment {
  const script = `/etc/draisine/pools/${poolName(name)}.sh`;
  const key = options.encryption
    ? [file(keyPath(name), { contents: options.encryption.key, mode: 0o400 })]
    : [];
  return mergeFragments(
    ...key,
    file(script, { contents: poolScript(name, options), mode: 0o755 }),
    unit(poolService(name), {
      enabled: true,
      contents: {
        Unit: { Description: `ZFS pool ${name}`, After: 'systemd-modules-load.service' },
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
