import type { Member, SourceNode } from '../base/node.ts';

/** Reads options that a compose file may write in two or three forms. */

/** Reports an option that is not taken over, with a hint. */
export type Lost = (at: number, message: string) => void;

/** The members of a map; none for any other node. */
export const membersOf = (node: SourceNode | undefined): readonly Member[] =>
  node?.kind === 'map' ? node.members : [];

/** The items of a list. Any other node is a list with one item. */
export const itemsOf = (node: SourceNode | undefined): readonly SourceNode[] =>
  node?.kind === 'list' ? node.items : node === undefined ? [] : [node];

/** The value of a key of a map; undefined if the key is missing. */
export const memberOf = (node: SourceNode | undefined, key: string): SourceNode | undefined =>
  membersOf(node).find((member) => member.key === key)?.value;

/** The text of a scalar; empty for any other node. */
export const textOf = (node: SourceNode | undefined): string => (node?.kind === 'scalar' ? node.text : '');

/** Whether a scalar is true (YAML 1.1). */
export const isTrue = (node: SourceNode | undefined): boolean => /^(true|yes|on)$/i.test(textOf(node));

/** Whether a value is null, or left out after its key. */
export const isNull = (node: SourceNode): boolean =>
  node.kind === 'scalar' && !node.quoted && /^(|~|null)$/i.test(node.text);

/** A text, or a list of them. */
export const textsOf = (node: SourceNode | undefined): string[] => itemsOf(node).map(textOf);

/** `KEY: VALUE` in a map, or `KEY=VALUE` in a list. A key without a value is undefined. */
export function pairsOf(node: SourceNode): [key: string, value: string | undefined, at: number][] {
  if (node.kind === 'map') {
    return node.members.map(({ key, value, at }) => [key, isNull(value) ? undefined : textOf(value), at]);
  }
  return itemsOf(node).map((item) => {
    const text = textOf(item);
    const equals = text.indexOf('=');
    return equals < 0 ? [text, undefined, item.at] : [text.slice(0, equals), text.slice(equals + 1), item.at];
  });
}

/** Words of a command as a shell splits them: spaces divide, quotes and backslashes hold together. */
export function wordsOf(text: string): string[] {
  const words = text.match(/(?:[^\s'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+/g) ?? [];
  return words.map((word) =>
    word.replace(
      /'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)/g,
      (_all, single?: string, double?: string, one?: string) =>
        single ?? double?.replace(/\\(["\\$`])/g, '$1') ?? one ?? '',
    ),
  );
}

/** Puts the values of variables into every text (Compose Specification, "Interpolation"): `$NAME`, `${NAME:-default}`. */
export function interpolate(
  node: SourceNode,
  variables: ReadonlyMap<string, string>,
  lost: Lost,
): SourceNode {
  const visit = (each: SourceNode): SourceNode => {
    if (each.kind === 'list') return { ...each, items: each.items.map(visit) };
    if (each.kind === 'map') {
      const members = each.members.map((member) => ({ ...member, value: visit(member.value) }));
      return { ...each, members };
    }
    return { ...each, text: substitute(each.text, each.at, variables, lost) };
  };
  return visit(node);
}

const VARIABLE = /\$(?:\$|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(:?[-?+]|(?=\})))/g;

/** The offset of the `}` for the `${` before `from`. Variables in braces may stand between them, inside of a default. */
function closing(text: string, from: number): number {
  for (let at = from, depth = 1; at < text.length; at++) {
    if (text[at] === '{' && text[at - 1] === '$') depth++;
    else if (text[at] === '}' && --depth === 0) return at;
  }
  return -1;
}

/** A variable of a text: its name, `-`, `?` or `+` with or without a colon, and the text after that. */
interface Variable {
  readonly name: string;
  readonly mark: string;
  readonly other: () => string;
}

/** The text in place of a variable; undefined if it has no value. */
function textFor(
  { name, mark, other }: Variable,
  variables: ReadonlyMap<string, string>,
): string | undefined {
  const value = variables.get(name);
  const isSet = mark.startsWith(':') ? !!value : value !== undefined;
  if (mark.endsWith('+')) return isSet ? other() : '';
  if (isSet) return value;
  return mark.endsWith('-') ? other() : undefined;
}

function substitute(text: string, at: number, variables: ReadonlyMap<string, string>, lost: Lost): string {
  let result = '';
  let done = 0;
  for (const { 0: all, 1: plain, 2: braced, 3: mark = '', index } of text.matchAll(VARIABLE)) {
    const start = index + all.length;
    const end = braced === undefined ? start : closing(text, start);
    if (index < done || end < 0) continue; // inside of a default, or without an end
    const stop = braced === undefined ? end : end + 1;
    const name = plain ?? braced;
    const other = () => substitute(text.slice(start, end), at, variables, lost);
    const found = name === undefined ? '$' : textFor({ name, mark, other }, variables);
    if (found === undefined)
      lost(at, `the variable ${name} has no value; write it into .env beside the file, or into the result`);
    result += text.slice(done, index) + (found ?? text.slice(index, stop));
    done = stop;
  }
  return result + text.slice(done);
}

/** The number in a text of a node. Reports a text that is not a number; the result is then undefined. */
export function numberOf(node: SourceNode, text: string, what: string, lost: Lost): number | undefined {
  if (/^[0-9]+$/.test(text)) return Number(text);
  lost(node.at, `${what} ${JSON.stringify(text)} is not a number and is not taken over; write the number`);
  return undefined;
}
