import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../../sdk/lib/errors.ts';
import { canonicalJson, sha256, sha256File } from '../../../sdk/lib/files.ts';
import { runCommand, type ToolCommand, toolCommand } from '../../../sdk/tool.ts';

/** The paths of QEMU and its firmware, and the commands that run them. */
export interface Emulator {
  /** `10.0.13` */
  readonly version: string;
  /**
   * Digest of QEMU's whole version, which has the revision of Debian's package, and of the firmware. It is part of a
   * snapshot's key: a saved machine has the code of its firmware in its memory.
   */
  readonly build: string;
  /** OVMF's code, and its variable store. Each machine gets a copy of the store. */
  readonly ovmfCode: string;
  readonly ovmfVars: string;
  /** qemu-system-x86_64 with these arguments. */
  system(args: readonly string[]): ToolCommand;
  /** qemu-img with these arguments. */
  img(args: readonly string[]): ToolCommand;
}

/** The emulator of an unpacked tool tree (the SDK's `sdk-qemu`). A QEMU of the host is not used. */
export async function emulatorOf(root: string): Promise<Emulator> {
  const share = join(root, 'usr/share');
  const data = ['qemu', 'seabios', 'ovmf', 'qemu/ipxe']
    .map((dir) => join(share, dir))
    .filter((dir) => existsSync(dir));
  const ovmfCode = firmware(root, 'OVMF_CODE_4M.fd');
  const ovmfVars = firmware(root, 'OVMF_VARS_4M.fd');
  const system = (args: readonly string[]): ToolCommand => {
    const command = toolCommand(root, 'qemu-system-x86_64', [...data.flatMap((dir) => ['-L', dir]), ...args]);
    return {
      ...command,
      env: { ...command.env, QEMU_MODULE_DIR: join(root, 'usr/lib/x86_64-linux-gnu/qemu') },
    };
  };
  const words = (await runCommand(system(['--version']), 'qemu-system-x86_64')).toString();
  const version = /version (\d+\.\d+\.\d+)/.exec(words)?.[1];
  if (!version) throw new Failure(`QEMU does not say its version: ${words.slice(0, 200)}`, { where: root });
  const parts = [words, await sha256File(ovmfCode), await sha256File(ovmfVars)];
  const build = sha256(canonicalJson(parts));
  return { version, build, ovmfCode, ovmfVars, system, img: (args) => toolCommand(root, 'qemu-img', args) };
}

function firmware(root: string, name: string): string {
  const path = join(root, 'usr/share/OVMF', name);
  if (!existsSync(path)) {
    throw new Failure(`the tool tree has no ${name}`, {
      where: path,
      hint: 'add the package ovmf to its set in packages/sets/sdk.ts',
    });
  }
  return path;
}
