import { isSecret } from '../base/secret.ts';

/** Values as TypeScript source, laid out as this project's formatter does. */

const WIDTH = 110;

const quote = (text: string): string =>
  `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;

const keyText = (key: string): string => (/^[A-Za-z_$][\w$]*$/.test(key) ? key : quote(key));

/** `parts` on one line if they fit, otherwise one on each line. `taken`: columns in use before them. */
function layOut(
  open: string,
  parts: readonly string[],
  close: string,
  indent: string,
  taken: number,
): string {
  if (parts.length === 0) return open + close;
  const space = open === '{' ? ' ' : '';
  const line = `${open}${space}${parts.join(', ')}${space}${close}`;
  if (!line.includes('\n') && indent.length + taken + line.length < WIDTH) return line;
  const inner = `${indent}  `;
  return `${open}\n${parts.map((part) => `${inner}${part},\n`).join('')}${indent}${close}`;
}

/**
 * A value as an expression.
 * @param indent indentation of the line on which it begins
 * @param taken columns in use before it
 */
export function toSource(value: unknown, indent = '', taken = 0): string {
  if (typeof value === 'string') return quote(value);
  if (isSecret(value)) return `secret(${toSource(value.secret, indent, taken)})`;
  if (typeof value !== 'object' || value === null) return String(value);
  const inner = `${indent}  `;
  if (Array.isArray(value))
    return layOut(
      '[',
      value.map((item) => toSource(item, inner)),
      ']',
      indent,
      taken,
    );
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  const parts = members.map(([key, member]) => {
    const name = `${keyText(key)}: `;
    if (key === 'mode') return `${name}0o${Number(member).toString(8)}`;
    return name + toSource(member, inner, name.length);
  });
  return layOut('{', parts, '}', indent, taken);
}
