import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { recipe, type Target } from '../graph/target.ts';
import { runUkifyAddon } from './ukify.ts';

/**
 * The first word of the .cmdline section of an EFI addon (systemd-stub(7)). The rest of the section is blanks. The
 * initrd's ignition-kargs-helper finds this word, writes a machine's own kernel arguments behind it, and puts the addon
 * beside the UKI.
 */
const KARGS_MARK = 'draisine.kargs';
/** Length of the section in bytes. The kernel takes 2048 bytes in total (COMMAND_LINE_SIZE on x86). */
const KARGS_SIZE = 1024;

export const kargsAddon = recipe<{ sdk: Target; epoch: number }>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, scratch, out, signal }) {
    const { sdk, epoch } = inputs;
    // Passed in a file, because ukify collapses the blanks of an argument.
    const cmdline = join(scratch, 'cmdline');
    await writeFile(cmdline, KARGS_MARK.padEnd(KARGS_SIZE));
    await runUkifyAddon(sdk.path, `@${cmdline}`, out, { scratch, signal, epoch });
  },
});
