/** A file's contents as Ignition's `source`: a data URL (RFC 2397). */
export function dataUrl(contents: string | Uint8Array): string {
  return `data:;base64,${Buffer.from(contents).toString('base64')}`;
}
