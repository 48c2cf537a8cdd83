import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { badInput } from '../../sdk/lib/errors.ts';
import { recipe, type Target } from '../graph/target.ts';
import { makeFat } from './fat.ts';

/** The number of UKIs that the ESP must hold at once: the running one, the one before, and the one being written. */
const UKIS = 3;
/** A generous size for the FAT's tables, directories and cluster slack, in bytes. */
const OVERHEAD = 8 << 20;

/** Path in the tool tree. */
export const SYSTEMD_BOOT = 'usr/lib/systemd/boot/efi/systemd-bootx64.efi';

/** The EFI system partition: systemd-boot at the fallback path, the UKI under EFI/Linux (Boot Loader Specification, type 2). */
export const esp = recipe<{
  sdk: Target;
  uki: Target;
  ukiName: string;
  /** Template of the addon with a machine's kernel arguments. systemd-stub does not load it from its folder. */
  kargs: Target;
  size: number;
  /** How long systemd-boot shows its menu (loader.conf(5)). */
  menuSeconds: number;
  volumeId: string;
  epoch: number;
}>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, out, scratch, signal }) {
    const { sdk, uki, ukiName, kargs, size, menuSeconds, volumeId, epoch } = inputs;
    const needed = UKIS * uki.size + OVERHEAD;
    if (needed > size) {
      throw badInput(
        `the ESP is too small for ${UKIS} UKIs: it has ${mib(size)} MiB, ${UKIS} × ${mib(uki.size)} MiB and ${mib(OVERHEAD)} MiB are needed`,
        {
          where: 'partitions.esp of the image',
          hint: 'enlarge it, or make the initrd or the kernel smaller',
        },
      );
    }
    const settings = join(scratch, 'loader.conf');
    await writeFile(settings, `timeout ${menuSeconds}\n`);
    const boot = join(sdk.path, SYSTEMD_BOOT);
    await makeFat({
      ...{ sdk: sdk.path, out, size, bits: 32, volumeId, label: 'DRAISINE', epoch, scratch, signal },
      folders: ['EFI', 'EFI/BOOT', 'EFI/Linux', 'EFI/systemd', 'loader'],
      files: [
        [boot, 'EFI/BOOT/BOOTX64.EFI'],
        [boot, 'EFI/systemd/systemd-bootx64.efi'],
        [uki.path, `EFI/Linux/${ukiName}`],
        [kargs.path, 'loader/draisine-kargs.efi'],
        [settings, 'loader/loader.conf'],
      ],
    });
  },
});

function mib(bytes: number): string {
  return (bytes / (1 << 20)).toFixed(1);
}
