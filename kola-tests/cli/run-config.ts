import { readdir, readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { badInput, errorCode, Failure } from '../../sdk/lib/errors.ts';
import { byteOrder } from '../../sdk/lib/files.ts';
import { runProcess } from '../../sdk/process.ts';

/** The machine config of `run`: the given text, or undefined if `ownConfig` is to make one. */
export interface Given {
  readonly path: string;
  readonly text: string;
}

/** Reads the file that --ignition names. */
export async function readConfig(path: string): Promise<Given> {
  try {
    return { path, text: await readFile(path, 'utf8') };
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'EISDIR') throw error;
    throw badInput('there is no such machine config', {
      where: resolve(path),
      hint: 'give --ignition a file',
    });
  }
}

/** Takes JSON unchanged, and compiles TypeScript and Butane with `./draisine ignition compile`. Returns the file for QEMU. */
export async function machineConfig({ path, text }: Given, dir: string): Promise<string> {
  const config = join(dir, 'ignition.json');
  if (/\.(m?ts|bu|butane|ya?ml)$/i.test(path)) {
    const args = ['ignition', 'compile', path, '-o', config];
    const compile = { file: join(CHECKOUT, 'draisine'), args, env: process.env };
    const { code } = await runProcess(compile, { stdout: 2, stderr: 2 });
    if (code === 0) return config;
    throw new Failure('the machine config cannot be compiled: see above', {
      where: path,
      exitCode: code === 2 ? 2 : 1,
    });
  }
  try {
    JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw badInput(`the machine config is not JSON: ${error.message}`, {
      where: resolve(path),
      hint: `./draisine ignition validate ${path}`,
    });
  }
  await writeFile(config, text);
  return config;
}

/** The public SSH keys of the person who runs this, from ~/.ssh/id_*.pub; empty if there is no such folder. */
export async function ownKeys(home = homedir()): Promise<readonly string[]> {
  const folder = join(home, '.ssh');
  const names = await readdir(folder).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return [];
    throw error;
  });
  const keys = names.filter((name) => /^id_.*\.pub$/.test(name)).sort(byteOrder);
  return await Promise.all(keys.map(async (name) => (await readFile(join(folder, name), 'utf8')).trim()));
}

/** A root shell on the serial console, by agetty(8). No password is needed, because the machine is temporary. */
const SHELL = `[Service]
ExecStart=
ExecStart=-/sbin/agetty --autologin root --keep-baud 115200,57600,38400,9600 - $TERM
`;

/** The config of a machine without a given config: these keys for root, and a shell on the terminal. */
export function ownConfig(keys: readonly string[]): object {
  const console = { name: '10-run.conf', contents: SHELL };
  return {
    ignition: { version: '3.3.0' },
    passwd: { users: [{ name: 'root', sshAuthorizedKeys: keys }] },
    systemd: { units: [{ name: 'serial-getty@ttyS0.service', dropins: [console] }] },
  };
}
