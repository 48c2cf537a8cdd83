import { join } from 'node:path';
import { runTool } from '../../sdk/tool.ts';

interface UkifyRun {
  readonly scratch: string;
  readonly signal: AbortSignal;
  readonly epoch: number;
}

/** Makes an EFI addon (systemd-stub(7)) with words for the kernel command line. `cmdline`: the text, or `@FILE` (ukify(1)). */
export async function runUkifyAddon(sdk: string, cmdline: string, out: string, run: UkifyRun): Promise<void> {
  const stub = join(sdk, 'usr/lib/systemd/boot/efi/addonx64.efi.stub');
  await runUkify(sdk, ['build', `--cmdline=${cmdline}`, `--stub=${stub}`, `--output=${out}`], run);
}

/** Runs ukify of the tool tree. It is a Python program, so the environment names Python's library there. */
export async function runUkify(
  sdk: string,
  args: readonly string[],
  { scratch, signal, epoch }: UkifyRun,
): Promise<void> {
  await runTool(sdk, 'python3', [join(sdk, 'usr/bin/ukify'), ...args], {
    cwd: scratch,
    signal,
    env: {
      PYTHONHOME: join(sdk, 'usr'),
      PYTHONDONTWRITEBYTECODE: '1',
      SOURCE_DATE_EPOCH: String(epoch),
    },
  });
}
