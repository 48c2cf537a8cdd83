import { BoxError } from '../io/box.ts';
import { fromBase64 } from '../io/sha256.ts';
import { encodeUtf8 } from '../io/utf8.ts';

const decoded = new Map<string, Uint8Array>();

/**
 * The bytes of a data URL (RFC 2397), percent-encoded or in base64. The same URL gives the same array, because two
 * configs have most of their contents in common.
 */
export function readDataUrl(url: string): Uint8Array {
  const bytes = decoded.get(url) ?? decode(url);
  decoded.set(url, bytes);
  return bytes;
}

function decode(url: string): Uint8Array {
  const comma = url.indexOf(',');
  if (!url.startsWith('data:') || comma < 0)
    throw new BoxError('not a data URL', { where: url.slice(0, 60) });
  const body = url.slice(comma + 1);
  if (url.slice(0, comma).endsWith(';base64')) return fromBase64(decodeURIComponent(body));
  return percentDecoded(body);
}

/** The value of each byte as a hexadecimal digit; -1: the byte is not a digit. */
const DIGITS = new Int8Array(256).fill(-1);
for (let value = 0; value < 16; value++) {
  const digit = value.toString(16);
  DIGITS[digit.charCodeAt(0)] = value;
  DIGITS[digit.toUpperCase().charCodeAt(0)] = value;
}

/** Not decodeURIComponent, because the bytes need not be UTF-8. */
function percentDecoded(text: string): Uint8Array {
  const bytes = encodeUtf8(text);
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    let byte = bytes[at]!;
    if (byte === 0x25) {
      // A byte beyond the end is not a digit, so a truncated escape is an error too.
      const [high = -1, low = -1] = [DIGITS[bytes[at + 1] ?? 0], DIGITS[bytes[at + 2] ?? 0]];
      if (high < 0 || low < 0) throw new BoxError('a data URL has % without two hexadecimal digits');
      byte = 16 * high + low;
      at += 2;
    }
    bytes[length++] = byte;
  }
  return bytes.slice(0, length);
}
