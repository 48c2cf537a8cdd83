import type { ListPosition, ObjectPosition, Position } from './json/decode.ts';
import { problem, type Report } from './report.ts';
import type { Field, Struct, StructShape, TextShape, Value } from './spec/shape.ts';

/**
 * Ignition's three walks over a decoded config, in its order: the rules of each type, then lists with two equal
 * keys, then keys it does not know. A struct that is absent breaks no rule, so absent ones are not entered.
 */

type Visit = (shape: StructShape, value: Struct, report: Report) => void;

function descend(
  field: Field,
  value: Value,
  report: Report,
  visit: Visit,
  visitText: typeof checkText,
): void {
  if (field.kind === 'struct') {
    walk(field.of as StructShape, value as Struct, report, visit, visitText);
    return;
  }
  const { path } = report;
  const of = field.of as StructShape | TextShape;
  for (const [index, item] of (value as Value[]).entries()) {
    path.push(index);
    if (of.kind === 'text') visitText(of, item as string, report);
    else walk(of, item as Struct, report, visit, visitText);
    path.pop();
  }
}

function walk(
  shape: StructShape,
  value: Struct,
  report: Report,
  visit: Visit,
  visitText: typeof checkText,
): void {
  visit(shape, value, report);
  for (const field of shape.fields) {
    if (field.kind !== 'struct' && field.kind !== 'list') continue;
    const below = value[field.name];
    if (below === undefined) continue;
    report.path.push(field.name);
    descend(field, below, report, visit, visitText);
    report.path.pop();
  }
}

function checkText(shape: TextShape, value: string, report: Report): void {
  shape.rule?.(value as never, report);
}

/** Every rule of every type. */
export function checkRules(shape: StructShape, config: Struct, report: Report): void {
  walk(shape, config, report, ({ rule }, value) => rule?.(value as never, report), checkText);
}

function keyOf(of: Field['of'], item: Value): string {
  if (of?.kind !== 'struct' || of.key === undefined) return item as string;
  return of.key(item as never);
}

function checkKeys(shape: StructShape, value: Struct, report: Report): void {
  const seen = new Map<string, Set<string>>();
  for (const field of shape.fields) {
    if (field.kind !== 'list' || field.repeats) continue;
    const keys = seen.get(field.handle) ?? new Set();
    seen.set(field.handle, keys);
    for (const [index, item] of ((value[field.name] ?? []) as Value[]).entries()) {
      const key = keyOf(field.of, item);
      if (keys.has(key)) {
        report.error(
          problem('duplicate entry defined', 'merge it with the first one or remove it'),
          field.name,
          index,
        );
      }
      keys.add(key);
    }
  }
}

/** Lists with two items of the same key. */
export function checkDuplicates(shape: StructShape, config: Struct, report: Report): void {
  walk(shape, config, report, checkKeys, () => {});
}

const isObject = (position: Position): position is ObjectPosition =>
  typeof position === 'object' && 'keys' in position;

/** Keys that Ignition ignores. Walks the text beside the value, as far as the two agree. */
export function checkUnknownKeys(
  shape: StructShape,
  value: Struct,
  position: Position,
  report: Report,
): void {
  if (!isObject(position)) {
    const at = ['$', ...report.path].join('.');
    report.warning(
      problem(
        `context tree does not match content tree at ${at}. Line and column reporting may be inconsistent. ` +
          'Unused keys may not be reported.',
        'leave the key out instead of writing null',
      ),
    );
    return;
  }
  for (const [key, { at }] of position.keys) {
    if (shape.byName.has(key)) continue;
    const hint = shape.folded.has(key.toUpperCase())
      ? 'letter case differs'
      : 'Ignition ignores it: misspelt?';
    report.add({ kind: 'warning', path: [...report.path, key], at, message: `Unused key ${key}; ${hint}` });
  }
  for (const field of shape.fields) {
    const below = position.keys.get(field.name)?.value;
    if (below === undefined || (field.kind !== 'struct' && field.kind !== 'list')) continue;
    report.path.push(field.name);
    if (field.kind === 'list') checkListKeys(field, value[field.name], below, report);
    else if (!field.optional || value[field.name] !== undefined) {
      const inner = (value[field.name] ?? {}) as Struct;
      checkUnknownKeys(field.of as StructShape, inner, below, report);
    }
    report.path.pop();
  }
}

function checkListKeys(field: Field, value: Value, position: Position, report: Report): void {
  if (field.of?.kind !== 'struct' || typeof position === 'number') return;
  const { items } = position as ListPosition;
  for (const [index, item] of ((value ?? []) as Struct[]).entries()) {
    const at = items[index];
    if (at === undefined) return;
    report.path.push(index);
    checkUnknownKeys(field.of, item, at, report);
    report.path.pop();
  }
}
