import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runTool } from '../../sdk/tool.ts';
import { recipe, type Target } from '../graph/target.ts';
import { biosNotice } from './bios-notice.ts';
import { APPLICATION, CONFIG_AREA, CONFIG_FILE } from './iso-config.ts';

const ESP_TYPE = 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B';

/**
 * The volume's name. It contains the root hash of /usr, so that the initrd of a build finds the medium of the same build
 * (packages/overlays/initrd/usr/lib/draisine/usr).
 */
export function isoLabel(rootHash: string): string {
  return `DRAISINE_${rootHash.slice(0, 16).toUpperCase()}`;
}

/**
 * A hybrid ISO for UEFI. It boots as a CD by El Torito, and on a stick as a disk with a GPT. Both ways lead to the same
 * ESP, a partition behind the ISO 9660 file system. The ISO 9660 file system holds /usr as draisine/usr.img, and a blank
 * area for a machine config (iso-config.ts). A BIOS finds a boot sector that asks for UEFI mode. xorriso writes the ISO
 * without root.
 */
export const iso = recipe<{
  sdk: Target;
  /** Output of `isoEsp`. */
  esp: Target;
  /** Output of `usrImage`. */
  usrImage: Target;
  /** The root hash in text. */
  rootHash: Target;
  /** UUID of the GPT. The UUIDs of the partitions are made from it. */
  diskUuid: string;
  epoch: number;
}>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, out, scratch, signal }) {
    const { sdk, esp, usrImage, rootHash, diskUuid, epoch } = inputs;
    const bios = join(scratch, 'bios.img');
    const area = join(scratch, CONFIG_FILE);
    await writeFile(bios, biosNotice());
    await writeFile(area, Buffer.alloc(CONFIG_AREA, '\n'));
    await runTool(
      sdk.path,
      'xorriso',
      [
        ...['-no_rc', '-as', 'mkisofs', '-quiet', '-no-pad', '-iso-level', '3', '-r'],
        ...['--set_all_file_dates', `=${epoch}`],
        ...['-V', isoLabel((await readFile(rootHash.path, 'utf8')).trim()), '-A', APPLICATION],
        ...['-G', bios, `--gpt_disk_guid`, diskUuid],
        ...['-append_partition', '2', ESP_TYPE, esp.path, '-appended_part_as_gpt'],
        ...['-c', 'boot/boot.cat', '-b', 'boot/bios.img', '-no-emul-boot', '-boot-load-size', '4'],
        ...['-eltorito-alt-boot', '-e', '--interval:appended_partition_2:all::', '-no-emul-boot'],
        ...['-o', out, '-graft-points'],
        ...[`draisine/usr.img=${usrImage.path}`, `boot/bios.img=${bios}`, `${CONFIG_FILE}=${area}`],
      ],
      { signal, cwd: scratch, env: { SOURCE_DATE_EPOCH: String(epoch) } },
    );
  },
});
