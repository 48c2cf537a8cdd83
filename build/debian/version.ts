/**
 * Order of Debian version numbers: `[epoch:]upstream[-revision]`.
 * Source: Debian Policy 5.6.12, deb-version(7).
 */

const TILDE = 0x7e;

/** Sort weight of a character that is not a digit. The order is `~`, the end of the text, letters, all others. */
function weight(code: number): number {
  if (code === TILDE) return -1;
  if (Number.isNaN(code)) return 0; // past the end
  const letter = (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
  return letter ? code : code + 0x100;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

/**
 * Compares upstream versions or revisions. Runs of non-digits compare by weight, runs of digits as numbers of any
 * length.
 */
function compareParts(a: string, b: string): number {
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    while ((i < a.length && !isDigit(a.charCodeAt(i))) || (j < b.length && !isDigit(b.charCodeAt(j)))) {
      const left = i < a.length && !isDigit(a.charCodeAt(i)) ? weight(a.charCodeAt(i)) : 0;
      const right = j < b.length && !isDigit(b.charCodeAt(j)) ? weight(b.charCodeAt(j)) : 0;
      if (left !== right) return left < right ? -1 : 1;
      i++;
      j++;
    }
    while (a.charCodeAt(i) === 0x30) i++;
    while (b.charCodeAt(j) === 0x30) j++;
    let first = 0;
    while (isDigit(a.charCodeAt(i)) && isDigit(b.charCodeAt(j))) {
      const difference = a.charCodeAt(i++) - b.charCodeAt(j++);
      if (first === 0) first = difference;
    }
    if (isDigit(a.charCodeAt(i))) return 1;
    if (isDigit(b.charCodeAt(j))) return -1;
    if (first !== 0) return first < 0 ? -1 : 1;
  }
  return 0;
}

function split(version: string): { epoch: string; upstream: string; revision: string } {
  const colon = version.indexOf(':');
  const epoch = colon < 0 ? '' : version.slice(0, colon);
  const rest = version.slice(colon + 1);
  const dash = rest.lastIndexOf('-');
  return dash < 0
    ? { epoch, upstream: rest, revision: '' }
    : { epoch, upstream: rest.slice(0, dash), revision: rest.slice(dash + 1) };
}

/** Negative if `a` is the older version, positive if it is the newer one, 0 if they are equal (`1.0` = `0:1.0-0`). */
export function compareVersions(a: string, b: string): number {
  if (a === b) return 0;
  const left = split(a);
  const right = split(b);
  return (
    compareParts(left.epoch, right.epoch) ||
    compareParts(left.upstream, right.upstream) ||
    compareParts(left.revision, right.revision)
  );
}

/** Relations of dependency fields (Policy 7.1); `<` and `>` are the old spellings of `<=` and `>=`. */
export type VersionOperator = '<<' | '<=' | '=' | '>=' | '>>';

/** Whether `version` stands in the relation `operator` to `bound`. */
export function satisfies(version: string, operator: VersionOperator, bound: string): boolean {
  const order = compareVersions(version, bound);
  switch (operator) {
    case '<<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '=':
      return order === 0;
    case '>=':
      return order >= 0;
    case '>>':
      return order > 0;
  }
}

/** Whether the text can be a version (Policy 5.6.12): it begins with a digit and has only allowed characters. */
export function isVersion(text: string): boolean {
  return /^(?:\d+:)?[0-9A-Za-z.+~:-]+$/.test(text) && /\d/.test(text);
}
