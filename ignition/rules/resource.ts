import { byteLength } from '../json/text.ts';
import { type Problem, problem, type Report } from '../report.ts';
import { checkOptionalUrl, checkUrl, invalidUrl, parseUrl } from './url.ts';

export interface Resource {
  readonly source?: string;
  readonly compression?: string;
  readonly httpHeaders?: readonly Header[];
  readonly verification?: Verification;
}

interface Header {
  readonly name: string;
  readonly value?: string;
}

interface Verification {
  readonly hash?: string;
}

function checkCompression(compression: string | undefined): Problem | undefined {
  if (compression === undefined || compression === '' || compression === 'gzip') return undefined;
  return problem('invalid compression method', 'use gzip, or leave it out');
}

function checkHeaderScheme({ source, httpHeaders = [] }: Resource): Problem | undefined {
  if (httpHeaders.length === 0) return undefined;
  if (!source) return invalidUrl();
  const url = parseUrl(source);
  if (url === undefined) return invalidUrl();
  if (url.scheme === 'http' || url.scheme === 'https') return undefined;
  return problem('cannot use HTTP headers with this source scheme', 'headers need an http or https source');
}

/** The contents of a file, a key file, a config or a certificate. */
export const checkResource =
  (minor: number) =>
  (resource: Resource, report: Report): void => {
    report.error(checkCompression(resource.compression), 'compression');
    if (resource.verification?.hash !== undefined && resource.source === undefined) {
      report.error(
        problem('source must be specified if verification is specified', 'give a source'),
        'verification',
        'hash',
      );
    }
    report.error(checkOptionalUrl(resource.source, minor), 'source');
    report.error(checkHeaderScheme(resource), 'httpHeaders');
  };

/** A certificate of spec 3.0, whose source cannot be left out. */
export function checkCertificate({ source }: { readonly source: string }, report: Report): void {
  report.error(checkUrl(source, 0), 'source');
}

/** A config of spec 3.0, which may lack its source. */
export function checkReference({ source }: Resource, report: Report): void {
  report.error(checkOptionalUrl(source, 0), 'source');
}

function checkRequiredSource({ source }: Resource, minor: number): Problem | undefined {
  return source ? checkUrl(source, minor) : problem('source is required', 'say where it is fetched from');
}

/** A list whose every item must have a source (since spec 3.1). */
export const checkSources =
  (list: string, minor: number) =>
  (holder: { readonly [list: string]: readonly Resource[] | undefined }, report: Report): void => {
    for (const [index, resource] of (holder[list] ?? []).entries()) {
      report.error(checkRequiredSource(resource, minor), list, index);
    }
  };

export function checkHeader({ name, value }: Header, report: Report): void {
  if (name === '') report.error(problem("HTTP header name can't be empty"), 'name');
  if (value === '')
    report.error(problem('unable to parse HTTP header', 'give a value, or none to remove it'), 'value');
}

/** Hexadecimal digits of each hash; sha256 came with spec 3.1. */
function hashLengths(minor: number): ReadonlyMap<string, number> {
  const lengths = new Map([['sha512', 128]]);
  if (minor >= 1) lengths.set('sha256', 64);
  return lengths;
}

function checkHash(hash: string, minor: number): Problem | undefined {
  const dash = hash.indexOf('-');
  const known = [...hashLengths(minor).keys()].join(' or ');
  if (dash < 0) return problem('malformed hash specifier', `write FUNCTION-DIGEST with ${known}`);
  const length = hashLengths(minor).get(hash.slice(0, dash));
  if (length === undefined) return problem('unrecognized hash function', `spec 3.${minor} knows ${known}`);
  if (byteLength(hash.slice(dash + 1)) === length) return undefined;
  return problem('incorrect size for hash sum', `it has ${length} hexadecimal digits`);
}

export const checkVerification =
  (minor: number) =>
  ({ hash }: Verification, report: Report): void => {
    if (hash !== undefined) report.error(checkHash(hash, minor), 'hash');
  };

interface Proxy {
  readonly httpProxy?: string;
  readonly httpsProxy?: string;
}

function checkProxyUrl(text: string | undefined, plainIsSafe: boolean, field: string, report: Report): void {
  if (text === undefined) return;
  const url = parseUrl(text);
  if (url === undefined) report.error(invalidUrl(), field);
  else if (url.scheme !== 'http' && url.scheme !== 'https') {
    report.error(problem('proxies must be http(s)', 'write http://HOST:PORT'), field);
  } else if (url.scheme === 'http' && !plainIsSafe) {
    report.warning(
      problem('insecure plaintext HTTP proxy specified for HTTPS resources', 'use https://'),
      field,
    );
  }
}

export function checkProxy({ httpProxy, httpsProxy }: Proxy, report: Report): void {
  checkProxyUrl(httpProxy, true, 'httpProxy', report);
  checkProxyUrl(httpsProxy, false, 'httpsProxy', report);
}
