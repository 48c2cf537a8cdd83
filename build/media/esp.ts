import { copyFile, mkdir, open, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { badInput } from '../../sdk/lib/errors.ts';
import { runTool } from '../../sdk/tool.ts';
import { recipe, type Target } from '../graph/target.ts';

/** UKIs the ESP must be able to hold at once: the running one, the one before, the one being written. */
const UKIS = 3;
/** FAT tables, directories and cluster slack, in bytes; generous. */
const OVERHEAD = 8 << 20;

/**
 * The EFI system partition: systemd-boot at the fallback path, the UKI under EFI/Linux (Boot Loader Specification,
 * type 2). Written with mkfs.fat --invariant and mtools: no loop device, no root, no clock.
 */
export const esp = recipe<{
  sdk: Target;
  uki: Target;
  ukiName: string;
  /** Template of the addon with a machine's kernel arguments; not loaded from where it lies. */
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
          mend: 'enlarge it, or make the initrd or the kernel smaller',
        },
      );
    }
    const image = await open(out, 'wx');
    await image.truncate(size);
    await image.close();
    const env = { SOURCE_DATE_EPOCH: String(epoch), MTOOLS_SKIP_CHECK: '1' };
    const run = async (tool: string, args: string[]) =>
      await runTool(sdk.path, tool, args, { signal, env, cwd: scratch });
    await run('mkfs.fat', ['--invariant', '-F', '32', '-S', '512', '-i', volumeId, '-n', 'DRAISINE', out]);
    await run('mmd', ['-i', out, '::/EFI', '::/EFI/BOOT', '::/EFI/Linux', '::/EFI/systemd', '::/loader']);

    const staged = join(scratch, 'staged');
    await mkdir(staged);
    const put = async (from: string, to: string) => {
      // mcopy -m takes the file's time; a copy of ours gives it the build's.
      const copy = join(staged, 'file');
      await rm(copy, { force: true }); // a copy of a blob is read-only
      await copyFile(from, copy);
      await utimes(copy, epoch, epoch);
      await run('mcopy', ['-m', '-o', '-i', out, copy, `::/${to}`]);
    };
    const boot = join(sdk.path, 'usr/lib/systemd/boot/efi/systemd-bootx64.efi');
    await stat(boot);
    await put(boot, 'EFI/BOOT/BOOTX64.EFI');
    await put(boot, 'EFI/systemd/systemd-bootx64.efi');
    await put(uki.path, `EFI/Linux/${ukiName}`);
    await put(kargs.path, 'loader/draisine-kargs.efi');
    const settings = join(scratch, 'loader.conf');
    await writeFile(settings, `timeout ${menuSeconds}\n`);
    await put(settings, 'loader/loader.conf');
  },
});

function mib(bytes: number): string {
  return (bytes / (1 << 20)).toFixed(1);
}
