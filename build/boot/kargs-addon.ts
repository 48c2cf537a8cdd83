import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { recipe, type Target } from '../graph/target.ts';
import { runUkifyAddon } from './ukify.ts';

/**
 * What a machine's own kernel arguments are written into: an EFI addon (systemd-stub(7)) whose .cmdline section is
 * this word and blanks. ignition-kargs-helper of the initrd finds the word, puts the arguments after it, and the
 * result beside the UKI.
 */
export const KARGS_MARK = 'draisine.kargs';
/** Length of the section in bytes. The kernel takes 2048 in all (COMMAND_LINE_SIZE on x86). */
export const KARGS_SIZE = 1024;

export const kargsAddon = recipe<{ sdk: Target; epoch: number }>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, scratch, out, signal }) {
    const { sdk, epoch } = inputs;
    // From a file: ukify takes the blanks of an argument together.
    const cmdline = join(scratch, 'cmdline');
    await writeFile(cmdline, KARGS_MARK.padEnd(KARGS_SIZE));
    await runUkifyAddon(sdk.path, `@${cmdline}`, out, { scratch, signal, epoch });
  },
});
