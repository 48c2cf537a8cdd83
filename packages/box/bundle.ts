import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { recipe, type Source } from '../../build/graph/target.ts';
import { Failure } from '../../sdk/lib/errors.ts';

/** The names by which TypeScript knows the modules of QuickJS: Node has an `os` of its own. */
const MODULES = { 'quickjs-std': 'std', 'quickjs-os': 'os' } as const;

/** Where modules of the box may come from, as folders of the checkout. */
const FOLDERS = ['packages/box/', 'build/release/format/'];

/**
 * All of the box's code as one module that QuickJS runs (`qjs -m FILE`): the same bytes wherever the checkout is.
 * `entry`: a module below the root of the checkout; the box's main.ts unless a test says another one.
 */
export async function bundleBox(checkout: string, entry = 'packages/box/main.ts'): Promise<Uint8Array> {
  const result = await build({
    absWorkingDir: checkout,
    entryPoints: [entry],
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    target: 'es2023',
    platform: 'neutral',
    charset: 'utf8',
    legalComments: 'none',
    alias: MODULES,
    external: Object.values(MODULES),
    tsconfigRaw: { compilerOptions: { target: 'es2023' } },
    logLevel: 'silent',
  });
  const foreign = Object.keys(result.metafile.inputs).find(
    (path) => path !== entry && !FOLDERS.some((folder) => path.startsWith(folder)),
  );
  if (foreign !== undefined) {
    throw new Failure('code of the box imports a module from elsewhere', {
      where: foreign,
      hint: `import its types only, or what is in ${FOLDERS.join(' or ')}`,
    });
  }
  return result.outputFiles[0]!.contents;
}

/** Output: /usr/lib/draisine/box.js of an image. */
export const boxBundle = recipe<{
  /** packages/box. */
  box: Source;
  /** build/release/format. */
  format: Source;
}>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, out }) {
    await writeFile(out, await bundleBox(join(inputs.box.path, '../..')));
  },
});
