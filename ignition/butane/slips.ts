import { type Document, isMap, isScalar, type Pair, Scalar, visit, type YAMLError } from 'yaml';

/** Hints for common mistakes in YAML, by the form in which the parser meets them. */

/** A probable mistake, and its place. */
export interface Slip {
  readonly at: number;
  readonly message: string;
}

interface Spot {
  /** Offset of the error. */
  readonly at: number;
  readonly message: string;
  /** The line of the error, and the lines before it, the nearest first. */
  readonly line: string;
  readonly before: readonly string[];
  readonly document: Document;
  /** The whole text. */
  readonly text: string;
}

const KEY = /^[\s-]*([\w.-]+):(?:\s|$)/;
const keyOf = (line: string): string | undefined => KEY.exec(line)?.[1];
const indentOf = (line: string): number => /^[\s-]*/.exec(line)?.[0].length ?? 0;
/** A line of a unit, or of another text, where YAML is expected. */
/** A key with a block, e.g. `contents: |`. */
const isBlockMark = (line: string): boolean => /[|>][-+0-9]*$/.test(line.trimEnd());
const isForeign = (line: string): boolean => /^\s*(\[\w+\]\s*$|[\w.-]+=|#!)/.test(line);

/** A quote that begins a value and is not closed on the same line. */
const OPEN = /^[\s-]*(?:[\w.-]+:\s+)?(?=("[^"]*|'[^']*)$)/;

/**
 * Finds the beginning of a quoted text without an end. The parser takes a later quote for the end, and reports the last
 * quote of the file. So the mistake is the first value whose line does not close its quote.
 */
function openQuote(document: Document, text: string): number | undefined {
  let last: number | undefined;
  visit(document, {
    Scalar: (_key, node) => {
      const quoted = node.type === Scalar.QUOTE_DOUBLE || node.type === Scalar.QUOTE_SINGLE;
      if (quoted && node.range) [last] = node.range;
    },
  });
  let start = 0;
  for (const line of text.split('\n')) {
    const [before] = OPEN.exec(line) ?? [];
    if (before !== undefined) return start + before.length;
    start += line.length + 1;
  }
  return last;
}

/** The nearest key above lines that are not YAML. */
function ownerOf(lines: readonly string[]): string | undefined {
  const line = lines.find((each) => keyOf(each) !== undefined && !isForeign(each));
  return line && keyOf(line);
}

/**
 * Mistakes, each with a way to recognize it; the most certain first. Each hint says what to write, or where.
 */
const SLIPS: readonly ((spot: Spot) => string | Slip | undefined)[] = [
  ({ line }) =>
    /\{\{|\{%|%\}|\}\}/.test(line)
      ? 'a placeholder of a template was left in; fill the template in first, or put the value in quotes'
      : undefined,
  ({ message }) =>
    message.startsWith('Tabs are not allowed')
      ? 'a tab indents this line; YAML takes spaces only'
      : undefined,
  ({ message, document, text }) => {
    const quote = /Missing closing (["'])quote/.exec(message)?.[1];
    const at = quote && openQuote(document, text);
    return at === undefined || at === ''
      ? undefined
      : { at, message: `the text that begins here has no closing ${quote}; add it` };
  },
  ({ line }) => {
    const [, key, value] = /^[\s-]*([\w.-]+):([^\s:/][^:]*|\/[^/:][^:]*)$/.exec(line) ?? [];
    return key === undefined
      ? undefined
      : `no space after the colon of ${key}; write ${key}: ${value?.trim().slice(0, 60)}`;
  },
  ({ line, before: [above = ''] }) => {
    const key = isBlockMark(above) ? keyOf(above) : undefined;
    return key !== undefined && indentOf(line) <= indentOf(above)
      ? `the text of ${key} begins here and is not indented; indent it deeper than ${key}`
      : undefined;
  },
  ({ line, before: [above = ''] }) => {
    const [, key, value] =
      [line, above].map((each) => /^\s*-([a-z_]+):\s+(\S.*)$/.exec(each)).find(Boolean) ?? [];
    return key === undefined
      ? undefined
      : `no space after the dash of ${key}; write - ${key}: ${value?.trim().slice(0, 60)}`;
  },
  ({ line, before }) => {
    // The first line of a block sets its indentation. This line has less, so it ends the block too early.
    const block = before.findIndex((each) => indentOf(each) <= indentOf(line));
    const owner = block > 0 && isBlockMark(before[block] ?? '') ? keyOf(before[block] ?? '') : undefined;
    return owner !== undefined && isForeign(line)
      ? `the text of ${owner} ends before this line, which is indented less; indent it as deep as the lines above`
      : undefined;
  },
  ({ line, before }) => {
    const near = [line, ...before.slice(0, 2)];
    const owner = near.some(isForeign) ? ownerOf(before) : undefined;
    return owner === undefined
      ? undefined
      : `a text of several lines stands here without a mark; write ${owner}: | and indent the text below it`;
  },
  ({ line }) => {
    const value = /^[\s-]*[\w.-]+:\s+(\S.*:\s.*)$/.exec(line)?.[1];
    return value === undefined || /^["'[{|>]/.test(value)
      ? undefined
      : `a colon and a space stand inside of a value; put it in quotes: '${value.slice(0, 60).replaceAll("'", "''")}'`;
  },
  ({ message }) =>
    /must be sufficiently indented and end with|must end with/.test(message)
      ? 'a [ or { that was opened above is not closed before this line; close it'
      : undefined,
  ({ message }) => {
    const mark = /cannot start with (?:directive indicator|reserved) character (\S)/.exec(message)?.[1];
    return mark === undefined ? undefined : `a value cannot begin with ${mark}; put it in quotes`;
  },
  ({ message }) =>
    /at node end|Not a YAML token|includes extra characters/.test(message)
      ? 'something stands after the end of the value; put the whole value in quotes'
      : undefined,
  ({ message }) => {
    const wrong = /Invalid escape sequence (\S+)/.exec(message)?.[1];
    return wrong === undefined
      ? undefined
      : `${wrong} means nothing between double quotes; write \\${wrong}, or take single quotes`;
  },
  ({ message }) =>
    /same column|without - indicator|block sequence may not|compact mappings|single line/.test(message)
      ? 'the indentation fits no line above; begin the line in the column of the keys, or of the dashes, that it belongs to'
      : undefined,
  ({ message }) =>
    message.startsWith('Implicit map keys')
      ? 'neither a key nor part of a value; write KEY: VALUE, or indent the line deeper if it goes on from above'
      : undefined,
];

function explain(spot: Spot): Slip {
  for (const slip of SLIPS) {
    const found = slip(spot);
    if (found !== undefined) return typeof found === 'string' ? { at: spot.at, message: found } : found;
  }
  return { at: spot.at, message: spot.message };
}

function repeatedKey(document: Document, at: number, lineOf: (at: number) => number): Slip | undefined {
  let found: Slip | undefined;
  visit(document, {
    Map: (_key, map) => {
      const keys = (map.items as Pair[]).flatMap(({ key }) => (isScalar(key) ? [key] : []));
      const later = keys.find((key) => key.range?.[0] === at);
      const first = keys.find((key) => later && key.value === later.value);
      if (!later || !first || !isMap(map)) return;
      const line = lineOf(first.range?.[0] ?? 0);
      const message = `key ${String(later.value)} is already defined at line ${line}; join the two, or rename one`;
      found = { at, message };
    },
  });
  return found;
}

/**
 * The parser's errors: every key that appears twice, or else the first error, because the others mostly
 * follow from it.
 */
export function slipsOf(
  errors: readonly YAMLError[],
  text: string,
  document: Document,
  lineOf: (at: number) => number,
): readonly Slip[] {
  const repeated = errors.flatMap(({ code, pos }) =>
    code === 'DUPLICATE_KEY' ? (repeatedKey(document, pos[0], lineOf) ?? []) : [],
  );
  const first = errors.find(({ code }) => code !== 'DUPLICATE_KEY');
  if (first === undefined) return repeated;
  const [at] = first.pos;
  if (first.code === 'MULTIPLE_DOCS') {
    const message = 'a second document begins; a config is one: remove it, or put it in a file of its own';
    return [...repeated, { at, message }];
  }
  const lines = text.split(/\r?\n/);
  const line = lineOf(at);
  const before = lines
    .slice(0, line - 1)
    .filter((each) => each.trim() !== '')
    .reverse();
  const message = first.message.split(/ at line \d+/)[0] ?? first.message;
  return [...repeated, explain({ at, message, line: lines[line - 1] ?? '', before, document, text })];
}
