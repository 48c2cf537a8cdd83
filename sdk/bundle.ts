import { type BigIntStats, existsSync } from 'node:fs';
import { readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import type { OutputFile } from 'esbuild';
import { BUNDLES, bundleModules, writeBundle } from './bundle-modules.ts';
import { CHECKOUT } from './lib/checkout.ts';
import { errorCode, ifThere } from './lib/errors.ts';
import { canonicalJson, sha256, temporaryName, writeAtomic } from './lib/files.ts';
import { noted } from './lib/json.ts';

/** The entry of the present bundle, and the stamps of all that went into it. */
const LIST = join(BUNDLES, 'bundle.json');

/** Time for which parts of an older bundle stay, because a process that started from it may still load them. */
const KEPT_MS = 24 * 3600 * 1000;

/** Bundles the command line for the next start. An error only makes that start slower, so it is a warning. */
export async function bundle(): Promise<void> {
  try {
    await makeBundle();
  } catch (error) {
    if (['EROFS', 'EACCES', 'EPERM'].includes(errorCode(error) ?? '')) return; // The checkout is read-only.
    const reason = error instanceof Error ? error.message : String(error);
    process.stderr.write(`warning: the command line could not be bundled, and starts slower: ${reason}\n`);
  }
}

/**
 * Bundles the command line. Without a bundle, each start reads, translates and links 150 modules, which takes two
 * thirds of the time of a build with nothing to do. start.mjs uses the bundle as long as no file of it has changed.
 */
async function makeBundle(): Promise<void> {
  const before = Date.now();
  const { metafile, outputFiles } = await bundleModules([join(CHECKOUT, 'draisine.ts')], BUNDLES);
  const inputs = [
    ...Object.keys(metafile.inputs),
    'start.mjs',
    'sdk/bundle.ts',
    'sdk/bundle-modules.ts',
    ...(await imageFolders()),
  ];
  const stamps: Record<string, string> = {};
  for (const path of inputs) {
    const stamped = await stat(join(CHECKOUT, path), { bigint: true });
    // A file that is being edited at this moment may differ from its text in the bundle.
    if (Number(stamped.ctimeNs / 1_000_000n) > before - 2000) return;
    stamps[path] = stampOf(stamped);
  }
  const name = sha256(canonicalJson(outputFiles.map(({ path, hash }) => [path, hash]))).slice(0, 16);
  await writeFolder(join(BUNDLES, name), outputFiles);
  await keepReplaced();
  // A power cut may truncate them, and a start from an empty module would do nothing, and succeed.
  for (const { path } of outputFiles) {
    const own = join(BUNDLES, name, relative(BUNDLES, path));
    stamps[relative(CHECKOUT, own)] = stampOf(await stat(own, { bigint: true }));
  }
  await writeAtomic(LIST, JSON.stringify({ node: process.version, entry: `${name}/draisine.mjs`, stamps }));
  await sweep(name);
}

/** The form that start.mjs compares. */
function stampOf({ size, mtimeNs, ctimeNs, ino, dev }: BigIntStats): string {
  return `${size} ${mtimeNs} ${ctimeNs} ${ino} ${dev}`;
}

/** Writes the files of a bundle to a folder, unless it has all of them already. */
async function writeFolder(folder: string, files: readonly OutputFile[]): Promise<void> {
  const whole = files.map(async ({ path, contents }) => {
    const own = join(folder, relative(BUNDLES, path));
    return existsSync(own) && (await readFile(own)).equals(contents);
  });
  if ((await Promise.all(whole)).every(Boolean)) return;
  const temporary = temporaryName(folder);
  await writeBundle(files, BUNDLES, temporary);
  await rm(folder, { recursive: true, force: true });
  await rename(temporary, folder);
}

/** images/ and each folder there. A new image changes the mtime of one of them. */
async function imageFolders(): Promise<string[]> {
  const folders = await readdir(join(CHECKOUT, 'images'), { withFileTypes: true });
  return ['images', ...folders.filter((each) => each.isDirectory()).map(({ name }) => `images/${name}`)];
}

/** The time of a bundle's folder becomes that of its replacement. Before, it may have been in use for months. */
async function keepReplaced(): Promise<void> {
  const { entry } = noted(LIST) ?? {};
  if (typeof entry === 'string') await ifThere(utimes(join(BUNDLES, dirname(entry)), new Date(), new Date()));
}

async function sweep(current: string): Promise<void> {
  for (const name of await readdir(BUNDLES)) {
    const path = join(BUNDLES, name);
    if (name === current || name === 'bundle.json' || Date.now() - (await stat(path)).mtimeMs < KEPT_MS)
      continue;
    await rm(path, { recursive: true, force: true });
  }
}
