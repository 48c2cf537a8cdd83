import { createRequire } from 'node:module';
import { join } from 'node:path';
import type * as esbuild from 'esbuild';
import { badInput } from '../../sdk/lib/errors.ts';

/** The imports of one module, as its text has them. */
export interface Imports {
  /** Specifiers of static and dynamic imports and re-exports, without those that only bring types. */
  readonly modules: readonly string[];
  /** Files named by `new URL('…', import.meta.url)`: workers and data. */
  readonly urls: readonly string[];
  /** Lines (from 1) of an `import(…)` whose argument is not a string literal, so its target is unknown. */
  readonly unknown: readonly number[];
}

const URLS = /\bnew URL\(\s*(['"])((?:(?!\1).)+)\1\s*,\s*import\.meta\.url\b/g;
/** The message of esbuild for an `import(…)` that it cannot follow. */
const UNKNOWN: readonly string[] = ['unsupported-dynamic-import', 'empty-glob'];

/**
 * The imports of modules, according to esbuild: the metafile of a bundle in which everything else is
 * external. `texts`: by absolute path.
 * @throws badInput for a module that does not parse
 */
export function scanImports(texts: ReadonlyMap<string, string>): Map<string, Imports> {
  // loaded late: a build with nothing changed has nothing to scan
  const { buildSync } = createRequire(import.meta.url)('esbuild') as typeof esbuild;
  let built: esbuild.BuildResult<{ metafile: true }>;
  try {
    built = buildSync({
      entryPoints: [...texts.keys()],
      absWorkingDir: '/',
      outdir: '/out',
      write: false,
      bundle: true,
      external: ['*'],
      metafile: true,
      format: 'esm',
      platform: 'node',
      tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
      logLevel: 'silent',
      logOverride: Object.fromEntries(UNKNOWN.map((id) => [id, 'warning' as const])),
    });
  } catch (error) {
    throw syntaxError(error);
  }
  return new Map(
    [...texts].map(([path, text]) => {
      const imports = built.metafile.inputs[path.slice(1)]?.imports ?? [];
      const unknown = built.warnings.filter(
        ({ id, location }) => UNKNOWN.includes(id) && location && join('/', location.file) === path,
      );
      return [
        path,
        {
          modules: [...new Set(imports.map((each) => each.path))],
          urls: [...new Set([...text.matchAll(URLS)].map((match) => match[2] ?? ''))],
          unknown: unknown.map(({ location }) => location?.line ?? 0),
        },
      ];
    }),
  );
}

function syntaxError(error: unknown): unknown {
  const [first] = (error as Partial<esbuild.BuildFailure>).errors ?? [];
  if (!first?.location) return error;
  return badInput(first.text, { where: `/${first.location.file}:${first.location.line}`, cause: error });
}
