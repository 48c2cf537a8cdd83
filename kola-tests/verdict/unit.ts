import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Sources } from '../../build/for-kola.ts';
import { Failure } from '../../sdk/lib/errors.ts';
import { filesAround } from './around.ts';
import type { Host } from './host.ts';
import { type Inputs, inputsOf } from './inputs.ts';
import { dataOf, foundOnce, isTest, isTypeScript, loadsOf, roomsOf } from './rules.ts';

/** Modules that start programs. Such a program may read any file of the test's rooms. */
const STARTS_PROGRAMS: readonly string[] = ['child_process', 'worker_threads', 'cluster'];

/** A test that imports this module knows the folder of the checkout, and may read any file in it. */
const PLACE = 'sdk/lib/checkout.ts';

/** The module that translates unit tests to JavaScript, with all that it imports. */
const TRANSLATOR = 'kola-tests/cli/unit-bundle.ts';

/** Matches a test file that names a folder outside its own. It may read modules there. */
const LOOKS_AROUND =
  /\bCHECKOUT\b|process\.cwd\(\)|\.\.['"`/]+[^'"`]*['"`],\s*import\.meta\.url|dirname[^\n]*'\.\.'/;

/**
 * The inputs of a file of unit tests (its path is relative to the checkout); undefined if they cannot be known without
 * a run. They are its imports, all files of its own folder, and all files except TypeScript of the rooms of its imports
 * and of the rooms below. A test that can start programs, knows the folder of the checkout, or looks outside its folder
 * depends on all files of those rooms. Files outside of the rooms count if the text of a module names them (around.ts).
 * The modules that translate the test count too. `values`: further inputs.
 */
export function unitInputs(
  sources: Sources,
  file: string,
  host: Host,
  values: Readonly<Record<string, string>> = {},
): Inputs | undefined {
  try {
    const closure = sources.closure([file], { loads: loadsOf(sources) });
    const translator = sources.closure([TRANSLATOR]);
    if (closure.unknown.length > 0) return undefined;
    const imported = [...closure.files.keys()];
    const rooms = roomsOf(imported);
    const folder = sources.filesBelow(dirname(file));
    const wide =
      startsPrograms(closure) ||
      imported.includes(PLACE) ||
      LOOKS_AROUND.test(readFileSync(join(sources.checkout, file), 'utf8'));
    const around = wide
      ? foundOnce(sources, `around ${rooms.join()}`, () =>
          rooms.flatMap((room) => sources.filesBelow(room)).filter((name) => isOfRoom(name) && !isTest(name)),
        )
      : [];
    const files = [...folder.filter((name) => !isTest(name)), ...around];
    const named = imported.flatMap((name) => filesAround(sources, name));
    return inputsOf(
      sources,
      {
        npm: closure.npm,
        files: [...imported, ...translator.files.keys(), ...files, ...named, ...dataOf(sources, rooms)],
      },
      { kind: 'unit', file, host, ...values },
    );
  } catch (error) {
    // The file or one of its imports is missing. Running it shows the error.
    if (error instanceof Failure) return undefined;
    throw error;
  }
}

/** The inputs of checks that read every file of the checkout; `tools` is the key of what they are done with. */
export function wholeInputs(sources: Sources, file: string, host: Host, tools: string): Inputs {
  return inputsOf(
    sources,
    { npm: new Map(), files: sources.filesBelow('.') },
    { kind: 'whole', file, host, tools },
  );
}

function startsPrograms({
  builtins,
  npm,
}: {
  readonly builtins: ReadonlySet<string>;
  readonly npm: ReadonlyMap<string, string>;
}): boolean {
  return (
    STARTS_PROGRAMS.some((name) => builtins.has(name) || builtins.has(`node:${name}`)) ||
    [...npm.keys()].some((name) => name.startsWith('zx@'))
  );
}

/** False for VM tests and sabotages: they count only if they are imported. */
function isOfRoom(name: string): boolean {
  return !(isTypeScript(name) && /^kola-tests\/(tests|sabotage)\//.test(name));
}
