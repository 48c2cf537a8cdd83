import { join } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { badInput } from '../../sdk/lib/errors.ts';

/** The folder of artifacts in the checkout. */
export const OUT = join(CHECKOUT, 'out');

/** `2/5` → part 2 of 5. */
export function parseShard(text: string): { index: number; count: number } {
  const [, index, count] = /^(\d+)\/(\d+)$/.exec(text)?.map(Number) ?? [];
  if (index === undefined || count === undefined || index < 1 || index > count) {
    throw badInput(`--shard takes I/N with 1 ≤ I ≤ N: ${text}`);
  }
  return { index, count };
}

/** A size in MiB from `512M`, `10G`, `1T` or plain MiB. `where`: the option. */
export function parseMebibytes(text: string, where: string): number {
  const [, digits, unit = 'M'] = /^(\d+)([MGT]?)$/i.exec(text.replace(/iB$/i, '')) ?? [];
  const factor = { M: 1, G: 1024, T: 1024 * 1024 }[unit.toUpperCase() || 'M'];
  const size = Number(digits) * (factor ?? 1);
  if (digits === undefined || !Number.isSafeInteger(size) || size < 1)
    throw badInput(`not a size: ${text}`, { where, hint: 'write e.g. 512M or 10G' });
  return size;
}

/** A whole number from 1. Any other text is an InvalidArgumentError: commander adds the name of the option. */
export function parseCount(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('must be a whole number from 1 on.');
  return value;
}

/** A whole number from 0. */
export function parseCountOrNone(text: string): number {
  return text === '0' ? 0 : parseCount(text);
}

const UNITS = { s: 1, m: 60, h: 3600 } as const;

/** A time in milliseconds from e.g. `90s`, `10m`, `2h`; without a unit, minutes. */
export function parseTime(text: string): number {
  const [, digits, unit = 'm'] = /^(\d+)([smh]?)$/.exec(text) ?? [];
  const seconds = Number(digits) * UNITS[(unit || 'm') as keyof typeof UNITS];
  if (digits === undefined || seconds < 1 || seconds > 24 * 3600)
    throw new InvalidArgumentError('must be a time from one second to a day: 90s, 10m or 2h.');
  return seconds * 1000;
}
