/** What one module loads, as written in it. */
export interface Imports {
  /** Specifiers of static and dynamic imports and re-exports, without those that only bring types. */
  readonly modules: readonly string[];
  /** Files named by `new URL('…', import.meta.url)`: workers and data. */
  readonly urls: readonly string[];
  /** Lines (from 1) with an `import(…)` whose argument is no string literal: nobody can tell what it loads. */
  readonly unknown: readonly number[];
}

type Token = { readonly kind: 'word' | 'string' | 'punct'; readonly text: string; readonly at: number };

/**
 * Finds the imports of a TypeScript module without parsing it: it is cut into words, strings and signs, comments
 * and regular expressions skipped, and import declarations recognised in that (ECMA-262, sections 12 and 16.2).
 */
export function scanImports(text: string): Imports {
  const tokens = tokenize(text);
  const modules = new Set<string>();
  const urls = new Set<string>();
  const unknown: number[] = [];
  const word = (index: number): string | undefined =>
    tokens[index]?.kind === 'string' ? undefined : tokens[index]?.text;
  const string = (index: number): string | undefined =>
    tokens[index]?.kind === 'string' ? tokens[index].text : undefined;
  tokens.forEach((token, index) => {
    if (token.kind !== 'word' || word(index - 1) === '.') return;
    if (token.text === 'import') {
      if (word(index + 1) === '(') {
        const specifier = string(index + 2);
        if (specifier !== undefined && [',', ')'].includes(word(index + 3) ?? '')) modules.add(specifier);
        else if (word(index + 2) !== ')') unknown.push(lineOf(text, token.at));
      } else {
        const specifier = string(index + 1) ?? staticSpecifier(tokens, index);
        if (specifier !== undefined) modules.add(specifier);
      }
    } else if (token.text === 'export') {
      const specifier = staticSpecifier(tokens, index);
      if (specifier !== undefined) modules.add(specifier);
    } else if (token.text === 'URL' && word(index - 1) === 'new' && word(index + 1) === '(') {
      const path = string(index + 2);
      const base = [3, 4, 5, 6, 7, 8].map((offset) => word(index + offset)).join('');
      if (path !== undefined && base.startsWith(',import.meta.url')) urls.add(path);
    }
  });
  return { modules: [...modules], urls: [...urls], unknown };
}

/** The specifier of `import … from '…'` or `export … from '…'` that starts at `index`, if it is one and not of types only. */
function staticSpecifier(tokens: readonly Token[], index: number): string | undefined {
  const text = (at: number): string => (tokens[at]?.kind === 'string' ? '' : (tokens[at]?.text ?? ''));
  let at = index + 1;
  if (text(at) === 'type' && (text(at + 1) !== 'from' || text(at + 2) === 'from') && text(at + 1) !== ',')
    return undefined;
  // The clause before `from`: names, `*`, commas, one pair of braces. Anything else is another statement.
  for (let inBraces = false; ; at++) {
    const token = tokens[at];
    if (token === undefined) return undefined;
    if (token.kind === 'string') {
      if (inBraces) continue; // `{ 'a name' as b }`
      return undefined;
    }
    if (token.text === '{') inBraces = true;
    else if (token.text === '}') inBraces = false;
    else if (token.text === 'from' && !inBraces && tokens[at + 1]?.kind === 'string')
      return tokens[at + 1]?.text;
    else if (token.kind === 'punct' && token.text !== ',' && token.text !== '*') return undefined;
    else if (token.kind === 'word' && !inBraces && STATEMENTS.has(token.text)) return undefined;
  }
}

const STATEMENTS = new Set([
  'const',
  'let',
  'var',
  'function',
  'class',
  'async',
  'default',
  'enum',
  'interface',
  'namespace',
  'declare',
  'abstract',
]);

// Sticky alternatives, in this order: blanks, comments, words and numbers, plain strings.
const PATTERN =
  /\s+|\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|([\p{ID_Start}$_#@\d][\p{ID_Continue}$\u200c\u200d]*)|'((?:[^'\\\n]|\\[\s\S])*)'|"((?:[^"\\\n]|\\[\s\S])*)"/uy;
const REGEXP = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
/** After these words a slash starts a regular expression, after other words it divides. */
const BEFORE_REGEXP = new Set([
  'return',
  'typeof',
  'case',
  'in',
  'of',
  'delete',
  'void',
  'throw',
  'new',
  'instanceof',
  'await',
  'yield',
  'else',
  'do',
]);

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  // For each template literal we are inside of: how many braces are open since its `${`.
  const templates: number[] = [];
  let at = 0;
  const skipTemplate = (): void => {
    for (; at < text.length; at++) {
      if (text[at] === '\\') at++;
      else if (text[at] === '`') {
        tokens.push({ kind: 'punct', text: '`', at });
        at++;
        return;
      } else if (text[at] === '$' && text[at + 1] === '{') {
        at += 2;
        templates.push(0);
        return;
      }
    }
  };
  while (at < text.length) {
    PATTERN.lastIndex = at;
    const match = PATTERN.exec(text);
    if (match) {
      const [whole, name, single, double] = match;
      if (name !== undefined) tokens.push({ kind: 'word', text: name, at });
      const quoted = single ?? double;
      if (quoted !== undefined) tokens.push({ kind: 'string', text: quoted, at });
      at += whole.length;
      continue;
    }
    const sign = text[at] ?? '';
    if (sign === '`') {
      tokens.push({ kind: 'punct', text: sign, at });
      at++;
      skipTemplate();
      continue;
    }
    if (sign === '/' && startsRegExp(tokens.at(-1))) {
      REGEXP.lastIndex = at;
      const found = REGEXP.exec(text);
      if (found) {
        at += found[0].length;
        continue;
      }
    }
    const depth = templates.at(-1);
    if (depth !== undefined && sign === '}' && depth === 0) {
      templates.pop();
      at++;
      skipTemplate();
      continue;
    }
    if (depth !== undefined && (sign === '{' || sign === '}'))
      templates[templates.length - 1] = depth + (sign === '{' ? 1 : -1);
    tokens.push({ kind: 'punct', text: sign, at });
    at++;
  }
  return tokens;
}

function startsRegExp(previous: Token | undefined): boolean {
  if (previous === undefined) return true;
  if (previous.kind === 'string') return false;
  if (previous.kind === 'word') return BEFORE_REGEXP.has(previous.text);
  return previous.text !== ')' && previous.text !== ']' && previous.text !== '`';
}

function lineOf(text: string, at: number): number {
  return text.slice(0, at).split('\n').length;
}
