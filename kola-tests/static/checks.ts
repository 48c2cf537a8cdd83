import { join } from 'node:path';
import { firstLine } from '../../sdk/lib/read.ts';
import { type ToolCommand, toolCommand } from '../../sdk/tool.ts';
import { sourceFiles } from './sources.ts';

/** A check of the sources that runs nothing of them. */
export interface StaticCheck {
  readonly name: string;
  /** `tools` is the SDK tree of the set `sdk-check`. */
  command(checkout: string, tools: string): Promise<ToolCommand>;
}

/** The checks of `test --static`, each by the tool that the field uses for it. */
const staticChecks: readonly StaticCheck[] = [
  // tsx strips types: this is the only proof of them. It includes the type tests, *.test-d.ts.
  { name: 'types (tsc)', command: async (checkout) => npmTool(checkout, 'tsc', '--noEmit') },
  // Its configuration also limits the lines of a function.
  { name: 'lint and format (biome)', command: async (checkout) => npmTool(checkout, 'biome', 'check') },
  {
    name: 'imports (dependency-cruiser)',
    command: async (checkout) =>
      npmTool(checkout, 'depcruise', '--config', '.dependency-cruiser.mjs', '--output-type', 'err-long', '.'),
  },
  {
    name: 'docstrings of exports',
    command: async (checkout) => ({
      file: process.execPath,
      args: ['--import', 'tsx', join(checkout, 'kola-tests/static/docstrings.ts')],
      env: process.env,
    }),
  },
  {
    name: 'shell (shellcheck)',
    command: async (checkout, tools) =>
      toolCommand(tools, 'shellcheck', ['--format=gcc', '--', ...(await shellScripts(checkout))]),
  },
];

/** The checks that a test pattern chooses: part of a name; without patterns all. */
export function chosenChecks(patterns: readonly string[]): readonly StaticCheck[] {
  return staticChecks.filter(
    ({ name }) => patterns.length === 0 || patterns.some((pattern) => name.includes(pattern)),
  );
}

/** A program that package-lock.json pins. */
function npmTool(checkout: string, name: string, ...args: readonly string[]): ToolCommand {
  return { file: join(checkout, 'node_modules/.bin', name), args, env: process.env };
}

/**
 * All shell scripts below a folder, relative to it, sorted: files whose first line names a shell as interpreter, and
 * files named *.sh.
 */
export async function shellScripts(root: string): Promise<string[]> {
  return (await sourceFiles(root)).filter((path) => path.endsWith('.sh') || startsShell(join(root, path)));
}

const startsShell = (path: string): boolean => /^#!.*\b(?:ba|da)?sh\b/.test(firstLine(path));
