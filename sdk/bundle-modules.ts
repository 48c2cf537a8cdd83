import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type BuildOptions, type BuildResult, build, type OutputFile, type Plugin } from 'esbuild';
import { CHECKOUT } from './lib/checkout.ts';

/** The folder of bundles. It is below node_modules, because npm packages are found from there. `npm ci` removes it. */
export const BUNDLES = join(CHECKOUT, 'node_modules/.draisine');
/** esbuild's name for the message about an `import(…)` that it cannot follow. By default esbuild does not print it. */
const UNKNOWN_IMPORT = 'unsupported-dynamic-import';

/** A module's own address, by esbuild's name for it and by the name of the constant that the module gets. */
const ADDRESSES = {
  'import.meta.url': 'draisineModuleUrl',
  'import.meta.filename': 'draisineModuleFile',
  'import.meta.dirname': 'draisineModuleFolder',
};

/**
 * In a bundle, modules keep their own import.meta.url, because it identifies recipes, and data files are beside the
 * modules. The constants stand in the first line, so that lines keep their numbers.
 */
const ownAddresses: Plugin = {
  name: 'own-addresses',
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      const values = [pathToFileURL(path).href, path, dirname(path)];
      const constants = Object.values(ADDRESSES).map(
        (name, at) => `const ${name} = ${JSON.stringify(values[at])};`,
      );
      return { contents: `${constants.join(' ')}${text}`, loader: 'ts' };
    });
  },
};

/** The options of every bundle. Parts that several entries import become files of their own. */
const OPTIONS = {
  absWorkingDir: CHECKOUT,
  bundle: true,
  splitting: true,
  packages: 'external',
  format: 'esm',
  outExtension: { '.js': '.mjs' },
  platform: 'node',
  target: 'node20',
  metafile: true,
  write: false,
  sourcemap: 'linked',
  sourcesContent: false,
  logLevel: 'silent',
  logOverride: { [UNKNOWN_IMPORT]: 'warning' },
  define: ADDRESSES,
  plugins: [ownAddresses],
} as const satisfies BuildOptions;

/** Bundles modules of the checkout for the folder `outdir`, and writes nothing. npm packages are left outside. */
export async function bundleModules(
  entryPoints: readonly string[],
  outdir: string,
): Promise<BuildResult<typeof OPTIONS>> {
  return await build({ ...OPTIONS, entryPoints: [...entryPoints], outbase: CHECKOUT, outdir });
}

/** The modules of a bundle, relative to the checkout, that load another module under a name that they compute. */
export function computedImports({ warnings }: Pick<BuildResult, 'warnings'>): readonly string[] {
  return warnings.flatMap(({ id, location }) => (id === UNKNOWN_IMPORT && location ? [location.file] : []));
}

/** Writes the files of a bundle that was made for the folder `outdir` to another folder. */
export async function writeBundle(
  files: readonly OutputFile[],
  outdir: string,
  folder: string,
): Promise<void> {
  for (const { path, contents } of files) {
    const target = join(folder, relative(outdir, path));
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, contents);
  }
}
