import { cleanPath } from '../base/clean-path.ts';

/** A string as part of a unit name (systemd.unit(5), "String escaping for inclusion in unit names"). */
export function unitEscape(text: string): string {
  let out = '';
  for (const byte of Buffer.from(text, 'utf8')) {
    const char = String.fromCharCode(byte);
    if (char === '/') out += '-';
    else if (/[A-Za-z0-9:_]/.test(char) || (char === '.' && out !== '')) out += char;
    else out += `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return out;
}

/** A path as a unit name: `/var/lib` is `var-lib`, `/` is `-`. */
export function unitPath(path: string): string {
  const inner = cleanPath(`/${path}`).slice(1);
  return inner === '' ? '-' : unitEscape(inner);
}
