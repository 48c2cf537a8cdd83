import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Sources } from '../../build/for-kola.ts';
import { Failure } from '../../sdk/lib/errors.ts';
import type { Host } from './host.ts';
import { type Inputs, inputsOf } from './inputs.ts';
import { dataOf, isTest, isTypeScript, loadsOf, roomsOf } from './rules.ts';

/** Modules by which a test may have others read any file of its rooms. */
const STARTS_PROGRAMS: readonly string[] = ['child_process', 'worker_threads', 'cluster'];

/** Who knows where the checkout is may read any file of it. */
const PLACE = 'sdk/lib/checkout.ts';

/** A test file that names a folder outside of its own, from which it may read modules. */
const LOOKS_AROUND =
  /\bCHECKOUT\b|process\.cwd\(\)|\.\.['"`/]+[^'"`]*['"`],\s*import\.meta\.url|dirname[^\n]*'\.\.'/;

/**
 * The inputs of a file of unit tests (by path from the checkout); undefined when they cannot be known without running it.
 * They are what it imports, all files of its own folder, and every file that is no TypeScript of the rooms that its
 * imports are in and of those below. One that can start programs, knows where the checkout is, or looks outside of
 * its folder, has all files of those rooms. Other tests never count. `values` are what it is given besides.
 */
export function unitInputs(
  sources: Sources,
  file: string,
  host: Host,
  values: Readonly<Record<string, string>> = {},
): Inputs | undefined {
  try {
    const closure = sources.closure([file], { loads: loadsOf(sources) });
    if (closure.unknown.length > 0) return undefined;
    const imported = [...closure.files.keys()];
    const rooms = roomsOf(imported);
    const folder = sources.filesBelow(dirname(file));
    const wide =
      startsPrograms(closure) ||
      imported.includes(PLACE) ||
      LOOKS_AROUND.test(readFileSync(join(sources.checkout, file), 'utf8'));
    const around = wide ? rooms.flatMap((room) => sources.filesBelow(room)).filter(isOfRoom) : [];
    const files = [...folder, ...around].filter((name) => !isTest(name));
    return inputsOf(
      sources,
      { npm: closure.npm, files: [...imported, ...files, ...dataOf(sources, rooms)] },
      { kind: 'unit', file, host, ...values },
    );
  } catch (error) {
    // It imports what is not there, or is not there itself: running it tells.
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

/** Tests and sabotages of machines count where they are imported. */
function isOfRoom(name: string): boolean {
  return !(isTypeScript(name) && /^kola-tests\/(tests|sabotage)\//.test(name));
}
