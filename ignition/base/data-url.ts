/** Data URLs (RFC 2397) as Ignition takes them. */

/** Bytes that need no escape (RFC 2396, unreserved). */
const UNRESERVED = Array.from({ length: 256 }, (_, byte) =>
  /[A-Za-z0-9\-_.!~*'()]/.test(String.fromCharCode(byte)),
);

const HEX = Buffer.from('0123456789ABCDEF');

function percentEncode(bytes: Uint8Array, length: number): string {
  const out = Buffer.allocUnsafe(length);
  let at = 0;
  for (const byte of bytes) {
    if (UNRESERVED[byte]) {
      out[at++] = byte;
      continue;
    }
    out[at++] = 0x25;
    out[at++] = HEX[byte >> 4] ?? 0;
    out[at++] = HEX[byte & 15] ?? 0;
  }
  return out.toString('latin1');
}

/**
 * A data URL of the bytes, with percent-encoding or base64, whichever is shorter. Short texts stay readable.
 */
export function dataUrl(content: string | Uint8Array): string {
  const bytes = Buffer.from(content);
  let length = bytes.length;
  for (const byte of bytes) if (!UNRESERVED[byte]) length += 2;
  const base64Length = ';base64'.length + Math.ceil(bytes.length / 3) * 4;
  return base64Length < length
    ? `data:;base64,${bytes.toString('base64')}`
    : `data:,${percentEncode(bytes, length)}`;
}

/** The data of a data URL; undefined for any other text. */
export function dataOf(url: string): Buffer | undefined {
  const comma = url.indexOf(',');
  if (!url.startsWith('data:') || comma < 0) return undefined;
  const body = url.slice(comma + 1);
  if (url.slice(0, comma).endsWith(';base64')) return Buffer.from(body, 'base64');
  const decoded = body.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(decoded, 'latin1');
}
