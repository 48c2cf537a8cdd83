/** UTF-8 as in TextEncoder and TextDecoder, which QuickJS does not have. A lone surrogate becomes U+FFFD. */
export function encodeUtf8(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 3);
  let end = 0;
  for (let at = 0; at < text.length; at++) {
    let code = text.charCodeAt(at);
    if (code < 0x80) {
      bytes[end++] = code;
      continue;
    }
    if (code >= 0xd800 && code <= 0xdfff) {
      code = text.codePointAt(at)!;
      if (code > 0xffff) at++;
      else code = 0xfffd;
    }
    const following = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    bytes[end++] = [0, 0xc0, 0xe0, 0xf0][following]! | (code >> (6 * following));
    for (let left = following - 1; left >= 0; left--) bytes[end++] = 0x80 | ((code >> (6 * left)) & 0x3f);
  }
  return bytes.slice(0, end);
}

const CHUNK = 4096;

/** A byte that starts no valid sequence becomes U+FFFD. */
export function decodeUtf8(bytes: Uint8Array): string {
  const parts: string[] = [];
  let codes: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [code, length] = sequenceAt(bytes, at);
    codes.push(code);
    at += length;
    if (codes.length < CHUNK) continue;
    parts.push(String.fromCodePoint(...codes));
    codes = [];
  }
  return parts.join('') + String.fromCodePoint(...codes);
}

/** Code point and length of the sequence at a position (RFC 3629 section 4: the shortest form only). */
function sequenceAt(bytes: Uint8Array, at: number): readonly [number, number] {
  const first = bytes[at]!;
  if (first < 0x80) return [first, 1];
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + length > bytes.length) return [0xfffd, 1];
  let code = first & (0x7f >> length);
  for (let next = 1; next < length; next++) {
    const byte = bytes[at + next]!;
    if ((byte & 0xc0) !== 0x80) return [0xfffd, 1];
    code = (code << 6) | (byte & 0x3f);
  }
  const least = [0, 0, 0x80, 0x800, 0x10000][length]!;
  if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return [0xfffd, 1];
  return [code, length];
}
