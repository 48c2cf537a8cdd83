import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { recipe, type Target } from '../graph/target.ts';
import { runUkify } from './ukify.ts';

/**
 * A unified kernel image (UAPI.5): systemd-stub, kernel, initrd, os-release and a command line that carries the
 * root hash of /usr, so that what one signs is what boots.
 */
export const uki = recipe<{
  sdk: Target;
  kernel: Target;
  initrd: Target;
  /** An initrd with microcode; none, or one. */
  microcode: readonly Target[];
  /** The root hash of /usr in text: goes on the command line as usrhash=. */
  rootHash: Target;
  cmdline: readonly string[];
  osRelease: string;
  /** Kernel release, for the .uname section. */
  uname: string;
  epoch: number;
}>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, scratch, out, signal }) {
    const {
      sdk,
      kernel,
      initrd,
      microcode,
      rootHash: rootHashFile,
      cmdline,
      osRelease,
      uname,
      epoch,
    } = inputs;
    const rootHash = (await readFile(rootHashFile.path, 'utf8')).trim();
    const osReleasePath = join(scratch, 'os-release');
    await writeFile(osReleasePath, osRelease);
    await runUkify(
      sdk.path,
      [
        'build',
        `--linux=${kernel.path}`,
        `--initrd=${initrd.path}`,
        ...microcode.map(({ path }) => `--microcode=${path}`),
        `--cmdline=${[`usrhash=${rootHash}`, ...cmdline].join(' ')}`,
        `--os-release=@${osReleasePath}`,
        `--uname=${uname}`,
        `--stub=${join(sdk.path, 'usr/lib/systemd/boot/efi/linuxx64.efi.stub')}`,
        `--output=${out}`,
      ],
      { scratch, signal, epoch },
    );
  },
});
