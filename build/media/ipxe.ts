import { writeFile } from 'node:fs/promises';
import { profileArguments } from '../boot/uki.ts';
import { usrImageArguments } from '../fs/usr-image.ts';
import { recipe, type Target } from '../graph/target.ts';

const LIVE = { cmdline: ['root=tmpfs'] };

/** File names beside the script. */
export interface NetbootFiles {
  readonly kernel: string;
  /** In the order of loading. */
  readonly initrds: readonly string[];
  readonly usr: string;
  readonly uki: string;
}

/**
 * An iPXE script (https://ipxe.org/scripting) that boots the files beside it. A script that chains to it may first set
 * `base`, `config`, `ca` and `args`.
 */
export const bootScript = recipe<{
  files: { readonly [K in keyof NetbootFiles]: NetbootFiles[K] };
  rootHash: Target;
  /** The file system of /usr. */
  usr: Target;
  cmdline: readonly string[];
  /** The UKI that the installer puts on a disk. */
  uki: Target;
  title: string;
}>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs: { files, rootHash, usr, cmdline, uki, title }, out }) {
    const words = [
      // iPXE joins all initrds under this name, and the kernel, started as an EFI program, loads it.
      'initrd=initrd.magic',
      await profileArguments(rootHash.path, [...usrImageArguments(usr.size), ...cmdline], LIVE),
      `draisine.usr=\${base}${files.usr}`,
      `draisine.uki=\${base}${files.uki}`,
      `draisine.uki.sha256=${uki.digest}`,
    ];
    const lines = [
      '#!ipxe',
      `# ${title}: live, from the files beside this script. Settings to make before chaining to it:`,
      '#   base    address of those files, with a slash at its end (default: where this script came from)',
      '#   config  address of the machine config',
      '#   ca      address of a CA certificate in PEM that vouches for HTTPS servers',
      '#   args    further kernel arguments',
      `isset \${base} || set base \${cwduri}`,
      `isset \${config} && set args ignition.config.url=\${config} \${args} ||`,
      `echo ${title} from \${base}`,
      `kernel \${base}${files.kernel} ${words.join(' ')} \${args}`,
      ...files.initrds.map((name) => `initrd \${base}${name}`),
      `isset \${ca} && initrd \${ca} /etc/draisine/ca.crt mode=644 ||`,
      'boot',
    ];
    await writeFile(out, `${lines.join('\n')}\n`);
  },
});
