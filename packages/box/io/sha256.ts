import { encodeUtf8 } from './utf8.ts';

/** The first 32 bits of the fractional parts of the roots of primes: the constants of FIPS 180-4. */
function fractions(count: number, power: number): Uint32Array {
  const found: number[] = [];
  for (let candidate = 2; found.length < count; candidate++) {
    let prime = true;
    for (let divisor = 2; divisor * divisor <= candidate; divisor++)
      if (candidate % divisor === 0) prime = false;
    if (prime) found.push(candidate ** power);
  }
  return Uint32Array.from(found, (root) => (root - Math.floor(root)) * 2 ** 32);
}

const START = fractions(8, 1 / 2);
const ROUND = Int32Array.from(fractions(64, 1 / 3));
/**
 * One block. QuickJS compiles to bytecode only, so this neither calls functions nor makes arrays: with them it takes six
 * times as long.
 */
function compress(state: Uint32Array, block: DataView, at: number, words: Int32Array): void {
  for (let index = 0; index < 16; index++) words[index] = block.getInt32(at + 4 * index);
  for (let index = 16; index < 64; index++) {
    const early = words[index - 15]!;
    const late = words[index - 2]!;
    words[index] =
      words[index - 16]! +
      (((early >>> 7) | (early << 25)) ^ ((early >>> 18) | (early << 14)) ^ (early >>> 3)) +
      words[index - 7]! +
      (((late >>> 17) | (late << 15)) ^ ((late >>> 19) | (late << 13)) ^ (late >>> 10));
  }
  let a = state[0]! | 0;
  let b = state[1]! | 0;
  let c = state[2]! | 0;
  let d = state[3]! | 0;
  let e = state[4]! | 0;
  let f = state[5]! | 0;
  let g = state[6]! | 0;
  let h = state[7]! | 0;
  for (let index = 0; index < 64; index++) {
    const one =
      (h +
        (((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))) +
        (g ^ (e & (f ^ g))) +
        ROUND[index]! +
        words[index]!) |
      0;
    const two =
      ((((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))) +
        ((a & b) | (c & (a | b)))) |
      0;
    h = g;
    g = f;
    f = e;
    e = (d + one) | 0;
    d = c;
    c = b;
    b = a;
    a = (one + two) | 0;
  }
  state[0]! += a;
  state[1]! += b;
  state[2]! += c;
  state[3]! += d;
  state[4]! += e;
  state[5]! += f;
  state[6]! += g;
  state[7]! += h;
}

/** SHA-256 (FIPS 180-4), for documents and numbers. Use sha256sum(1) for megabytes. */
export function sha256Bytes(content: string | Uint8Array): Uint8Array {
  const bytes = typeof content === 'string' ? encodeUtf8(content) : content;
  const padded = new Uint8Array(Math.ceil((bytes.length + 9) / 64) * 64);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(bytes.length / 2 ** 29));
  view.setUint32(padded.length - 4, bytes.length << 3);
  const state = START.slice();
  const words = new Int32Array(64);
  for (let at = 0; at < padded.length; at += 64) compress(state, view, at, words);
  const result = new DataView(new ArrayBuffer(32));
  state.forEach((word, index) => {
    result.setUint32(4 * index, word);
  });
  return new Uint8Array(result.buffer);
}

/** Bytes in hexadecimal. */
export const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** The SHA-256 of a text or of bytes, in hexadecimal. */
export const sha256 = (content: string | Uint8Array): string => hex(sha256Bytes(content));

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Base64 without padding. */
export function base64(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const group = (bytes[at]! << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    const digits = Math.min(bytes.length - at, 3) + 1;
    for (let digit = 0; digit < digits; digit++) text += DIGITS[(group >>> (18 - 6 * digit)) & 63];
  }
  return text;
}

/** The value of each digit of Base64, by its character code. */
const VALUES = new Uint8Array(128);
for (let value = 0; value < DIGITS.length; value++) VALUES[DIGITS.charCodeAt(value)] = value;

/** Bytes of Base64, with or without padding. */
export function fromBase64(text: string): Uint8Array {
  const digits = text.replace(/=+$/, '');
  const bytes = new Uint8Array(Math.floor((digits.length * 3) / 4));
  let bits = 0;
  let length = 0;
  for (let at = 0; at < digits.length; at++) {
    bits = (bits << 6) | VALUES[digits.charCodeAt(at)]!;
    // Of four digits, each but the first ends a byte.
    if (at % 4 > 0) bytes[length++] = bits >> (2 * (3 - (at % 4)));
  }
  return bytes;
}
