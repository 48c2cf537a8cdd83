import { checked } from '../../sdk/lib/checked.ts';
import { badInput } from '../../sdk/lib/errors.ts';
import { byteOrder, type Sha256, sha256 } from '../../sdk/lib/files.ts';
import { parseJson } from '../../sdk/lib/json.ts';
import { type Package, type ScriptKind, scriptKinds } from './package.ts';
import { type ScriptVerdict, type ScriptVerdicts, validate } from './scripts.schema.ts';

export type { ScriptVerdict } from './scripts.schema.ts';

/** A script met without a verdict. */
export interface UnknownScript {
  readonly sha256: Sha256;
  readonly package: string;
  readonly version: string;
  readonly script: ScriptKind;
  readonly text: string;
}

/** The part of a package that `checkScripts` reads. */
export type Scripted = Pick<Package, 'name' | 'version' | 'scripts'>;

/** An image never removes a package, so what runs on removal needs a verdict only if the policy has one. */
const ON_REMOVAL: ReadonlySet<ScriptKind> = new Set(['prerm', 'postrm']);

/**
 * Every script that needs a verdict and has none, by package and kind. Scripts of removal need none; nor does a
 * `triggers` file that only activates triggers of others (deb-triggers(5)): whoever is interested is classified.
 */
export function unknownScripts(
  packages: readonly Scripted[],
  policy: readonly ScriptVerdict[],
): UnknownScript[] {
  const known = new Set(policy.map(verdictKey));
  const unknown: UnknownScript[] = [];
  for (const { name, version, scripts } of [...packages].sort((a, b) => byteOrder(a.name, b.name))) {
    for (const script of scriptKinds) {
      const text = scripts[script];
      if (text === undefined || ON_REMOVAL.has(script)) continue;
      if (script === 'triggers' && !/^[ \t]*interest/m.test(text)) continue;
      const item = { sha256: sha256(text), package: name, script };
      if (!known.has(verdictKey(item))) unknown.push({ ...item, version, text });
    }
  }
  return unknown;
}

/** Characters of a script that an error shows, and scripts that it names. */
const SHOWN = 8000;
const NAMED = 40;

/**
 * Throws unless each script of the packages has a verdict. The error names all that have none and shows the first
 * one whole. Returns the verdicts that apply, so that emulations can be checked against what exists.
 * `where` is the policy's file.
 */
export function checkScripts(
  packages: readonly Scripted[],
  policy: readonly ScriptVerdict[],
  where: string,
): ScriptVerdict[] {
  const unknown = unknownScripts(packages, policy);
  const [first] = unknown;
  if (first) {
    const lines = unknown
      .slice(0, NAMED)
      .map((item) => `  ${item.package} ${item.version} ${item.script} ${item.sha256}`);
    if (unknown.length > NAMED) lines.push(`  … and ${unknown.length - NAMED} more`);
    const text =
      first.text.length > SHOWN
        ? `${first.text.slice(0, SHOWN)}\n… (${first.text.length} characters)`
        : first.text;
    const what =
      unknown.length === 1 ? 'a maintainer script has' : `${unknown.length} maintainer scripts have`;
    throw badInput(
      `${what} no verdict\n${lines.join('\n')}\n--- ${first.package} ${first.script} ---\n${text.trimEnd()}\n---`,
      {
        where,
        hint: 'read each script; add {sha256, package, script, verdict, by, note} for what it does, and the data that stands in for it',
      },
    );
  }
  const met = new Set<string>();
  for (const { name, scripts } of packages) {
    for (const script of scriptKinds) {
      const text = scripts[script];
      if (text !== undefined) met.add(verdictKey({ sha256: sha256(text), package: name, script }));
    }
  }
  return policy.filter((item) => met.has(verdictKey(item)));
}

/** The package counts too: the same boilerplate may matter for one package and not for another. */
function verdictKey(item: Pick<ScriptVerdict, 'sha256' | 'package' | 'script'>): string {
  return `${item.package} ${item.script} ${item.sha256}`;
}

/** Reads the text of a policy file. */
export function readPolicy(text: string, where: string): readonly ScriptVerdict[] {
  const hint = 'it is a list of verdicts, one a line (docs/packages.md); git has the old one';
  return parsePolicy(parseJson(text, 'the list of verdicts', where, hint), where);
}

/** Checks a parsed policy file. An error names the place in the file. */
export function parsePolicy(value: unknown, where: string): readonly ScriptVerdict[] {
  const wrong = (place: string, what: string) => badInput(what, { where: `${where}: ${place}` });
  const verdicts = checked<ScriptVerdicts>(validate, value, wrong);
  const seen = new Map<string, number>();
  for (const [index, verdict] of verdicts.entries()) {
    const before = seen.get(verdictKey(verdict));
    if (before !== undefined) throw wrong(`$[${index}]`, `a second verdict on the script of $[${before}]`);
    seen.set(verdictKey(verdict), index);
  }
  return verdicts;
}
