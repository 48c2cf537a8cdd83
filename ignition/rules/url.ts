import { type Problem, problem } from '../report.ts';
import { checkDataUrl } from './data-url.ts';

/** A URL reference as Go's net/url splits it, as far as Ignition looks at it. */
interface Url {
  /** Lower case; empty for a relative reference. */
  readonly scheme: string;
  /** What follows the scheme when that does not begin with a slash, without the query. */
  readonly opaque: string;
  readonly query: string;
}

type Part = 'path' | 'host' | 'zone' | 'user' | 'query' | 'fragment';

const HOST_CHARACTERS = /[A-Za-z0-9!$&'()*+,;=:[\]<>"\-_.~]/;

/** Percent escapes of one part; undefined when one is malformed or stands for what the part may not hold. */
function unescapePart(text: string, part: Part): string | undefined {
  const host = part === 'host' || part === 'zone';
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const char = text[i] ?? '';
    if (char === '%') {
      const hex = text.slice(i + 1, i + 3);
      if (!/^[0-9a-fA-F]{2}$/.test(hex)) return undefined;
      const byte = Number.parseInt(hex, 16);
      if (part === 'host' && byte < 0x80 && hex !== '25') return undefined;
      if (
        part === 'zone' &&
        hex !== '25' &&
        byte !== 0x20 &&
        !HOST_CHARACTERS.test(String.fromCharCode(byte))
      ) {
        return undefined;
      }
      out += String.fromCharCode(byte);
      i += 2;
    } else {
      const code = text.charCodeAt(i);
      if (host && code < 0x80 && !HOST_CHARACTERS.test(char)) return undefined;
      out += part === 'query' && char === '+' ? ' ' : char;
    }
  }
  return out;
}

function isPort(text: string): boolean {
  return text === '' || /^:[0-9]*$/.test(text);
}

function isHost(host: string): boolean {
  if (host.startsWith('[')) {
    const close = host.lastIndexOf(']');
    if (close < 0 || !isPort(host.slice(close + 1))) return false;
    const zone = host.slice(0, close).indexOf('%25');
    if (zone >= 0) {
      return (
        unescapePart(host.slice(0, zone), 'host') !== undefined &&
        unescapePart(host.slice(zone, close), 'zone') !== undefined &&
        unescapePart(host.slice(close), 'host') !== undefined
      );
    }
  } else {
    const colon = host.lastIndexOf(':');
    if (colon >= 0 && !isPort(host.slice(colon))) return false;
  }
  return unescapePart(host, 'host') !== undefined;
}

function isAuthority(authority: string): boolean {
  const at = authority.lastIndexOf('@');
  if (!isHost(authority.slice(at + 1))) return false;
  if (at < 0) return true;
  const user = authority.slice(0, at);
  return /^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/.test(user) && unescapePart(user, 'user') !== undefined;
}

/** Splits a URL; undefined where Go's url.Parse fails. */
export function parseUrl(text: string): Url | undefined {
  const hash = text.indexOf('#');
  const fragment = hash < 0 ? '' : text.slice(hash + 1);
  const url = parseWithoutFragment(hash < 0 ? text : text.slice(0, hash));
  if (url === undefined) return undefined;
  return fragment === '' || hasGoodEscapes(fragment) ? url : undefined;
}

function hasGoodEscapes(text: string): boolean {
  for (let i = text.indexOf('%'); i >= 0; i = text.indexOf('%', i + 1)) {
    if (!/^[0-9a-fA-F]{2}$/.test(text.slice(i + 1, i + 3))) return false;
  }
  return true;
}

function parseWithoutFragment(text: string): Url | undefined {
  if (/[\x00-\x1f\x7f]/.test(text)) return undefined;
  if (text === '*') return { scheme: '', opaque: '', query: '' };
  if (text.startsWith(':')) return undefined;
  const scheme = /^([A-Za-z][A-Za-z0-9+\-.]*):/.exec(text)?.[1];
  let rest = scheme === undefined ? text : text.slice(scheme.length + 1);
  const mark = rest.indexOf('?');
  const query = mark < 0 ? '' : rest.slice(mark + 1);
  if (mark >= 0) rest = rest.slice(0, mark);
  if (!rest.startsWith('/')) {
    if (scheme !== undefined) return { scheme: scheme.toLowerCase(), opaque: rest, query };
    if (rest.split('/', 1)[0]?.includes(':')) return undefined;
  }
  if (rest.startsWith('//') && (scheme !== undefined || !rest.startsWith('///'))) {
    const slash = rest.indexOf('/', 2);
    const authority = slash < 0 ? rest.slice(2) : rest.slice(2, slash);
    if (!isAuthority(authority)) return undefined;
    rest = slash < 0 ? '' : rest.slice(slash);
  }
  if (!hasGoodEscapes(rest)) return undefined;
  return { scheme: scheme?.toLowerCase() ?? '', opaque: '', query };
}

/** True when the query names an S3 object version and its first value is empty. */
function hasEmptyVersionId(query: string): boolean {
  for (const pair of query.split('&')) {
    if (pair === '' || pair.includes(';')) continue;
    const equals = pair.indexOf('=');
    const key = unescapePart(equals < 0 ? pair : pair.slice(0, equals), 'query');
    const value = unescapePart(equals < 0 ? '' : pair.slice(equals + 1), 'query');
    if (key === 'versionId' && value !== undefined) return value === '';
  }
  return false;
}

const invalidUrl = (): Problem => problem('unable to parse url', 'check its escapes (%XX), host and port');
const invalidVersionId = (): Problem =>
  problem('invalid S3 object VersionId', 'give versionId a value, or leave it out of the query');

function checkArn(url: Url): Problem | undefined {
  const arn = `arn:${url.opaque}`;
  const parts = arn.split(':');
  const invalid = problem('invalid S3 ARN format', 'write arn:PARTITION:s3:REGION:ACCOUNT:BUCKET/KEY');
  if (parts.length < 6 || parts[2] !== 's3') return invalid;
  const segments = arn.split('/').length;
  if (parts.slice(5).join(':').startsWith('accesspoint/') && segments < 3) return invalid;
  if (segments < 2) return invalid;
  return hasEmptyVersionId(url.query) ? invalidVersionId() : undefined;
}

/** The sources each spec version can fetch from. */
function schemes(minor: number): string[] {
  return [
    'http',
    'https',
    'tftp',
    's3',
    'data',
    ...(minor >= 2 ? ['gs'] : []),
    ...(minor >= 4 ? ['arn'] : []),
  ];
}

/** A URL that Ignition shall fetch. @param minor 3 for spec 3.3 */
export function checkUrl(text: string, minor: number): Problem | undefined {
  const url = parseUrl(text);
  if (url === undefined) return invalidUrl();
  if (!schemes(minor).includes(url.scheme)) {
    return problem('invalid url scheme', `spec 3.${minor} fetches from ${schemes(minor).join(', ')}`);
  }
  if (url.scheme === 's3' && hasEmptyVersionId(url.query)) return invalidVersionId();
  if (url.scheme === 'arn') return checkArn(url);
  return url.scheme === 'data' ? checkDataUrl(text) : undefined;
}

export function checkOptionalUrl(text: string | undefined, minor: number): Problem | undefined {
  return text === undefined || text === '' ? undefined : checkUrl(text, minor);
}

/** The HTTP(S) URL of a Tang server. */
export function checkTangUrl(text: string): Problem | undefined {
  const url = parseUrl(text);
  if (url === undefined) return invalidUrl();
  if (url.scheme === 'http' || url.scheme === 'https') return undefined;
  return problem('invalid url scheme', 'a Tang server is reached over http or https');
}

export { invalidUrl };
