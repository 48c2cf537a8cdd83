import { badInput } from '../../sdk/lib/errors.ts';
import { isVersion, type VersionOperator } from './version.ts';

/** A stanza of a control file: field name → value with its continuation lines (deb822(5)). */
export type Stanza = ReadonlyMap<string, string>;

/**
 * Parses a control file of any number of stanzas. Field names become lower case, because their case has no meaning. A
 * continuation line keeps its newline and loses its first blank. `where` names the file in errors. It is for small
 * files (Release, .dsc, control, APT's sources); packages-index.ts has a faster reader for indexes.
 */
export function parseStanzas(text: string, where: string): Stanza[] {
  const stanzas: Stanza[] = [];
  let fields = new Map<string, string>();
  let last: string | undefined;
  const lines = text.split('\n');
  for (const [number, raw] of lines.entries()) {
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    if (line.startsWith('#')) continue;
    if (line.trim() === '') {
      if (fields.size > 0) stanzas.push(fields);
      fields = new Map();
      last = undefined;
      continue;
    }
    if (line.startsWith(' ') || line.startsWith('\t')) {
      if (last === undefined)
        throw badInput('continuation line without a field', { where: `${where}:${number + 1}` });
      fields.set(last, `${fields.get(last)}\n${line.slice(1)}`);
      continue;
    }
    const colon = line.indexOf(':');
    if (colon <= 0)
      throw badInput(`not a "Field: value" line: ${line.slice(0, 60)}`, { where: `${where}:${number + 1}` });
    last = line.slice(0, colon).toLowerCase();
    if (fields.has(last)) {
      throw badInput(`field ${line.slice(0, colon)} is given twice`, { where: `${where}:${number + 1}` });
    }
    fields.set(last, line.slice(colon + 1).trim());
  }
  if (fields.size > 0) stanzas.push(fields);
  return stanzas;
}

/** An alternative of a dependency: `perl:any (>= 5.36) [amd64]`. */
export interface Relation {
  readonly name: string;
  /** `any`, `native` or an architecture; undefined if the dependency has none. */
  readonly qualifier: string | undefined;
  readonly version: { readonly operator: VersionOperator; readonly bound: string } | undefined;
}

/** `a | b`: one of them must be satisfied. */
export type Alternatives = readonly Relation[];

const RELATION =
  /^([a-zA-Z0-9][a-zA-Z0-9+.-]*)(?::([a-z0-9-]+))?\s*(?:\(\s*(<<|<=|=|>=|>>|<|>)\s*([^\s)]+)\s*\))?\s*(?:\[([^\]]*)\])?\s*(?:<[^>]*>\s*)*$/;

/**
 * Parses a dependency field (Policy 7.1): `,` separates groups, `|` separates alternatives. An alternative for other
 * architectures than `architecture` is left out, and so is a group without any alternative left. Build profiles
 * (`<!nocheck>`) are ignored, because binary packages have none.
 */
export function parseRelations(text: string, architecture: string, where: string): Alternatives[] {
  const groups: Alternatives[] = [];
  for (const part of text.split(',')) {
    if (part.trim() === '') continue; // a trailing comma is allowed
    const group: Relation[] = [];
    for (const alternative of part.split('|')) {
      const match = RELATION.exec(alternative.trim());
      if (match === null) throw badInput(`cannot read the dependency "${alternative.trim()}"`, { where });
      const [, name, qualifier, operator, bound, architectures] = match;
      if (architectures !== undefined && !architectureMatches(architectures, architecture)) continue;
      if (bound !== undefined && !isVersion(bound)) {
        throw badInput(`cannot read the version "${bound}" of the dependency "${alternative.trim()}"`, {
          where,
        });
      }
      group.push({
        name: name!,
        qualifier,
        version:
          operator === undefined || bound === undefined
            ? undefined
            : {
                operator: operator === '<' ? '<=' : operator === '>' ? '>=' : (operator as VersionOperator),
                bound,
              },
      });
    }
    if (group.length > 0) groups.push(group);
  }
  return groups;
}

/**
 * Whether `[amd64 i386]` or `[!hurd-any]` (Policy 7.1) includes the architecture. Known wildcards: `any`, `linux-any`,
 * `any-CPU`.
 */
function architectureMatches(list: string, architecture: string): boolean {
  const names = list.trim().split(/\s+/);
  const wildcards = [architecture, 'any', 'linux-any', `any-${architecture}`, `linux-${architecture}`];
  return names[0]?.startsWith('!') === true
    ? !names.some((name) => wildcards.includes(name.replace(/^!/, '')))
    : names.some((name) => wildcards.includes(name));
}

/** Formats a relation as in a control file. */
export function formatRelation({ name, qualifier, version }: Relation): string {
  const qualified = qualifier === undefined ? name : `${name}:${qualifier}`;
  return version === undefined ? qualified : `${qualified} (${version.operator} ${version.bound})`;
}

/** Formats a group: `a (>= 1) | b`. */
export function formatAlternatives(group: Alternatives): string {
  return group.map(formatRelation).join(' | ');
}
