import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { findManifest } from '../../build/product/manifest.ts';
import { badInput, ifThereSync } from '../../sdk/lib/errors.ts';
import { type Configs, configFor } from './configs.ts';
import type { Answer } from './http.ts';
import { UPDATES, updateAt } from './updates.ts';

/** Artifacts that a machine may ask for; `microcode` only if the image has it. */
const ARTIFACTS = ['kernel', 'initrd', 'microcode', 'pxe.initrd', 'usr.img', 'uki', 'boot.ipxe', 'http.efi'];
const OPTIONAL = new Set(['microcode']);
/** Boot programs of the package ipxe: for BIOS and for UEFI. */
export const BOOT_PROGRAMS = { bios: 'undionly.kpxe', uefi: 'snponly.efi' } as const;

/** The files of the web server for machines that boot. */
export interface Served {
  readonly image: string;
  /** Files by URL path. */
  readonly files: ReadonlyMap<string, string>;
  /** The script boot.ipxe without the settings of this server. */
  readonly script: string;
}

/**
 * The built artifacts of an image, and iPXE's programs of the tool tree `tools`. All must be there and
 * intact.
 */
export function findFiles(image: string, tools: string): Served {
  const { manifest, folder, path } = findManifest(image);
  const hint = `./draisine build ${manifest.name}`;
  const files = new Map<string, string>();
  for (const name of ARTIFACTS) {
    const artifact = manifest.artifacts.find((each) => each.name === name);
    if (!artifact) {
      if (OPTIONAL.has(name)) continue;
      throw badInput(`${manifest.name} has no artifact ${name}: nothing to boot over the network`, {
        where: path,
        hint,
      });
    }
    const file = join(folder, artifact.path);
    if (sizeOf(file) !== artifact.size)
      throw badInput(`the artifact ${name} is missing, or not the one that was built`, { where: file, hint });
    files.set(`/${artifact.path}`, file);
  }
  for (const name of Object.values(BOOT_PROGRAMS)) files.set(`/${name}`, join(tools, 'usr/lib/ipxe', name));
  return { image: manifest.name, files, script: readFileSync(files.get('/boot.ipxe') ?? '', 'utf8') };
}

function sizeOf(file: string): number | undefined {
  return ifThereSync(() => statSync(file).size);
}

/** The additions to the image for machines that boot: configs, a CA, kernel arguments. */
export interface Settings {
  readonly configs?: Configs;
  /** CA certificates in PEM. */
  readonly ca?: Buffer;
  readonly args?: string;
  /** A published folder. */
  readonly updates?: string;
}

/**
 * boot.ipxe with the settings of this server: its address, in the form that the client uses, and the
 * additions.
 */
export function settledScript(script: string, host: string, { configs, ca, args }: Settings): string {
  const base = `http://${host}/`;
  const lines = [
    `set base ${base}`,
    ...(configs ? [`set config ${base}config/\${netX/mac:hexhyp}`] : []),
    ...(ca ? [`set ca ${base}ca.crt`] : []),
    ...(args ? [`set args ${args}`] : []),
  ];
  return script.replace(/^#!ipxe\n/, () => `#!ipxe\n${lines.join('\n')}\n`); // a text may have $ and &
}

/** The file or text at a path. */
export function answerTo(served: Served, settings: Settings, path: string, host: string): Answer | undefined {
  const { configs, ca, updates } = settings;
  if (updates !== undefined && path.startsWith(UPDATES)) return updateAt(updates, path);
  if (path === '/boot.ipxe')
    return { body: settledScript(served.script, host, settings), type: 'text/plain' };
  if (path === '/ca.crt' && ca) return { body: ca, type: 'application/x-pem-file' };
  // Other characters of a client, such as those that control a terminal, must not come into the log.
  const machine = /^\/config\/([\w.:-]{1,64})$/.exec(path)?.[1];
  if (machine !== undefined && configs) {
    const config = configFor(configs, machine);
    if (config) return { body: config, type: 'application/json' };
    const body = `no config for ${machine}: put ${machine}.ign or default.ign into the folder of --config, start serve again\n`;
    return { body, type: 'text/plain', status: 404, note: body.trim() };
  }
  const file = served.files.get(path);
  if (file === undefined) return undefined;
  return file.endsWith('.efi') ? { file, type: 'application/efi' } : { file };
}
