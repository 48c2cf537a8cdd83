import { BoxError } from '../io/box.ts';
import { fromBase64 } from '../io/sha256.ts';
import { encodeUtf8 } from '../io/utf8.ts';

/** The bytes of a data URL (RFC 2397), percent-encoded or in base64. */
export function readDataUrl(url: string): Uint8Array {
  const comma = url.indexOf(',');
  if (!url.startsWith('data:') || comma < 0)
    throw new BoxError('not a data URL', { where: url.slice(0, 60) });
  const body = url.slice(comma + 1);
  if (url.slice(0, comma).endsWith(';base64')) return fromBase64(decodeURIComponent(body));
  return percentDecoded(body);
}

/** decodeURIComponent does not fit, because the bytes need not be UTF-8. */
function percentDecoded(text: string): Uint8Array {
  const raw = encodeUtf8(text);
  const bytes = new Uint8Array(raw.length);
  let length = 0;
  for (let at = 0; at < raw.length; at++) {
    const byte = raw[at] ?? 0;
    const pair = byte === 0x25 ? text.length >= at + 3 && hexPair(raw, at + 1) : undefined;
    if (pair === false) throw new BoxError('a data URL has % without two hexadecimal digits');
    bytes[length++] = pair ?? byte;
    if (pair !== undefined) at += 2;
  }
  return bytes.slice(0, length);
}

function hexPair(raw: Uint8Array, at: number): number | false {
  const pair = String.fromCharCode(raw[at] ?? 0, raw[at + 1] ?? 0);
  return /^[0-9a-fA-F]{2}$/.test(pair) ? Number.parseInt(pair, 16) : false;
}
