import { type Problem, problem } from '../report.ts';

/**
 * Data URLs (RFC 2397) as the decoder inside Ignition reads them: media types beginning with one of a few
 * known words, `base64` only as the last parameter, padded standard base64, ASCII everywhere.
 */

/** An RFC 2045 token character. */
const TOKEN = /[!#$%&'*+\-.^_`{|}~A-Za-z0-9]/;
const KNOWN_TYPES = ['text', 'image', 'audio', 'video', 'application', 'message', 'multipart'];

/** The decoder's faults; thrown inside this module only. */
class BadDataUrl extends Error {}

function fault(what: string): never {
  throw new BadDataUrl(what);
}

interface Header {
  /** Offset of the comma that ends the header. */
  readonly comma: number;
  readonly base64: boolean;
}

/** First offset from `at` whose character is no token character. */
function afterToken(url: string, at: number): number {
  let i = at;
  while (i < url.length && TOKEN.test(url[i] ?? '')) i++;
  return i;
}

/** Offset after `type/subtype`, which begins at `start`. */
function readMediaType(url: string, start: number): number {
  let slash = start;
  let known = true;
  if (/[xX]/.test(url[start] ?? '')) {
    // The decoder swallows the character after an x, whatever it is.
    if (start + 1 >= url.length) fault('missing media type slash');
    known = url[start + 1] !== '-';
    slash = start + 2;
  }
  slash = afterToken(url, slash);
  if (slash >= url.length) fault('missing media type slash');
  if (url[slash] !== '/') fault('invalid character for media type');
  const type = url.slice(start, slash);
  if (known && !KNOWN_TYPES.some((word) => type.startsWith(word))) fault('invalid media type');
  const end = afterToken(url, slash + 1);
  if (end >= url.length) fault('incomplete media type');
  if (url[end] !== ';' && url[end] !== ',') fault('invalid character for media subtype');
  return end;
}

/** Offset of the closing quote; `start` is after the opening one. */
function readQuoted(url: string, start: number): number {
  let i = start;
  for (;;) {
    if (i >= url.length) fault('unclosed quoted string');
    const char = url[i] ?? '';
    if (char === '"') return i;
    if (char > '\x7f') fault('invalid character for parameter value');
    i++;
    if (char !== '\\') continue;
    if ((url[i] ?? '') > '\x7f') fault('invalid escaped character');
    i++;
  }
}

/** One escape Go takes inside double quotes. */
const GO_ESCAPE = /\\(?:[abfnrtv\\"]|x[0-9a-fA-F]{2}|[0-3][0-7]{2}|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/y;

function checkGoString(value: string): void {
  for (let i = 0; i < value.length; ) {
    if (value[i] !== '\\') {
      if (value[i] === '"' || value[i] === '\n') fault('invalid syntax');
      i++;
      continue;
    }
    GO_ESCAPE.lastIndex = i;
    const found = GO_ESCAPE.exec(value);
    const code = Number.parseInt(found?.[1] ?? found?.[2] ?? '0', 16);
    if (!found || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) fault('invalid syntax');
    i += found[0].length;
  }
}

function checkPercent(text: string): void {
  for (let i = text.indexOf('%'); i >= 0; i = text.indexOf('%', i + 3)) {
    for (const offset of [1, 2]) {
      const char = text[i + offset];
      if (char === undefined) fault('rfc2396: unexpected end of unescape sequence');
      if (!/[0-9a-fA-F]/.test(char)) fault('rfc2396: invalid char 0x25 in unescape sequence');
    }
  }
}

/** Whether the next parameter value is unquoted like a quoted one: an empty quoted value leaves the mark set. */
interface Quoting {
  pending: boolean;
}

/** Offset after the value of a parameter that begins at `start`. */
function readParameterValue(url: string, start: number, quoting: Quoting): number {
  const first = url[start];
  if (first === undefined) fault('missing comma before data');
  let end: number;
  let value: string;
  if (first === '"') {
    quoting.pending = true;
    const close = readQuoted(url, start + 1);
    value = url.slice(start + 1, close);
    end = close + 1;
  } else {
    if (!TOKEN.test(first)) fault('invalid character for parameter value');
    end = afterToken(url, start);
    if (end >= url.length) fault('missing comma before data');
    if (url[end] !== ';' && url[end] !== ',') fault('invalid character for parameter value');
    value = url.slice(start, end);
  }
  if (value !== '') {
    if (quoting.pending) checkGoString(value);
    else checkPercent(value);
    quoting.pending = false;
  }
  return end;
}

/** Reads the header of a data URL; `start` is after `data:`. */
function readHeader(url: string, start: number): Header {
  let at = start;
  const first = url[at];
  if (first === undefined) fault('missing comma before data');
  if (first !== ';' && first !== ',') {
    if (!TOKEN.test(first)) fault('invalid character after data prefix');
    at = readMediaType(url, at);
  }
  const quoting: Quoting = { pending: false };
  for (;;) {
    const separator = url[at];
    if (separator === undefined) fault('missing comma before data');
    if (separator === ',') return { comma: at, base64: false };
    if (separator !== ';') fault('expected semicolon or comma');
    const name = at + 1;
    const begins = url[name];
    if (begins === undefined || begins === '=' || begins === ',') fault('unterminated parameter sequence');
    if (!TOKEN.test(begins)) fault('invalid character for parameter attribute');
    at = afterToken(url, name);
    if (at >= url.length) fault('unterminated parameter sequence');
    if (url[at] === ',') {
      const word = url.slice(name, at);
      if (word !== 'base64') fault(`expected base64, got ${word}`);
      return { comma: at, base64: true };
    }
    if (url[at] !== '=') fault('invalid character for parameter attribute');
    at = readParameterValue(url, at + 1, quoting);
  }
}

/** Offset of the first fault of padded standard base64, or undefined. Length and padding are what Go wants. */
function base64Fault(data: string): number | undefined {
  const end = /^[A-Za-z0-9+/]*/.exec(data)?.[0].length ?? 0;
  const left = end % 4;
  const rest = data.slice(end);
  if (rest === '') return left === 0 ? undefined : end - left;
  if (left < 2) return end;
  const padding = left === 2 ? '==' : '=';
  if (rest === padding) return undefined;
  // The first character that is not the padding it should be; input that ends inside the padding is its length.
  if (left === 2 && rest === '=') return data.length;
  if (left === 2 && rest[1] !== '=') return end;
  return end + padding.length;
}

function checkData(data: string, base64: boolean): void {
  const allowed = base64 ? /^[A-Za-z0-9+/=]*$/ : /^[!$-;=?-Z_a-z~]*$/;
  if (!allowed.test(data)) fault('invalid data character');
  if (!base64) checkPercent(data);
  const at = base64 ? base64Fault(data) : undefined;
  if (at !== undefined) fault(`illegal base64 data at input byte ${at}`);
}

const HINTS: readonly [RegExp, string][] = [
  [/^invalid data character/, 'percent-encode the data, or use ;base64'],
  [/base64/, 'encode the data as padded standard base64'],
  [/media/, 'write data:TYPE/SUBTYPE,… or data:,…'],
  [/comma/, 'write data:,CONTENT or data:;base64,CONTENT'],
  [/rfc2396/, 'a percent sign must be followed by two hexadecimal digits; write %25 for itself'],
];

/** A data URL that is known to be a well-formed URL. Linear in its length. */
export function checkDataUrl(url: string): Problem | undefined {
  try {
    if (!url.startsWith('data:')) fault('missing data prefix');
    const { comma, base64 } = readHeader(url, 5);
    checkData(url.slice(comma + 1), base64);
    return undefined;
  } catch (error) {
    if (!(error instanceof BadDataUrl)) throw error;
    const what = error.message;
    return problem(what, HINTS.find(([pattern]) => pattern.test(what))?.[1] ?? 'write data:,CONTENT');
  }
}
