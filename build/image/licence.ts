import { Failure } from '../../sdk/lib/errors.ts';
import { byteOrder } from '../../sdk/lib/files.ts';
import { parseStanzas } from '../debian/control.ts';

const EXACT: Readonly<Record<string, string>> = {
  'apache-2.0': 'Apache-2.0',
  'bsd-2-clause': 'BSD-2-Clause',
  'bsd-3-clause': 'BSD-3-Clause',
  'bsl-1.0': 'BSL-1.0',
  'cc0-1.0': 'CC0-1.0',
  'cddl-1.0': 'CDDL-1.0',
  expat: 'MIT',
  isc: 'ISC',
  'mpl-2.0': 'MPL-2.0',
  unlicense: 'Unlicense',
  x11: 'X11',
  zlib: 'Zlib',
};

/** The SPDX identifier of a short name of copyright-format 1.0; undefined if there is no certain one. */
function spdxName(name: string): string | undefined {
  const [, family, version = '', later] = /^((?:A|L)?GPL|GFDL)-(\d+(?:\.\d+)?)(\+)?$/i.exec(name) ?? [];
  if (family === undefined) return EXACT[name.toLowerCase()];
  const dotted = version.includes('.') ? version : `${version}.0`;
  // Only versions that exist.
  const known = /^(GPL-[123]\.0|LGPL-(2\.0|2\.1|3\.0)|AGPL-3\.0|GFDL-1\.[123])$/;
  const plain = `${family.toUpperCase()}-${dotted}`;
  return known.test(plain) ? `${plain}-${later ? 'or-later' : 'only'}` : undefined;
}

/** `GPL-2+ or Expat` → `GPL-2.0-or-later OR MIT`; both formats let "and" bind closer than "or". */
function spdxExpression(text: string): string | undefined {
  const parts = text.trim().split(/\s+(and|or)\s+/i);
  const words = parts.map((part, index) => (index % 2 === 1 ? part.toUpperCase() : spdxName(part)));
  return words.includes(undefined) ? undefined : words.join(' ');
}

/**
 * The licences of all files that a machine-readable copyright file (copyright-format 1.0) lists, as an SPDX licence
 * expression. Undefined unless each of them has an SPDX identifier: an incomplete expression would be wrong.
 */
export function declaredLicence(copyright: string): string | undefined {
  if (!/^format:\s*\S*copyright-format\/1\.0/im.test(copyright.slice(0, 1000))) return undefined;
  let stanzas: ReturnType<typeof parseStanzas>;
  try {
    stanzas = parseStanzas(copyright, 'copyright');
  } catch (error) {
    if (error instanceof Failure) return undefined; // people write these files by hand, and some are not well-formed
    throw error;
  }
  const found = new Set<string>();
  for (const stanza of stanzas) {
    // Packaging under debian/ is in no binary package.
    const files = stanza.get('files')?.split(/\s+/);
    if (files === undefined || files.every((path) => path.startsWith('debian/'))) continue;
    const expression = spdxExpression((stanza.get('license') ?? '').split('\n', 1)[0] ?? '');
    if (expression === undefined) return undefined;
    found.add(expression);
  }
  if (found.size === 0) return undefined;
  const all = [...found].sort(byteOrder);
  return all.length === 1
    ? all[0]
    : all.map((each) => (each.includes(' OR ') ? `(${each})` : each)).join(' AND ');
}
