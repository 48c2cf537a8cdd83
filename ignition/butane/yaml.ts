import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  Scalar,
  visit,
  type YAMLMap,
} from 'yaml';

/** YAML as Butane reads it: positions kept, anchors and merge keys resolved within bounds, integers as in YAML 1.1. */

/** A value whose type the reader decides: plain scalars keep their text. */
export type Yaml =
  | { readonly kind: 'map'; readonly at: number; readonly members: readonly Member[] }
  | { readonly kind: 'list'; readonly at: number; readonly items: readonly Yaml[] }
  | { readonly kind: 'scalar'; readonly at: number; readonly text: string; readonly quoted: boolean };

export interface Member {
  readonly key: string;
  readonly at: number;
  readonly value: Yaml;
}

export interface YamlFault {
  readonly at: number;
  readonly message: string;
}

export interface ParsedYaml {
  readonly value?: Yaml;
  readonly faults: readonly YamlFault[];
  /** 1-based line and column of an offset; the column counts characters, as editors do. */
  readonly place: (at: number) => { readonly line: number; readonly column: number };
}

/** Values a document may hold with its aliases expanded: ten lines of anchors can say a billion. */
const MAX_VALUES = 500_000;
const MAX_DEPTH = 100;
export const MAX_YAML_BYTES = 16 * 1024 * 1024;

class TooLarge extends Error {
  readonly at: number;
  constructor(at: number, message: string) {
    super(message);
    this.at = at;
  }
}

interface State {
  readonly resolve: (alias: Alias) => Node | undefined;
  readonly faults: YamlFault[];
  values: number;
}

const offsetOf = (node: Node | null | undefined): number => node?.range?.[0] ?? 0;

function convert(node: Node | null, state: State, at: number, depth: number): Yaml {
  state.values++;
  if (state.values > MAX_VALUES) throw new TooLarge(at, `more than ${MAX_VALUES} values, aliases expanded`);
  if (depth > MAX_DEPTH) throw new TooLarge(at, `nested deeper than ${MAX_DEPTH} levels`);
  if (isAlias(node)) {
    const target = state.resolve(node);
    if (target === undefined) throw new TooLarge(at, `unknown anchor *${node.source}`);
    return convert(target, state, at, depth + 1);
  }
  if (isMap(node)) return { kind: 'map', at, members: members(node, state, depth) };
  if (isSeq(node)) {
    const items = node.items.map((item) =>
      convert(item as Node | null, state, offsetOf(item as Node), depth + 1),
    );
    return { kind: 'list', at, items };
  }
  if (isScalar(node)) {
    const quoted = node.type !== Scalar.PLAIN;
    const text = quoted ? String(node.value) : (node.source ?? String(node.value ?? ''));
    return { kind: 'scalar', at, text, quoted };
  }
  return { kind: 'scalar', at, text: '', quoted: false };
}

function members(map: YAMLMap, state: State, depth: number): Member[] {
  const own: Member[] = [];
  const merged: Member[] = [];
  for (const { key, value } of map.items as Pair<Node, Node | null>[]) {
    const at = offsetOf(key);
    const converted = convert(value, state, value === null ? at : offsetOf(value), depth + 1);
    const name = isScalar(key) ? (key.source ?? String(key.value)) : undefined;
    if (name === undefined) state.faults.push({ at, message: 'a key must be a plain word' });
    else if (name === '<<') merged.push(...mergeKey(converted, state));
    else own.push({ key: name, at, value: converted });
  }
  const names = new Set(own.map(({ key }) => key));
  return [...merged.filter(({ key }) => !names.has(key)), ...own];
}

/** Members of `<<: *map` or `<<: [*a, *b]`; of two, the earlier wins. */
function mergeKey(value: Yaml, state: State): Member[] {
  if (value.kind === 'map') return [...value.members];
  if (value.kind !== 'list') {
    state.faults.push({ at: value.at, message: '<< wants a map or a list of maps' });
    return [];
  }
  const byName = new Map<string, Member>();
  for (const member of value.items.flatMap((item) => mergeKey(item, state))) {
    if (!byName.has(member.key)) byName.set(member.key, member);
  }
  return [...byName.values()];
}

/** Answers what an alias stands for: the last node before it with that anchor. */
function anchors(document: Document): (alias: Alias) => Node | undefined {
  const byName = new Map<string, Node[]>();
  visit(document, {
    Value: (_key, node) => {
      if (node.anchor) byName.set(node.anchor, [...(byName.get(node.anchor) ?? []), node]);
    },
  });
  return (alias) => byName.get(alias.source)?.findLast((node) => offsetOf(node) < offsetOf(alias));
}

/** Parses one YAML document. Faults carry offsets into `text`. */
export function parseYaml(text: string): ParsedYaml {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    uniqueKeys: true,
    strict: true,
    version: '1.2',
  });
  const place = (at: number) => {
    const line = Math.max(lines.linePos(at).line, 1);
    return { line, column: [...text.slice(lines.lineStarts[line - 1] ?? 0, at)].length + 1 };
  };
  const faults: YamlFault[] = document.errors.map(({ code, pos, message }) => ({
    at: pos[0],
    message:
      code === 'MULTIPLE_DOCS'
        ? 'a second document begins; a config is one: remove it, or put it in a file of its own'
        : (message.split(/ at line \d+/)[0] ?? message),
  }));
  if (faults.length > 0) return { faults, place };
  const resolve = anchors(document);
  const state: State = { resolve, faults, values: 0 };
  try {
    const value = convert(document.contents, state, offsetOf(document.contents), 0);
    return { value, faults: state.faults, place };
  } catch (error) {
    if (!(error instanceof TooLarge)) throw error;
    return { faults: [{ at: error.at, message: error.message }], place };
  }
}

/** An integer as YAML 1.1 and Go's decoder write it: decimal, 0x, 0o, 0b and 0644. */
export function parseInteger(text: string): number | undefined {
  const [, sign = '', digits = ''] = /^([-+]?)(.*)$/s.exec(text.replaceAll('_', '')) ?? [];
  const radix = /^0x[0-9a-f]+$/i.test(digits)
    ? 16
    : /^0b[01]+$/.test(digits)
      ? 2
      : /^0o?[0-7]+$/.test(digits)
        ? 8
        : /^(0|[1-9][0-9]*)$/.test(digits)
          ? 10
          : 0;
  if (radix === 0) return undefined;
  const value = Number.parseInt(radix === 10 ? digits : digits.replace(/^0[xob]?/i, '') || '0', radix);
  return Number.isSafeInteger(value) ? (sign === '-' ? -value : value) : undefined;
}

export function parseBoolean(text: string): boolean | undefined {
  if (/^(true|yes|on|y)$/i.test(text)) return true;
  return /^(false|no|off|n)$/i.test(text) ? false : undefined;
}

export const isNullText = (text: string): boolean => /^(|~|null)$/i.test(text);
