import { checked } from '../../sdk/lib/checked.ts';
import { badInput } from '../../sdk/lib/errors.ts';
import { byteOrder, type Sha256, sha256 } from '../../sdk/lib/files.ts';
import { parseJson } from '../../sdk/lib/json.ts';
import { type Package, type ScriptKind, scriptKinds } from './package.ts';
import { type ScriptVerdict, type ScriptVerdicts, validate } from './scripts.schema.ts';

export type { ScriptVerdict } from './scripts.schema.ts';

/** A maintainer script without a verdict. */
export interface UnknownScript {
  readonly sha256: Sha256;
  readonly package: string;
  readonly version: string;
  readonly script: ScriptKind;
  readonly text: string;
}

/** The part of a package that `checkScripts` reads. */
export type Scripted = Pick<Package, 'name' | 'version' | 'scripts'>;

/** An image never removes a package. So a script that runs on removal needs no verdict, but may have one. */
const ON_REMOVAL: ReadonlySet<ScriptKind> = new Set(['prerm', 'postrm']);

/**
 * All scripts that need a verdict and have none, sorted by package and kind. Scripts of removal need none. A `triggers`
 * file that only activates triggers of other packages (deb-triggers(5)) needs none either, because the interested
 * package has a verdict.
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

/** The number of characters of a script that an error shows, and the number of scripts that it names. */
const SHOWN = 8000;
const NAMED = 40;

/**
 * Throws unless each script of the packages has a verdict. The error names all scripts without a verdict, and shows the
 * first one. Returns the verdicts that apply. `where` is the policy's file.
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
        hint: 'read each script; add {sha256, package, script, verdict, by, note}, and the data that replaces its effect',
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

/** The package is part of the key, because the same script may matter for one package and not for another. */
function verdictKey(item: Pick<ScriptVerdict, 'sha256' | 'package' | 'script'>): string {
  return `${item.package} ${item.script} ${item.sha256}`;
}

/** Reads the text of a policy file. */
export function readPolicy(text: string, where: string): readonly ScriptVerdict[] {
  const hint = 'it is a list of verdicts, one a line (docs/packages.md); git has the old one';
  return parsePolicy(parseJson(text, 'the list of verdicts', where, hint), where);
}

/** Checks a parsed policy file. The error names the place in the file. */
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
