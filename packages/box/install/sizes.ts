import { WrongUsage } from './terminal.ts';

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** Bytes of a size such as `16Gi` or `200G`. */
export function parseSize(text: string): number {
  const [, number, unit = ''] = /^(\d+)(.*)$/s.exec(text) ?? [];
  const factor = Object.hasOwn(UNITS, unit) ? UNITS[unit] : undefined;
  if (number === undefined || factor === undefined) throw new WrongUsage(`not a size: '${text}'`);
  return Number(number) * factor;
}

const COMPARISONS: Readonly<Record<string, (size: number, limit: number) => boolean>> = {
  '>=': (size, limit) => size >= limit,
  '<=': (size, limit) => size <= limit,
  '>': (size, limit) => size > limit,
  '<': (size, limit) => size < limit,
  '=': (size, limit) => size === limit,
};

/** A condition such as `>=200G` on a number of bytes. */
export function parseCondition(text: string): (size: number) => boolean {
  const [, operator = '', limit = ''] = /^([<>]=?|=)(.*)$/s.exec(text) ?? [];
  const compare = COMPARISONS[operator];
  if (!compare) throw new WrongUsage(`--size needs a comparison such as >=200G, not '${text}'`);
  const bytes = parseSize(limit);
  return (size) => compare(size, bytes);
}
