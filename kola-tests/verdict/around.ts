import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import type { Sources } from '../../build/for-kola.ts';
import { foundOnce, isTypeScript } from './rules.ts';

/** `join(CHECKOUT, …)`: the string literals that follow CHECKOUT, up to the first argument that is not a literal. */
const JOINED = /\bjoin\(\s*CHECKOUT((?:\s*,\s*'[^']*')+)/g;
/** `new URL(`…`, import.meta.url)`: the text of the template before its first expression. */
const TEMPLATE = /\bnew URL\(\s*`([^`$]*)\$\{[^`]*`\s*,\s*import\.meta\.url/g;
/** git lists all files of the checkout. */
const LISTED = /\bls[-]files\b/;

/**
 * The files of the checkout that a module reads by path, as its text shows. If only a folder is literal, all files below
 * it count.
 */
export function filesAround(sources: Sources, module: string): readonly string[] {
  if (!isTypeScript(module)) return [];
  return foundOnce(sources, `named by ${module}`, () => filesNamed(sources, module));
}

function filesNamed(sources: Sources, module: string): readonly string[] {
  const text = readFileSync(join(sources.checkout, module), 'utf8');
  const joined = [...text.matchAll(JOINED)].map(([, literals = '']) =>
    posix.join(...[...literals.matchAll(/'([^']*)'/g)].map(([, part]) => part ?? '')),
  );
  const templates = [...text.matchAll(TEMPLATE)].map(([, start = '']) =>
    posix.join(dirname(module), start.slice(0, start.lastIndexOf('/') + 1)),
  );
  const paths = new Set([...joined, ...templates, ...(LISTED.test(text) ? ['.'] : [])]);
  return [...paths].flatMap((path) => filesAt(sources, path));
}

/** The file at a path, or all files of the folder there. Artifacts and npm packages are no sources. */
function filesAt(sources: Sources, path: string): readonly string[] {
  if (/^(\.\.|out|node_modules|\.git)(\/|$)/.test(path)) return [];
  const at = join(sources.checkout, path);
  if (!existsSync(at)) return [];
  // The script runs the module beside it.
  if (path === 'draisine')
    return [path, 'draisine.ts'].filter((name) => existsSync(join(sources.checkout, name)));
  return statSync(at).isFile() ? [path] : sources.filesBelow(path);
}
