import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { byteOrder } from '../../../sdk/lib/files.ts';
import type { Keep } from '../machine/keep.ts';
import type { Selection } from './select.ts';

/** The value of DRAISINE_KOLA, as JSON. */
export interface SuiteOptions {
  readonly image: string;
  /** The folder with `IMAGE/manifest.json`. */
  readonly out: string;
  /** Root of the unpacked tool tree with QEMU. */
  readonly toolTree: string;
  readonly reportDir: string;
  readonly patterns: readonly string[];
  readonly gate?: boolean;
  readonly parallel?: number;
  readonly shard?: Selection['shard'];
  readonly only?: readonly string[];
  readonly keep?: Keep;
  /** Tests that are not run, because no input of them has changed since they passed. */
  readonly except?: readonly string[];
  /** Globs on names of sabotages. If given, sabotages run instead of tests. */
  readonly sabotages?: readonly string[];
}

/** The environment variable in which the suite gets its options. */
export const OPTIONS_VARIABLE = 'DRAISINE_KOLA';

/** The selection of tests by the options. */
export function selectionOf({ image, patterns, gate, shard, only }: SuiteOptions): Selection {
  return {
    image,
    patterns,
    ...(gate === undefined ? {} : { gate }),
    ...(shard ? { shard } : {}),
    ...(only ? { only: new Set(only) } : {}),
  };
}

/** The modules of kola-tests/tests/, as URLs. */
export async function testModules(): Promise<string[]> {
  return await modulesOf('../../tests');
}

/** The modules of kola-tests/sabotage/, as URLs. */
export async function sabotageModules(): Promise<string[]> {
  return await modulesOf('../../sabotage');
}

async function modulesOf(folder: string): Promise<string[]> {
  const dir = fileURLToPath(new URL(folder, import.meta.url));
  const names = (await readdir(dir)).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'));
  return names.sort(byteOrder).map((name) => pathToFileURL(join(dir, name)).href);
}
