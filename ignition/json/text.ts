import { isUtf8 } from 'node:buffer';

/**
 * A JSON string literal as Go's encoding/json reads it: every byte that is not UTF-8 and every lone surrogate
 * becomes U+FFFD, so the result is always well-formed Unicode.
 * @param start offset of the opening quote; @param end offset after the closing quote
 */
export function decodeString(bytes: Buffer, start: number, end: number): string {
  let plain = true;
  let ascii = true;
  for (let i = start + 1; i < end - 1; i++) {
    const byte = bytes[i] as number;
    if (byte === 0x5c) {
      plain = false;
      break;
    }
    if (byte >= 0x80) ascii = false;
  }
  if (plain && ascii) return bytes.toString('latin1', start + 1, end - 1);
  const raw = bytes.subarray(start + 1, end - 1);
  const text = isUtf8(raw) ? raw.toString('utf8') : decodeBrokenUtf8(raw);
  return plain ? text : unescapeJson(text);
}

const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

function unescapeJson(text: string): string {
  return text
    .replace(/\\(?:u([0-9a-fA-F]{4})|(.))/g, (_all, hex: string | undefined, short: string | undefined) =>
      hex !== undefined
        ? String.fromCharCode(Number.parseInt(hex, 16))
        : (ESCAPES[short ?? ''] ?? short ?? ''),
    )
    .replace(LONE_SURROGATE, '\ufffd');
}

/** Length of the UTF-8 sequence at `i`, 0 when the byte begins none (Unicode 15, table 3-7). */
function sequenceLength(raw: Uint8Array, i: number): number {
  const [first = 0, second = 0, third = 0, fourth = 0] = raw.subarray(i, i + 4);
  const tail = (byte: number): boolean => (byte & 0xc0) === 0x80;
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return tail(second) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const low = first === 0xe0 ? 0xa0 : 0x80;
    const high = first === 0xed ? 0x9f : 0xbf;
    return second >= low && second <= high && tail(third) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const low = first === 0xf0 ? 0x90 : 0x80;
    const high = first === 0xf4 ? 0x8f : 0xbf;
    return second >= low && second <= high && tail(third) && tail(fourth) ? 4 : 0;
  }
  return 0;
}

/** Go replaces each bad byte by one U+FFFD; the WHATWG decoder (TextDecoder) replaces each bad sequence. */
function decodeBrokenUtf8(raw: Buffer): string {
  const parts: string[] = [];
  let good = 0;
  for (let i = 0; i < raw.length; ) {
    const length = sequenceLength(raw, i);
    if (length > 0) {
      i += length;
      continue;
    }
    parts.push(raw.toString('utf8', good, i), '\ufffd');
    i++;
    good = i;
  }
  parts.push(raw.toString('utf8', good));
  return parts.join('');
}

/** Length in bytes of the UTF-8 form: what Go's `len` counts. */
export function byteLength(text: string): number {
  return Buffer.byteLength(text, 'utf8');
}

/** A string as Go's `%q` prints it. */
export function goQuote(text: string): string {
  const named: Record<string, string> = {
    '\x07': '\\a',
    '\b': '\\b',
    '\f': '\\f',
    '\n': '\\n',
    '\r': '\\r',
    '\t': '\\t',
    '\v': '\\v',
    '"': '\\"',
    '\\': '\\\\',
  };
  let out = '';
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    if (named[char] !== undefined) out += named[char];
    else if (char === ' ' || (!/[\p{C}\p{Z}]/u.test(char) && code !== 0x7f)) out += char;
    else if (code < 0x20 || code === 0x7f) out += `\\x${code.toString(16).padStart(2, '0')}`;
    else if (code < 0x10000) out += `\\u${code.toString(16).padStart(4, '0')}`;
    else out += `\\U${code.toString(16).padStart(8, '0')}`;
  }
  return `"${out}"`;
}
