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
import type { Member, SourceNode } from '../base/node.ts';
import { type Slip, slipsOf } from './slips.ts';

/** Reads YAML as Butane does: with positions, with limits for anchors and merge keys, and with integers of YAML 1.1. */

/** A YAML document with positions, and its faults. */
export interface ParsedYaml {
  readonly value?: SourceNode;
  readonly faults: readonly Slip[];
  /** 1-based line and column of an offset; the column counts characters, as editors do. */
  readonly place: (at: number) => { readonly line: number; readonly column: number };
}

/**
 * Limit for the values of a document with its aliases expanded: ten lines of anchors can stand for a billion
 * values.
 */
const MAX_VALUES = 500_000;
const MAX_DEPTH = 100;

/** The largest config that is read, in bytes. */
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
  readonly faults: Slip[];
  readonly text: string;
  values: number;
}

const offsetOf = (node: Node | null | undefined): number => node?.range?.[0] ?? 0;

function convert(node: Node | null, state: State, at: number, depth: number): SourceNode {
  state.values++;
  if (state.values > MAX_VALUES) throw new TooLarge(at, `more than ${MAX_VALUES} values, aliases expanded`);
  if (depth > MAX_DEPTH) throw new TooLarge(at, `nested deeper than ${MAX_DEPTH} levels`);
  if (isAlias(node)) {
    const target = state.resolve(node);
    if (target === undefined)
      throw new TooLarge(at, `no anchor &${node.source} above; put a text that begins with * in quotes`);
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
    const text = quoted ? quotedText(node, state.text) : (node.source ?? String(node.value ?? ''));
    return { kind: 'scalar', at, text, quoted };
  }
  return { kind: 'scalar', at, text: '', quoted: false };
}

/** Removes the line break at the end of a block if the text ends without one, as Go's parser does. */
function quotedText({ type, value, range }: Scalar, text: string): string {
  const isBlock = type === Scalar.BLOCK_LITERAL || type === Scalar.BLOCK_FOLDED;
  const ends = isBlock && (range?.[1] ?? 0) >= text.length && !/[\r\n]$/.test(text);
  return ends ? String(value).replace(/\n$/, '') : String(value);
}

function members(map: YAMLMap, state: State, depth: number): Member[] {
  const own: Member[] = [];
  const merged: Member[] = [];
  for (const { key, value } of map.items as Pair<Node, Node | null>[]) {
    const at = offsetOf(key);
    const converted = convert(value, state, value === null ? at : offsetOf(value), depth + 1);
    const name = isScalar(key) ? (key.source ?? String(key.value)) : undefined;
    if (name === undefined) {
      const template = state.text.slice(Math.max(0, at - 1), at + 1) === '{{';
      const hint = template
        ? "fill the template in first, or quote the value: '{{ … }}'"
        : 'put it in quotes';
      state.faults.push({ at, message: `a map or list stands where a key or a text is expected; ${hint}` });
    }
    if (name === undefined) continue;
    if (name === '<<') merged.push(...mergeKey(converted, state));
    else own.push({ key: name, at, value: converted });
  }
  const names = new Set(own.map(({ key }) => key));
  return [...merged.filter(({ key }) => !names.has(key)), ...own];
}

/** Members of `<<: *map` or `<<: [*a, *b]`; the earlier map wins. */
function mergeKey(value: SourceNode, state: State): Member[] {
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

/** Finds the node of an alias: the last node with that anchor before it. */
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
  const faults = [...slipsOf(document.errors, text, document, (at) => place(at).line)];
  if (faults.length > 0) return { faults, place };
  const resolve = anchors(document);
  const state: State = { resolve, faults, text, values: 0 };
  try {
    const value = convert(document.contents, state, offsetOf(document.contents), 0);
    return { value, faults: state.faults, place };
  } catch (error) {
    if (!(error instanceof TooLarge)) throw error;
    return { faults: [{ at: error.at, message: error.message }], place };
  }
}

/** An integer in the forms of YAML 1.1 and of Go's decoder: decimal, 0x, 0o, 0b and 0644. */
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

/** A boolean of YAML 1.1, as Butane reads it; undefined for any other text. */
export function parseBoolean(text: string): boolean | undefined {
  if (/^(true|yes|on|y)$/i.test(text)) return true;
  return /^(false|no|off|n)$/i.test(text) ? false : undefined;
}

/** Whether the text of an unquoted scalar means null. */
export const isNullText = (text: string): boolean => /^(|~|null)$/i.test(text);
