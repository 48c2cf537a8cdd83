import { badInput } from '../../sdk/lib/errors.ts';
import type { Secret } from '../base/secret.ts';
import { compact } from '../json/value.ts';
import type { Fragment } from './fragment.ts';
import { mountUnit } from './mount-unit.ts';
import { unit } from './unit.ts';

/** A swap area on a partition or volume. It is made if it does not exist. */
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

/** The key that unlocks a LUKS volume. (TPM and Tang need Clevis, which no image has.) */
export interface Unlock {
  readonly key: Secret;
}

/** An encrypted volume: its device, its key, and the file system on it (cryptsetup(8)). */
export interface LuksOptions {
  readonly device: string;
  readonly unlock: Unlock;
  /** The file system on the open volume. */
  readonly filesystem?: { readonly format: 'ext4' | 'xfs' | 'btrfs'; readonly path: string };
  readonly wipe?: boolean;
}

/** An encrypted volume `/dev/mapper/NAME` (spec 3.3, storage.luks), with a filesystem mounted on it. */
export function luks(name: string, { device, unlock, filesystem, wipe = false }: LuksOptions): Fragment {
  if (name.includes('/')) throw badInput('a LUKS name has no slash', { where: name });
  if (!unlock || !('key' in unlock)) {
    throw badInput('a LUKS volume needs a key; TPM and Tang need Clevis, which no image has', {
      where: `luks.${name}.unlock`,
      hint: "write unlock: { key: secret({ file: 'NAME' }) }",
    });
  }
  const keyFile = { source: { ...unlock.key, as: 'data-url' } };
  const volume = { name, device, keyFile, ...(wipe && { wipeVolume: true }) };
  const mapped = `/dev/mapper/${name}`;
  const mounted = filesystem && { device: mapped, format: filesystem.format, path: filesystem.path };
  const unitOf = mounted && mountUnit(mounted, false);
  return {
    storage: { luks: [volume], ...(mounted && { filesystems: [mounted] }) },
    ...(unitOf && { systemd: { units: [{ ...unitOf }] } }),
  };
}
