import { modeOf } from '../base/mode.ts';
import type { Step } from '../base/step.ts';

/** Hints for JSON values of the wrong type. */

/**
 * A hint for a value of the wrong type, with `; ` before it; empty: there is no hint. @param wanted as the message
 * names it @param there the text from the value on
 */
export function typeHint(wanted: string, there: string, path: readonly Step[]): string {
  const [, text] = /^"((?:[^"\\]|\\.)*)"/.exec(there) ?? [];
  const [number] = /^-?[0-9][0-9.eE+-]*/.exec(there) ?? [];
  if (path.at(-1) === 'version' && number !== undefined) return '; write "3.3.0"';
  if (wanted === 'an array') {
    if (there.startsWith('{')) return '; put it in brackets: [{…}]';
    if (text !== undefined || number !== undefined)
      return `; put it in brackets: [${text === undefined ? number : `"${text.slice(0, 60)}"`}]`;
  }
  if (wanted === 'an object' && there.startsWith('[')) return '; write an object {…}, without the brackets';
  if (wanted === 'a string' && /^(-?[0-9]|true|false)/.test(there))
    return `; put it in double quotes: "${/^[^,}\]\s]*/.exec(there)?.[0] ?? ''}"`;
  if (wanted === 'an integer' && text !== undefined) {
    const mode = path.at(-1) === 'mode' ? modeOf(text) : undefined;
    if (mode !== undefined) return `; write ${mode}`;
    return /^-?[0-9]+$/.test(text) ? `; write ${Number(text)}, without quotes` : '; write a number';
  }
  if (wanted === 'an integer' && number !== undefined) return '; write a whole number';
  if (wanted === 'true or false' && text !== undefined && /^(true|false)$/.test(text))
    return `; write ${text}, without quotes`;
  return `; write ${wanted}`;
}
