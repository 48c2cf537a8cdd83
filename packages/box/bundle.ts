import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { recipe, type Source } from '../../build/graph/target.ts';
import { Failure } from '../../sdk/lib/errors.ts';

/** The names by which TypeScript knows the modules of QuickJS: Node has an `os` of its own. */
const MODULES = { 'quickjs-std': 'std', 'quickjs-os': 'os' } as const;

/**
 * All of the box's code, from a folder as packages/box, as one module that QuickJS runs (`qjs -m FILE`): the same
 * bytes wherever the folder is. `entry`: a module of it; main.ts unless a test says another one.
 */
export async function bundleBox(folder: string, entry = 'main.ts'): Promise<Uint8Array> {
  const result = await build({
    absWorkingDir: folder,
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
  const outside = Object.keys(result.metafile.inputs).find((path) => path.startsWith('..'));
  if (outside !== undefined) {
    throw new Failure('code of the box imports a module from outside of packages/box', {
      where: outside,
      hint: 'import its types only',
    });
  }
  return result.outputFiles[0]!.contents;
}

/** Output: /usr/lib/draisine/box.js of an image. */
export const boxBundle = recipe<{ /** packages/box. */ box: Source }>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, out }) {
    await writeFile(out, await bundleBox(join(inputs.box.path)));
  },
});
