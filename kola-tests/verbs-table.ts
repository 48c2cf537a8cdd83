import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CHECKOUT } from '../sdk/lib/checkout.ts';
import { Failure } from '../sdk/lib/errors.ts';
import { writeAtomic } from '../sdk/lib/files.ts';

/*
 * The table of verbs in docs/kola.md, made of the docstrings of the interfaces that a test machine consists of. A docstring has an `@example`, or `@internal` if only the harness calls the verb.
 */

/** The page that has the table between two marks. */
export const PAGE = join(CHECKOUT, 'docs/kola.md');
const BEGIN = '<!-- verbs: npx tsx kola-tests/verbs-table.ts -->';
const END = '<!-- end of verbs -->';

/** The modules with the interfaces, in the order of the table, and what their verbs are for. */
const MODULES: readonly (readonly [module: string, title: string])[] = [
  ['guest/commands', 'programs of the guest'],
  ['guest/waits', 'waiting'],
  ['guest/transfer', 'files'],
  ['guest/guest', 'screen and keyboard'],
  ['machine/start', 'on'],
  ['machine/ends', 'off'],
  ['machine/plugging', 'devices'],
  ['machine/faults', 'faults of devices'],
  ['guest/hardships', 'faults that a system meets in years of use'],
  ['machine/saved', 'states'],
  ['machine/machine', 'the machine'],
];

interface Verb {
  readonly name: string;
  readonly does: string;
  readonly example: string;
}

/** The interface of verbs in the text of a module, as biome formats it: its body. */
function bodyOf(text: string, where: string): string {
  const [, body] = /^export interface (?:\w+Verbs|Machine)\b[^{]*\{\n([\s\S]*?)\n\}$/m.exec(text) ?? [];
  if (body === undefined) throw new Failure('there is no interface of verbs', { where });
  return body;
}

/** Reads the verbs of a module. Throws a Failure for one without a docstring, or without an example. */
function verbsIn(text: string, where: string): readonly Verb[] {
  const member = /^ {2}(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n {2})?(?:readonly )?(\w+)(?:<\w+>)?(?:\(|: \()/gm;
  return [...bodyOf(text, where).matchAll(member)].flatMap(([, comment = '', name = '']) => {
    const lines = comment.split('\n').map((line) => line.replace(/^\s*\* ?/, '').trim());
    const words = lines.filter((line) => line !== '' && !line.startsWith('@')).join(' ');
    const [example] = lines.flatMap((line) => /^@example (.+)$/.exec(line)?.[1] ?? []);
    if (words !== '' && lines.includes('@internal')) return [];
    if (words !== '' && example !== undefined) return [{ name, does: words, example }];
    const lacks = words === '' ? 'a docstring' : 'an @example, or @internal';
    throw new Failure(`the verb ${name} has no docstring with ${lacks}`, { where });
  });
}

/** The table as Markdown. */
export async function verbsTable(): Promise<string> {
  const rows = ['| verb | does | example |', '|---|---|---|'];
  for (const [module, title] of MODULES) {
    const where = `kola-tests/harness/${module}.ts`;
    rows.push(`| **${title}** | | |`);
    for (const { name, does, example } of verbsIn(await readFile(join(CHECKOUT, where), 'utf8'), where))
      rows.push(`| \`${name}\` | ${does.replaceAll('|', '\\|')} | \`${example.replaceAll('|', '\\|')}\` |`);
  }
  return rows.join('\n');
}

/** The page with the table in its place. */
export function withTable(page: string, table: string): string {
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (from < 0 || to < from)
    throw new Failure('the marks of the table are not there', { where: 'docs/kola.md', hint: BEGIN });
  return `${page.slice(0, from)}${BEGIN}\n\n${table}\n\n${page.slice(to)}`;
}

if (process.argv[1] === import.meta.filename)
  await writeAtomic(PAGE, withTable(await readFile(PAGE, 'utf8'), await verbsTable()));
