import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { badInput } from '../../sdk/lib/errors.ts';
import { type BootProfile, profileArguments } from '../boot/uki.ts';
import { runUkifyAddon } from '../boot/ukify.ts';
import { usrImageArguments } from '../fs/usr-image.ts';
import { type Plain, recipe, type Target } from '../graph/target.ts';
import { SYSTEMD_BOOT } from './esp.ts';
import { makeFat } from './fat.ts';

const KiB = 1 << 10;
/** Bytes of a cluster. A FAT16 has 4085 to 65524 clusters, so this gives 8 to 128 MiB. */
const CLUSTER = 2 * KiB;
const SMALLEST = 9 * KiB * KiB;
/** Bytes for systemd-boot, tables, folders and slack. */
const OVERHEAD = 1024 * KiB;

/**
 * The EFI system partition of an ISO, with the same UKI as on a disk. The UKI is not in EFI/Linux, where systemd-boot
 * would offer all its profiles. Instead, each profile that needs no disk has a menu entry of its own. The place of /usr
 * is in an addon (systemd-stub(7)), so it stays if a person edits the command line in the menu.
 */
export const isoEsp = recipe<{
  sdk: Target;
  uki: Target;
  ukiName: string;
  /** The system's name in the menu. */
  title: string;
  /** The root hash in the UKI. */
  rootHash: Target;
  cmdline: readonly string[];
  profiles: readonly Plain<BootProfile>[];
  /** The erofs of /usr, with which the file on the ISO begins. */
  usr: Target;
  menuSeconds: number;
  volumeId: string;
  epoch: number;
}>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, out, scratch, signal }) {
    const { sdk, uki, ukiName, title, cmdline, profiles, usr, menuSeconds, volumeId, epoch } = inputs;
    const live = [...profiles.entries()].filter(([, { cmdline }]) => cmdline.includes('root=tmpfs'));
    if (live.length === 0) {
      throw badInput('every profile needs a disk, so an ISO would have nothing to boot', {
        where: 'profiles of the image',
        hint: 'add one with root=tmpfs',
      });
    }
    const addon = join(scratch, 'addon.efi');
    const words = ['draisine.usr=iso', ...usrImageArguments(usr.size)].join(' ');
    await runUkifyAddon(sdk.path, words, addon, { scratch, signal, epoch });
    const files: [from: string, to: string][] = [
      [join(sdk.path, SYSTEMD_BOOT), 'EFI/BOOT/BOOTX64.EFI'],
      [uki.path, `EFI/draisine/${ukiName}`],
      [addon, 'loader/addons/draisine-iso.addon.efi'],
    ];
    const write = async (name: string, to: string, lines: readonly string[]) => {
      await writeFile(join(scratch, name), `${lines.join('\n')}\n`);
      files.push([join(scratch, name), to]);
    };
    await write('loader.conf', 'loader/loader.conf', [`timeout ${menuSeconds}`]);
    for (const [index, profile] of live) {
      // @N chooses the profile. The rest repeats the profile's command line, so that it can be edited. Secure Boot ignores it.
      const options = `@${index} ${await profileArguments(inputs.rootHash.path, cmdline, profile)}`;
      await write(`${profile.id}.conf`, `loader/entries/${profile.id}.conf`, [
        `title ${title} (${profile.title})`,
        `sort-key ${index}`,
        `efi /EFI/draisine/${ukiName}`,
        `options ${options}`,
      ]);
    }
    const needed = uki.size + OVERHEAD;
    await makeFat({
      ...{ sdk: sdk.path, out, bits: 16, volumeId, label: 'DRAISINE', epoch, scratch, signal },
      size: Math.max(SMALLEST, Math.ceil(needed / CLUSTER) * CLUSTER),
      folders: ['EFI', 'EFI/BOOT', 'EFI/draisine', 'loader', 'loader/addons', 'loader/entries'],
      files,
    });
  },
});
