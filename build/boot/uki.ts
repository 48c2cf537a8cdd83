import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../sdk/lib/errors.ts';
import { usrImageArguments } from '../fs/usr-image.ts';
import { type Plain, recipe, type Target } from '../graph/target.ts';
import { INDEX_SECTION, ukiIndex } from './uki-index.ts';
import { runUkify } from './ukify.ts';

/** One way to boot a kernel and its initrd, and an entry of the boot menu: a profile of the UKI (UAPI.5). */
export interface BootProfile {
  /** Names the entry: FILE@ID, or FILE alone for the first profile. */
  readonly id: string;
  /** Shown in the menu in brackets, after the name of the system. */
  readonly title: string;
  /** Words of the kernel command line, behind the words of all profiles. */
  readonly cmdline: readonly string[];
}

/** The kernel command line of a profile. `rootHash`: path of a file with the root hash of /usr in text. */
export async function profileArguments(
  rootHash: string,
  common: readonly string[],
  { cmdline }: Pick<BootProfile, 'cmdline'>,
): Promise<string> {
  const hash = (await readFile(rootHash, 'utf8')).trim();
  return [`usrhash=${hash}`, ...common, ...cmdline].join(' ');
}

/**
 * The os-release of the further profile number `index`, from 1. systemd-boot sorts entries by IMAGE_ID first. So the
 * further profiles of all installed releases come after the first profiles, and none of them starts by itself. If all
 * profiles had one os-release, systemd-boot 257 would start a further profile of a release that has a boot counter. It
 * removes the counter from the id of the first profile only, and then sorts by id (systemd issues 38813 and 40192).
 */
function osReleaseOf(osRelease: string, index: number): string {
  const named = osRelease.replace(/^IMAGE_ID=(.*)$/m, (line) => `${line}-${index}`);
  if (named === osRelease) throw new Failure('os-release has no IMAGE_ID');
  return named;
}

/**
 * A unified kernel image (UAPI.5): systemd-stub, kernel, initrd, os-release and a command line that carries the root
 * hash of /usr, so that one signature covers everything that boots. A further profile has three small sections: title,
 * os-release and command line. The section `.pieces` is an index for updates.
 */
export const uki = recipe<{
  sdk: Target;
  kernel: Target;
  initrd: Target;
  /** Initrds behind the first one. */
  moreInitrds: readonly Target[];
  /** An initrd with microcode: at most one. */
  microcode: readonly Target[];
  /** The root hash of /usr in text, for usrhash= on the command line. */
  rootHash: Target;
  /** The words of the command line that all profiles have. */
  cmdline: readonly string[];
  /** The file system of /usr, if it is one file (`usrImage`): at most one. */
  usrFile: readonly Target[];
  /** At least one. The first one boots by default. */
  profiles: readonly Plain<BootProfile>[];
  osRelease: string;
  /** Kernel release, for the .uname section. */
  uname: string;
  epoch: number;
}>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, scratch, out, signal }) {
    const { sdk, kernel, initrd, microcode, cmdline, usrFile, profiles, osRelease, uname, epoch } = inputs;
    const common = [...usrFile.flatMap(({ size }) => usrImageArguments(size)), ...cmdline];
    const stub = (name: string) => `--stub=${join(sdk.path, 'usr/lib/systemd/boot/efi', name)}`;
    const words = async (profile: BootProfile) =>
      `--cmdline=${await profileArguments(inputs.rootHash.path, common, profile)}`;
    const about = ({ id, title }: BootProfile) => `--profile=ID=${id}\nTITLE=${title}\n`;
    const run = (args: readonly string[]) =>
      runUkify(sdk.path, ['build', ...args], { scratch, signal, epoch });

    const [first, ...others] = profiles;
    if (!first) throw new Failure('a UKI must have a profile', { where: 'profiles of the image' });
    const release = async (name: string, text: string): Promise<string> => {
      const path = join(scratch, name);
      await writeFile(path, text);
      return `--os-release=@${path}`;
    };
    const joined: string[] = [];
    for (const [index, profile] of others.entries()) {
      const file = join(scratch, `${profile.id}.efi`);
      const its = await release(`os-release-${profile.id}`, osReleaseOf(osRelease, index + 1));
      await run([about(profile), its, await words(profile), stub('addonx64.efi.stub'), `--output=${file}`]);
      joined.push(`--join-profile=${file}`);
    }
    const index = await ukiIndex([
      ['.linux', kernel.path],
      ['.initrd', initrd.path], // the further initrds follow it, and are not in the index
      ...microcode.map(({ path }) => ['.ucode', path] as const),
    ]);
    await writeFile(join(scratch, 'index'), index);
    await run([
      `--linux=${kernel.path}`,
      ...[initrd, ...inputs.moreInitrds].map(({ path }) => `--initrd=${path}`),
      ...microcode.map(({ path }) => `--microcode=${path}`),
      await words(first),
      // If a file has a profile and nothing is joined to it, ukify assumes that it is to be joined to another file.
      ...(joined.length > 0 ? [about(first), ...joined] : []),
      await release('os-release', osRelease),
      `--uname=${uname}`,
      `--section=${INDEX_SECTION}:@index`,
      stub('linuxx64.efi.stub'),
      `--output=${out}`,
    ]);
  },
});
