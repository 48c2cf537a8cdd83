import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Metafile } from 'esbuild';
import { BUNDLES, bundleModules, computedImports, writeBundle } from '../../sdk/bundle-modules.ts';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { ifThere } from '../../sdk/lib/errors.ts';
import { temporaryName } from '../../sdk/lib/files.ts';
import { startTimeOf } from '../harness/qemu/rundir.ts';

/** Tests in JavaScript that stand for tests in TypeScript. */
export interface Translated {
  /** The path of a test's program, by the path of the test. */
  readonly programs: ReadonlyMap<string, string>;
  remove(): Promise<void>;
}

/**
 * Translates unit tests (absolute paths) to JavaScript. Each of them runs in a process of its own. To read and translate
 * TypeScript there would take a quarter of the processor time of all unit tests. esbuild does it once for all of them.
 *
 * A test stays TypeScript, and its program starts the loader tsx, if the test imports a module that loads other modules
 * under a name that it computes. Those modules may be TypeScript, and must not load a second copy of a bundled module.
 */
export async function translateTests(files: readonly string[]): Promise<Translated> {
  await removeLeftovers();
  const folder = temporaryName(join(BUNDLES, 'tests'));
  const translated = await translatedInto(folder, files);
  const programs = new Map<string, string>();
  for (const file of files) {
    const name = relative(CHECKOUT, file);
    const program = join(folder, name.replace(/\.ts$/, '.mjs'));
    programs.set(file, program);
    if (translated.has(name)) continue;
    await mkdir(dirname(program), { recursive: true });
    await writeFile(program, `import 'tsx';\nawait import(${JSON.stringify(pathToFileURL(file).href)});\n`);
  }
  return { programs, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** Removes the programs of killed runs. */
async function removeLeftovers(): Promise<void> {
  for (const name of (await ifThere(readdir(BUNDLES))) ?? []) {
    const pid = /^tests\.tmp-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && startTimeOf(Number(pid)) === undefined)
      await rm(join(BUNDLES, name), { recursive: true, force: true });
  }
}

/** Translates tests into a folder. Returns the names of those that can run from there, relative to the checkout. */
async function translatedInto(folder: string, files: readonly string[]): Promise<ReadonlySet<string>> {
  try {
    const bundle = await bundleModules(files, folder);
    await writeBundle(bundle.outputFiles, folder, folder);
    const untranslated = importersOf(bundle.metafile, new Set(computedImports(bundle)));
    return new Set(files.map((file) => relative(CHECKOUT, file)).filter((name) => !untranslated.has(name)));
  } catch (error) {
    // A module does not parse, or imports a missing one. With tsx, the tests that need it fail with that error, and the
    // others run.
    if (!(error instanceof Error && 'errors' in error)) throw error;
    return new Set();
  }
}

/** These modules and all modules that import them, directly or not. */
function importersOf({ inputs }: Metafile, modules: ReadonlySet<string>): ReadonlySet<string> {
  const importers = new Map<string, string[]>();
  for (const [name, { imports }] of Object.entries(inputs))
    for (const { path } of imports) importers.set(path, [...(importers.get(path) ?? []), name]);
  const found = new Set(modules);
  for (const name of found) for (const importer of importers.get(name) ?? []) found.add(importer);
  return found;
}
