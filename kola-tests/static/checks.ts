import { closeSync, openSync, readSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { byteOrder } from '../../sdk/lib/files.ts';
import { type ToolCommand, toolCommand } from '../../sdk/tool.ts';

/** A check of the sources that runs nothing of them. */
export interface StaticCheck {
  readonly name: string;
  /** `tools` is the SDK tree of the set `sdk-check`. */
  command(checkout: string, tools: string): Promise<ToolCommand>;
}

/** The checks of `test --static`, each by the tool that the field uses for it. */
export const staticChecks: readonly StaticCheck[] = [
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

/** Folders of a checkout that hold nothing of ours. */
const NOT_OURS = new Set(['.git', 'node_modules', 'out']);

/**
 * All shell scripts below a folder, relative to it, sorted: files whose first line names a shell as interpreter, and
 * files named *.sh.
 */
export async function shellScripts(root: string): Promise<string[]> {
  const found: string[] = [];
  const visit = async (folder: string): Promise<void> => {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory() && !NOT_OURS.has(entry.name)) await visit(path);
      else if (entry.isFile() && (entry.name.endsWith('.sh') || startsShell(path))) found.push(path);
    }
  };
  await visit(root);
  return found.map((path) => relative(root, path).replaceAll(sep, '/')).sort(byteOrder);
}

function startsShell(path: string): boolean {
  const head = Buffer.alloc(64);
  const file = openSync(path, 'r');
  try {
    readSync(file, head, 0, head.length, 0);
  } finally {
    closeSync(file);
  }
  return /^#!.*\b(?:ba|da)?sh\b/.test(head.toString('latin1'));
}
