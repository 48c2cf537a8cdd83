import type { Sources } from '../../build/for-kola.ts';

/*
 * Inputs of verdicts that import declarations do not show. In doubt, a file counts: a test that runs too often costs
 * time, and a test that does not run hides a fault.
 */

/** Each room, with the rooms below it whose files it reads by path. */
export const ROOMS: Readonly<Record<string, readonly string[]>> = {
  sdk: [],
  build: ['sdk'],
  packages: ['build', 'sdk'],
  ignition: ['build', 'sdk'],
  images: ['ignition', 'packages', 'build', 'sdk'],
  'kola-tests': ['images', 'ignition', 'packages', 'build', 'sdk'],
  bench: ['kola-tests', 'images', 'ignition', 'packages', 'build', 'sdk'],
};

const TYPESCRIPT = /\.[cm]?ts$/;

/** The modules that these files load under a name that they compute, or by starting a program. */
const LOADS: Readonly<Record<string, (sources: Sources) => readonly string[]>> = {
  draisine: () => ['draisine.ts'],
  'build/product/images.ts': (sources) => modulesBelow(sources, 'images'),
  // They load only modules that they have written themselves.
  'build/graph/code.test.ts': () => [],
  'build/graph/key.test.ts': () => [],
  // It loads an owner's machine config: any config of the checkout.
  'ignition/load.ts': (sources) =>
    ['images', 'kola-tests/fixtures'].flatMap((dir) => modulesBelow(sources, dir)),
  'ignition/machine.test.ts': (sources) => modulesBelow(sources, 'images'),
  'kola-tests/harness/run/register.ts': (sources) => modulesBelow(sources, 'kola-tests/tests'),
  'kola-tests/harness/run/sabotage-suite.ts': (sources) => modulesBelow(sources, 'kola-tests/sabotage'),
};

/** The function for `ClosureOptions.loads`. */
export function loadsOf(sources: Sources): (name: string) => readonly string[] | undefined {
  return (name) => LOADS[name]?.(sources);
}

function modulesBelow(sources: Sources, folder: string): readonly string[] {
  return sources.filesBelow(folder).filter((name) => TYPESCRIPT.test(name) && !isTest(name));
}

/** Whether a file is a test, by its name. */
export function isTest(name: string): boolean {
  return /\.test(-d)?\.ts$/.test(name);
}

/** Whether a file is TypeScript, by its name. */
export function isTypeScript(name: string): boolean {
  return TYPESCRIPT.test(name);
}

/** The rooms of these files, and the rooms below them. */
export function roomsOf(files: Iterable<string>): readonly string[] {
  const rooms = new Set<string>();
  for (const file of files) {
    const room = file.split('/')[0] ?? '';
    const below = ROOMS[room];
    if (below) for (const each of [room, ...below]) rooms.add(each);
  }
  return [...rooms].sort();
}

const known = new WeakMap<Sources, Map<string, readonly string[]>>();

/** The list that `find` returns. It is found once for each `what`, because hundreds of verdicts need the same lists. */
export function foundOnce(sources: Sources, what: string, find: () => readonly string[]): readonly string[] {
  const lists = known.get(sources) ?? new Map<string, readonly string[]>();
  known.set(sources, lists);
  const list = lists.get(what) ?? find();
  lists.set(what, list);
  return list;
}

/** The files that are read by path: all files of these rooms except TypeScript, and the files beside the rooms. */
export function dataOf(sources: Sources, rooms: readonly string[]): readonly string[] {
  return foundOnce(sources, `data of ${rooms.join()}`, () => [
    ...rooms.flatMap((room) => sources.filesBelow(room)).filter((name) => !isTypeScript(name)),
    ...['draisine', 'start.mjs', 'package.json', 'package-lock.json', 'tsconfig.json', 'packages/lock.json'],
  ]);
}
