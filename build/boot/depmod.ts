import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { runTool } from '../../sdk/tool.ts';

/** The indexes that depmod(8) writes about modules that are files. */
export const MODULE_INDEXES = [
  'modules.alias.bin',
  'modules.dep',
  'modules.dep.bin',
  'modules.devname',
  'modules.softdep',
  'modules.symbols.bin',
] as const;

/** The indexes that depmod writes about built-in modules, from modules.builtin and modules.builtin.modinfo. */
export const BUILTIN_INDEXES = ['modules.builtin.alias.bin', 'modules.builtin.bin'] as const;

/** The modules, and the tools and folder for depmod. */
export interface DepmodOptions {
  /** Tool tree with kmod. */
  readonly sdk: string;
  readonly release: string;
  /** Modules, and modules.builtin…, by path below usr/lib/modules/RELEASE. */
  readonly files: Iterable<readonly [path: string, bytes: Buffer]>;
  /** Paths of modules. If several modules have the same alias, the first one in this list is tried first. */
  readonly order: readonly string[];
  /** A folder that does not exist yet. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** Runs depmod over exactly these files. Returns a function that reads an index by its name. */
export async function runDepmod({
  sdk,
  release,
  files,
  order,
  folder,
  signal,
}: DepmodOptions): Promise<(name: string) => Promise<Buffer>> {
  const root = join(folder, 'usr/lib/modules', release);
  await mkdir(root, { recursive: true });
  for (const [path, bytes] of files) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), bytes);
  }
  await writeFile(join(root, 'modules.order'), order.map((path) => `${path}\n`).join(''));
  await runTool(sdk, 'depmod', ['-b', join(folder, 'usr'), release], { signal });
  return (name) => readFile(join(root, name));
}
