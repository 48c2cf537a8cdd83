import { VERSIONS } from './spec/v3.ts';

const IDENTIFIER = /^[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*$/;
const INT64 = 2n ** 63n;

/** Splits at the first `mark`: what is before it, and what is after it or nothing. */
function cut(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

/**
 * A version as Ignition's semver library reads it, in its canonical form (`03.3.0-` is `3.3.0`), or undefined when
 * it is none.
 */
export function canonicalVersion(version: string): string | undefined {
  const [beforeMetadata, metadata] = cut(version, '+');
  const [numbers, preRelease] = cut(beforeMetadata, '-');
  if (preRelease !== '' && !IDENTIFIER.test(preRelease)) return undefined;
  if (metadata !== '' && !IDENTIFIER.test(metadata)) return undefined;
  const [major = '', minor = '', ...rest] = numbers.split('.');
  const parts = [major, minor, rest.join('.')];
  if (rest.length === 0 || parts.some((part) => !/^[+-]?[0-9]{1,100}$/.test(part))) return undefined;
  const values = parts.map((part) => BigInt(part.replace(/^\+/, '')));
  if (values.some((value) => value >= INT64 || value < -INT64)) return undefined;
  return values.join('.') + (preRelease && `-${preRelease}`) + (metadata && `+${metadata}`);
}

/** Minor number of a supported spec version: 3 for `3.3.0`. */
export function specMinor(canonical: string): number | undefined {
  const index = (VERSIONS as readonly string[]).indexOf(canonical);
  return index < 0 ? undefined : index;
}
