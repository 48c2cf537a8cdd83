import { badInput } from '../../sdk/lib/errors.ts';
import { compact } from '../json/value.ts';
import type { Secret } from '../secret.ts';
import type { Fragment } from './fragment.ts';
import { mountUnit } from './mount-unit.ts';
import { unit } from './unit.ts';

/** A swap area on a partition or volume, made if need be. */
export function swap(device: string, { wipe = false }: { readonly wipe?: boolean } = {}): Fragment {
  const rendered = mountUnit({ device, format: 'swap' }, false);
  const filesystem = compact({ device, format: 'swap', wipeFilesystem: wipe || undefined });
  return { storage: { filesystems: [filesystem] }, systemd: { units: [{ ...rendered }] } };
}

/** Compressed swap in memory. @param size of the uncompressed content, with K, M or G (zramctl(8)) */
export function zram({ size }: { readonly size: `${number}${'K' | 'M' | 'G'}` }): Fragment {
  return unit('zram-swap.service', {
    enabled: true,
    contents: {
      Unit: { Description: 'Compressed swap in memory', DefaultDependencies: false, Before: 'swap.target' },
      Service: {
        Type: 'oneshot',
        RemainAfterExit: true,
        ExecStart: [
          '/usr/sbin/modprobe zram num_devices=1',
          `/usr/sbin/zramctl --algorithm zstd --size ${size} /dev/zram0`,
          '/usr/sbin/mkswap /dev/zram0',
          '/usr/sbin/swapon --priority 100 /dev/zram0',
        ],
        ExecStop: ['/usr/sbin/swapoff /dev/zram0', '/usr/sbin/zramctl --reset /dev/zram0'],
      },
      Install: { WantedBy: 'swap.target' },
    },
  });
}

/** How a LUKS volume is unlocked: a key of yours, the machine's TPM, or Tang servers. */
export type Unlock =
  | { readonly key: Secret }
  | { readonly tpm2: true }
  | {
      readonly tang: readonly [
        { readonly url: string; readonly thumbprint: string },
        ...{ readonly url: string; readonly thumbprint: string }[],
      ];
    };

export interface LuksOptions {
  readonly device: string;
  readonly unlock: Unlock;
  /** What goes onto the open volume. */
  readonly filesystem?: { readonly format: 'ext4' | 'xfs' | 'btrfs'; readonly path: string };
  readonly wipe?: boolean;
}

/** An encrypted volume `/dev/mapper/NAME` (spec 3.3, storage.luks), with a filesystem mounted on it. */
export function luks(name: string, { device, unlock, filesystem, wipe = false }: LuksOptions): Fragment {
  if (name.includes('/')) throw badInput('a LUKS name has no slash', { where: name });
  const clevis =
    'tpm2' in unlock
      ? { tpm2: true }
      : 'tang' in unlock
        ? { tang: unlock.tang.map((one) => ({ ...one })) }
        : undefined;
  const key = 'key' in unlock ? { source: { ...unlock.key, as: 'data-url' } } : undefined;
  const volume = {
    name,
    device,
    ...(clevis && { clevis }),
    ...(key && { keyFile: key }),
    ...(wipe && { wipeVolume: true }),
  };
  const mapped = `/dev/mapper/${name}`;
  const mounted = filesystem && { device: mapped, format: filesystem.format, path: filesystem.path };
  const unitOf = mounted && mountUnit(mounted, 'tang' in unlock);
  return {
    storage: { luks: [volume], ...(mounted && { filesystems: [mounted] }) },
    ...(unitOf && { systemd: { units: [{ ...unitOf }] } }),
  };
}
