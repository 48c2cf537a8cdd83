import { createScanner, findNodeAtLocation, type Node, type ParseError, parseTree } from 'jsonc-parser';
import { badInput } from '../../sdk/lib/errors.ts';
import type { SourceNode } from '../base/node.ts';
import type { LineColumn } from '../base/report.ts';
import type { Step } from '../base/step.ts';

/** Places in the text of a JSON document. */

/**
 * 1-based line and column of an offset in a text. Columns count bytes, as Ignition's do; `offset` counts UTF-16 units,
 * as strings do.
 */
export function placeIn(text: string): (offset: number) => LineColumn {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    let [low, high] = [0, starts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    const start = starts[low] ?? 0;
    return { line: low + 1, column: Buffer.byteLength(text.slice(start, offset)) + 1 };
  };
}

/** The offset of a line and a column as Ignition counts them. The end of the text for a place beyond it. */
export function offsetOf(text: string, { line, column }: LineColumn): number {
  let start = 0;
  for (let left = line; left > 1; left--) {
    const end = text.indexOf('\n', start);
    if (end < 0) return text.length;
    start = end + 1;
  }
  const rest = Buffer.from(text.slice(start, start + column));
  return Math.min(text.length, start + rest.subarray(0, Math.max(0, column - 1)).toString().length);
}

/**
 * The syntax tree of a text, up to its first fault.
 * @throws Failure for a text that is nested too deeply
 */
function parse(text: string, errors: ParseError[] = []): Node | undefined {
  try {
    return parseTree(text, errors, { disallowComments: true });
  } catch (error) {
    if (error instanceof RangeError) throw badInput('the config is nested too deeply', { cause: error });
    throw error;
  }
}

/** Offset of the first place where a text is not JSON; its length if there is none. */
export function faultOffset(text: string): number {
  const errors: ParseError[] = [];
  parse(text, errors);
  return Math.min(text.length, errors[0]?.offset ?? text.length);
}

/** A key that an object has twice. */
export interface RepeatedKey {
  readonly path: readonly Step[];
  /** Offsets of the later and of the first occurrence. */
  readonly at: number;
  readonly first: number;
}

/**
 * Numbers of tokens in jsonc-parser. Its own names are a const enum, which a module that is compiled alone
 * cannot use.
 */
const TOKEN = {
  openBrace: 1,
  closeBrace: 2,
  openBracket: 3,
  closeBracket: 4,
  comma: 5,
  colon: 6,
  string: 10,
  end: 17,
};

/** An object or list that the scanner is in. */
interface Open {
  /** Offsets of the keys of an object. */
  readonly keys?: Map<string, number>;
  step: Step;
}

/** Keys that an object of a JSON text has twice, in the order of the text. */
export function repeatedKeys(text: string): readonly RepeatedKey[] {
  const scanner = createScanner(text, true);
  const open: Open[] = [];
  const found: RepeatedKey[] = [];
  let last = { text: '', at: 0 };
  for (let token: number = scanner.scan(); token !== TOKEN.end; token = scanner.scan()) {
    const inside = open.at(-1);
    if (token === TOKEN.string) {
      last = { text: scanner.getTokenValue(), at: scanner.getTokenOffset() };
    } else if (token === TOKEN.openBrace) open.push({ keys: new Map(), step: '' });
    else if (token === TOKEN.openBracket) open.push({ step: 0 });
    else if (token === TOKEN.closeBrace || token === TOKEN.closeBracket) open.pop();
    else if (token === TOKEN.comma && typeof inside?.step === 'number') inside.step++;
    else if (token === TOKEN.colon && inside?.keys) {
      inside.step = last.text;
      const first = inside.keys.get(last.text);
      if (first === undefined) inside.keys.set(last.text, last.at);
      else found.push({ path: open.map(({ step }) => step), at: last.at, first });
    }
  }
  return found;
}

function convert(node: Node, text: string): SourceNode {
  // Ignition's offset of an object or a list is the place after its opening bracket.
  if (node.type === 'object') {
    const members = (node.children ?? []).flatMap(({ children = [] }) => {
      const [key, value] = children;
      return key && value ? [{ key: String(key.value), at: key.offset, value: convert(value, text) }] : [];
    });
    return { kind: 'map', at: node.offset + 1, members };
  }
  if (node.type === 'array')
    return {
      kind: 'list',
      at: node.offset + 1,
      items: (node.children ?? []).map((item) => convert(item, text)),
    };
  const quoted = node.type === 'string';
  const written = quoted ? String(node.value) : text.slice(node.offset, node.offset + node.length);
  return { kind: 'scalar', at: node.offset, text: written, quoted };
}

/** The values of a JSON document with their offsets. The text must be valid JSON. */
export function jsonTree(text: string): SourceNode {
  const root = parse(text);
  if (root === undefined) throw new Error('not JSON');
  return convert(root, text);
}

/** The value whose text covers an offset, and its path. */
export function valueAt(
  text: string,
  offset: number,
): { readonly path: readonly Step[]; readonly at: number } {
  const path: Step[] = [];
  let node = parse(text);
  for (;;) {
    const covers = ({ offset: from, length }: Node): boolean => from <= offset && offset <= from + length;
    const next = (node?.children ?? []).find(covers);
    if (node === undefined || next === undefined) break;
    if (node.type === 'array') path.push(node.children?.indexOf(next) ?? 0);
    if (next.type === 'property') {
      const [key, value] = next.children ?? [];
      path.push(String(key?.value));
      if (value === undefined) break;
      node = value;
    } else node = next;
  }
  return { path, at: node?.offset ?? 0 };
}

/** The place in the text of the deepest value along a path. */
export function placeAt(text: string, path: readonly Step[]): LineColumn {
  const root = parse(text);
  const nodes = path.map((_, index) => root && findNodeAtLocation(root, path.slice(0, index + 1)));
  return placeIn(text)((nodes.findLast((node) => node !== undefined) ?? root)?.offset ?? 0);
}
