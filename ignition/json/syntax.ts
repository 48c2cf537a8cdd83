/**
 * JSON well-formedness as Go's encoding/json sees it (RFC 8259, at most 10 000 levels), over bytes.
 * Ignition refuses a config for the first fault found here before it looks at anything else.
 */

export interface SyntaxFault {
  /** Byte offset of the offending byte, or the length of the input when it ends too early. */
  readonly offset: number;
  /** What is wrong, in encoding/json's words. */
  readonly message: string;
}

export interface Wellformed {
  readonly fault?: SyntaxFault;
  /** How many values the document holds: objects, arrays and scalars. */
  readonly values: number;
  /** A number lies outside the range of a double: Ignition then loses its line numbers and unknown keys. */
  readonly hugeNumber: boolean;
}

const MAX_DEPTH = 10_000;
const OBJECT = 1;
const ARRAY = 2;

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39;

const isHex = (byte: number): boolean =>
  (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);

/** A byte as Go quotes it in messages: the byte taken as a code point. */
function quoteByte(byte: number): string {
  if (byte === 0x27) return "'\\''";
  if (byte === 0x22) return `'"'`;
  if (byte === 0x5c) return "'\\\\'";
  const named: Record<number, string> = { 7: 'a', 8: 'b', 9: 't', 10: 'n', 11: 'v', 12: 'f', 13: 'r' };
  if (named[byte] !== undefined) return `'\\${named[byte]}'`;
  if (byte < 0x20 || byte === 0x7f) return `'\\x${byte.toString(16).padStart(2, '0')}'`;
  if (byte >= 0x80 && (byte <= 0xa0 || byte === 0xad)) return `'\\u00${byte.toString(16)}'`;
  return `'${String.fromCharCode(byte)}'`;
}

/** A fault that is thrown inside this module only, to leave nested scanning at once. */
class Fault extends Error {
  readonly offset: number;
  constructor(offset: number, message: string) {
    super(message);
    this.offset = offset;
  }
}

function fail(bytes: Uint8Array, at: number, context: string): never {
  const byte = bytes[at];
  if (byte === undefined) throw new Fault(bytes.length, 'unexpected end of JSON input');
  throw new Fault(at, `invalid character ${quoteByte(byte)} ${context}`);
}

/** Index after the string whose opening quote is at `at`. */
function scanString(bytes: Uint8Array, at: number): number {
  let i = at + 1;
  for (;;) {
    const byte = bytes[i];
    if (byte === undefined || byte < 0x20) fail(bytes, i, 'in string literal');
    i++;
    if (byte === 0x22) return i;
    if (byte !== 0x5c) continue;
    const mark = bytes[i];
    if (mark === undefined || !'bfnrt\\/"u'.includes(String.fromCharCode(mark)))
      fail(bytes, i, 'in string escape code');
    i++;
    if (mark !== 0x75) continue;
    for (const end = i + 4; i < end; i++) {
      const digit = bytes[i];
      if (digit === undefined || !isHex(digit)) fail(bytes, i, 'in \\u hexadecimal character escape');
    }
  }
}

/** Index after the number that begins at `at`. */
function scanNumber(bytes: Uint8Array, at: number): number {
  let i = at;
  if (bytes[i] === 0x2d) i++;
  if (!isDigit(bytes[i])) fail(bytes, i, 'in numeric literal');
  if (bytes[i] === 0x30) i++;
  else while (isDigit(bytes[i])) i++;
  if (bytes[i] === 0x2e) {
    i++;
    if (!isDigit(bytes[i])) fail(bytes, i, 'after decimal point in numeric literal');
    while (isDigit(bytes[i])) i++;
  }
  if (bytes[i] === 0x65 || bytes[i] === 0x45) {
    i++;
    if (bytes[i] === 0x2b || bytes[i] === 0x2d) i++;
    if (!isDigit(bytes[i])) fail(bytes, i, 'in exponent of numeric literal');
    while (isDigit(bytes[i])) i++;
  }
  return i;
}

function scanWord(bytes: Uint8Array, at: number, word: string): number {
  for (let i = 1; i < word.length; i++) {
    if (bytes[at + i] !== word.charCodeAt(i))
      fail(bytes, at + i, `in literal ${word} (expecting '${word[i]}')`);
  }
  return at + word.length;
}

export function skipSpace(bytes: Uint8Array, at: number): number {
  let i = at;
  for (;;) {
    const byte = bytes[i];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return i;
    i++;
  }
}

/** Index after the key and its colon; `at` is where the key must begin. */
function scanKey(bytes: Uint8Array, at: number): number {
  if (bytes[at] !== 0x22) fail(bytes, at, 'looking for beginning of object key string');
  const colon = skipSpace(bytes, scanString(bytes, at));
  if (bytes[colon] !== 0x3a) fail(bytes, colon, 'after object key');
  return colon + 1;
}

const AFTER_VALUE = ['after top-level value', 'after object key:value pair', 'after array element'];

function scan(bytes: Uint8Array): Wellformed {
  const open: number[] = [];
  let values = 0;
  let hugeNumber = false;
  let i = 0;
  const enter = (kind: number): void => {
    open.push(kind);
    if (open.length > MAX_DEPTH) fail(bytes, i, 'exceeded max depth');
  };
  for (;;) {
    // One value begins here.
    i = skipSpace(bytes, i);
    values++;
    const byte = bytes[i];
    if (byte === 0x7b) {
      enter(OBJECT);
      i = skipSpace(bytes, i + 1);
      if (bytes[i] !== 0x7d) {
        i = scanKey(bytes, i);
        continue;
      }
      open.pop();
      i++;
    } else if (byte === 0x5b) {
      enter(ARRAY);
      i = skipSpace(bytes, i + 1);
      if (bytes[i] !== 0x5d) continue;
      open.pop();
      i++;
    } else if (byte === 0x22) {
      i = scanString(bytes, i);
    } else if (byte === 0x2d || isDigit(byte)) {
      const end = scanNumber(bytes, i);
      // The largest double has 309 digits; only an exponent or as many digits can leave its range.
      if (!hugeNumber && !Number.isFinite(Number(latin1(bytes, i, end)))) hugeNumber = true;
      i = end;
    } else if (byte === 0x74) i = scanWord(bytes, i, 'true');
    else if (byte === 0x66) i = scanWord(bytes, i, 'false');
    else if (byte === 0x6e) i = scanWord(bytes, i, 'null');
    else fail(bytes, i, 'looking for beginning of value');
    // What follows a value: a comma and another, or the end of one or more containers.
    for (;;) {
      i = skipSpace(bytes, i);
      const container = open.at(-1);
      const next = bytes[i];
      if (container === undefined) {
        if (i < bytes.length) fail(bytes, i, AFTER_VALUE[0] ?? '');
        return { values, hugeNumber };
      }
      if (next === 0x2c) {
        i++;
        if (container === OBJECT) i = scanKey(bytes, skipSpace(bytes, i));
        break;
      }
      if (next !== (container === OBJECT ? 0x7d : 0x5d)) fail(bytes, i, AFTER_VALUE[container] ?? '');
      open.pop();
      i++;
    }
  }
}

export function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
}

/** Checks a whole document. Linear in its size; no recursion. */
export function checkSyntax(bytes: Uint8Array): Wellformed {
  try {
    return scan(bytes);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { fault: { offset: error.offset, message: error.message }, values: 0, hugeNumber: false };
  }
}

/** Index after the value that begins at `at` in a document known to be well-formed. */
export function skipValue(bytes: Uint8Array, at: number): number {
  let depth = 0;
  let i = at;
  for (;;) {
    const byte = bytes[i];
    if (byte === 0x22) {
      i++;
      while (bytes[i] !== 0x22) i += bytes[i] === 0x5c ? 2 : 1;
      i++;
      if (depth === 0) return i;
    } else if (byte === 0x7b || byte === 0x5b) {
      depth++;
      i++;
    } else if (byte === 0x7d || byte === 0x5d) {
      // A scalar ends where its container does.
      if (depth === 0) return i;
      depth--;
      i++;
      if (depth === 0) return i;
    } else if (depth === 0 && (byte === undefined || byte === 0x2c || byte <= 0x20)) {
      return i;
    } else i++;
  }
}
