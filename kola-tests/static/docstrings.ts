import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { badInput, describeFailure, Failure } from '../../sdk/lib/errors.ts';
import { sourceFiles } from './sources.ts';

/* A check of `test --static`: in every room most exports have a docstring. Run as a program, it looks at the checkout. */

/** The share of the exports of a room that must have a docstring. */
const SHARE = 0.95;

/** Helpers of tests, and modules that a program writes, count as little as tests. */
const NOT_PUBLIC =
  /(\.test|\.test-d|\.d|\.schema|\/testing)\.ts$|\/testing\/|\/fixtures\/|\/generated\.ts$|\/format\/types\.ts$/;

/** Names of the exports of a module that have no docstring. The text is as biome formats it. */
export function undocumented(text: string): { readonly count: number; readonly names: readonly string[] } {
  const lines = text.split('\n');
  const declared =
    /^export (?:default )?(?:abstract )?(?:async )?(?:function\*?|const|let|class|interface|type|enum) (\w+)/;
  const found = lines.flatMap((line, index) => {
    const [, name] = declared.exec(line) ?? [];
    if (name === undefined) return [];
    const before = lines.slice(0, index).filter((each) => !/^\/\/ biome-ignore/.test(each));
    return [{ name, documented: /\*\/$/.test(before.at(-1) ?? '') }];
  });
  return {
    count: found.length,
    names: found.filter(({ documented }) => !documented).map(({ name }) => name),
  };
}

/** A module that others may import. `path`: from the checkout. */
export interface Module {
  readonly path: string;
  readonly text: string;
}

/** Throws badInput that names each room with too few docstrings, and the exports without one. */
export function checkDocstrings(modules: readonly Module[]): string {
  const rooms = new Map<string, { count: number; lacking: string[] }>();
  for (const { path, text } of modules) {
    const name = path.split('/')[0] ?? '';
    const room = rooms.get(name) ?? { count: 0, lacking: [] };
    const { count, names } = undocumented(text);
    rooms.set(name, {
      count: room.count + count,
      lacking: [...room.lacking, ...names.map((each) => `${path}: ${each}`)],
    });
  }
  const shares = [...rooms].map(([name, { count, lacking }]) => ({
    ...{ name, lacking, share: count === 0 ? 1 : 1 - lacking.length / count },
  }));
  const short = shares.filter(({ share }) => share < SHARE);
  const told = (all: typeof shares) =>
    all.map(({ name, share }) => `${name} ${(100 * share).toFixed(1)} %`).join(', ');
  if (short.length === 0) return `exports with a docstring: ${told(shares)}`;
  const names = short.flatMap(({ lacking }) => lacking);
  throw badInput(`too few exports have a docstring (${told(short)}):\n  ${names.join('\n  ')}`, {
    hint: 'say above each of them what it does, its units, and when it throws',
  });
}

async function main(): Promise<string> {
  const ours = (await sourceFiles(CHECKOUT)).filter((path) => path.endsWith('.ts'));
  const paths = ours.filter((path) => path.includes('/') && !NOT_PUBLIC.test(path));
  const modules = paths.map(async (path) => ({ path, text: await readFile(join(CHECKOUT, path), 'utf8') }));
  return checkDocstrings(await Promise.all(modules));
}

if (process.argv[1] === import.meta.filename) {
  try {
    process.stdout.write(`${await main()}\n`);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    process.stderr.write(`${describeFailure(error)}\n`);
    process.exitCode = 1;
  }
}
