import type { Report } from '../report.ts';

/** A decoded struct: fields by their JSON name. A 64-bit integer beyond 2^53 is a bigint. */
export type Struct = { [field: string]: Value };
export type Value = undefined | string | boolean | number | bigint | Struct | Value[];

/** Reports what is wrong with `value`, which stands at the report's current path. */
export type Rule = (value: never, report: Report) => void;

export interface TextShape {
  readonly kind: 'text';
  readonly rule?: Rule;
}

/**
 * A field of a struct as Ignition's decoder sees it. `optional` tells an absent (or null) value from the zero
 * value; Ignition distinguishes the two only where the specification needs it.
 */
export interface Field {
  readonly name: string;
  readonly kind: 'string' | 'int' | 'bool' | 'struct' | 'list';
  readonly optional: boolean;
  /** Of a struct: its shape. Of a list: the shape of its items. */
  readonly of?: StructShape | TextShape;
  /** List: items may repeat (they are appended on merge). */
  readonly repeats: boolean;
  /** List: shares its keys with the other lists of the struct that name the same handle. */
  readonly handle: string;
}

export interface StructShape {
  readonly kind: 'struct';
  readonly fields: readonly Field[];
  /** By exact name; case-folded names as Go matches them are in `folded`. */
  readonly byName: ReadonlyMap<string, Field>;
  readonly folded: ReadonlyMap<string, Field>;
  /** Zero values of the fields that are not optional. */
  readonly zero: Readonly<Struct>;
  /** What makes an item of a list unique. */
  readonly key?: (value: never) => string;
  readonly rule?: Rule;
}

/** Go's case folding, as far as it can reach an ASCII name: U+017F and U+212A fold to `s` and `k`. */
export function foldName(name: string): string {
  return name.replace(/[a-z\u017f\u212a]/g, (c) =>
    c === '\u017f' ? 'S' : c === '\u212a' ? 'K' : c.toUpperCase(),
  );
}

const field = (kind: Field['kind'], name: string, optional: boolean, of?: Field['of']): Field => ({
  name,
  kind,
  optional,
  ...(of === undefined ? {} : { of }),
  repeats: false,
  handle: name,
});

export const string = (name: string): Field => field('string', name, false);
export const int = (name: string): Field => field('int', name, false);
export const optionalString = (name: string): Field => field('string', name, true);
export const optionalInt = (name: string): Field => field('int', name, true);
export const optionalBool = (name: string): Field => field('bool', name, true);
export const inner = (name: string, of: StructShape): Field => field('struct', name, false, of);
/** A struct that may be absent as a whole. */
export const optionalInner = (name: string, of: StructShape): Field => field('struct', name, true, of);
export const list = (name: string, of: StructShape | TextShape, handle = name): Field => ({
  ...field('list', name, false, of),
  handle,
});
/** A list whose items may repeat. */
export const bag = (name: string, of: StructShape | TextShape): Field => ({
  ...field('list', name, false, of),
  repeats: true,
});
export const text = (rule?: Rule): TextShape =>
  rule === undefined ? { kind: 'text' } : { kind: 'text', rule };

export function struct(
  fields: readonly (Field | false)[],
  { key, rule }: { key?: (value: never) => string; rule?: Rule } = {},
): StructShape {
  const present = fields.filter((entry) => entry !== false);
  const zero: Struct = {};
  for (const { name, kind, optional } of present) {
    if (optional) continue;
    if (kind === 'string') zero[name] = '';
    else if (kind === 'int') zero[name] = 0;
  }
  return {
    kind: 'struct',
    fields: present,
    byName: new Map(present.map((entry) => [entry.name, entry])),
    folded: new Map(present.map((entry) => [foldName(entry.name), entry])),
    zero,
    ...(key === undefined ? {} : { key }),
    ...(rule === undefined ? {} : { rule }),
  };
}
