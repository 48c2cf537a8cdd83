import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { recipe, type Source } from '../../build/graph/target.ts';
import { Failure } from '../../sdk/lib/errors.ts';

/** TypeScript's names for the modules of QuickJS, because Node has an `os` of its own. */
const MODULES = { 'quickjs-std': 'std', 'quickjs-os': 'os' } as const;

/** Folders of the checkout from which code of the box may import. */
const FOLDERS = ['packages/box/', 'build/release/format/'];

/**
 * All code of the box as one module for QuickJS (`qjs -m FILE`). Its bytes do not depend on the path of the
 * checkout.
 * `entry`: a module below the root of the checkout; a test may name another one than main.ts.
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
