import { readdirSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { badInput, errorCode } from '../../sdk/lib/errors.ts';
import { entryLine } from '../cli/verbs.ts';
import { configText } from '../load.ts';

/** Compiled machine configs, by hardware address (`aa-bb-cc-dd-ee-ff`) or `default`. */
export type Configs = ReadonlyMap<string, Buffer>;

const SUFFIXES = ['.ign', '.json', '.bu', '.butane', '.yaml', '.yml', '.ts', '.mts'];
const MAC = /^[0-9a-f]{2}(?:-[0-9a-f]{2}){5}$/;

/**
 * Reads, compiles and validates every config of a folder. A config that a machine would refuse is an error.
 */
export async function readConfigs(folder: string): Promise<Configs> {
  const configs = new Map<string, Buffer>();
  const from = new Map<string, string>();
  for (const name of configFiles(folder)) {
    const file = join(folder, name);
    const key = basename(name, extname(name)).toLowerCase().replaceAll(':', '-');
    if (key !== 'default' && !MAC.test(key))
      throw badInput('a machine config without a machine', {
        where: file,
        hint: `name it aa-bb-cc-dd-ee-ff${extname(name)}, after the hardware address, or default${extname(name)}`,
      });
    const other = from.get(key);
    if (other !== undefined)
      throw badInput(`two configs for ${key}: ${other} and ${name}`, { where: folder, hint: 'remove one' });
    from.set(key, name);
    configs.set(key, await readOne(file));
  }
  if (configs.size === 0)
    throw badInput('no machine config in the folder', {
      where: folder,
      hint: 'put default.ign in it, or aa-bb-cc-dd-ee-ff.ign, .bu or .ts',
    });
  return configs;
}

function configFiles(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => SUFFIXES.includes(extname(name).toLowerCase()) && !name.endsWith('.d.ts'))
      .sort();
  } catch (error) {
    const code = errorCode(error);
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
    throw badInput(code === 'ENOENT' ? 'no such folder' : 'not a folder', {
      where: folder,
      hint: '--config takes a folder with machine configs',
    });
  }
}

async function readOne(file: string): Promise<Buffer> {
  const { text, entries } = await configText(file);
  if (text === undefined) {
    const lines = entries.filter(({ kind }) => kind === 'error').map((entry) => entryLine(file, entry));
    throw badInput(`a machine config that no machine takes:\n${lines.slice(0, 10).join('\n')}`, {
      where: file,
    });
  }
  return Buffer.from(text);
}

/**
 * The answer to a request for /config/NAME: the config of that hardware address in any notation, else the
 * default.
 */
export function configFor(configs: Configs, name: string): Buffer | undefined {
  return configs.get(name.toLowerCase().replaceAll(':', '-')) ?? configs.get('default');
}
