/**
 * Keys of an object in a schema: the type of a scalar, the keys of an object, or a list of either.
 * A `text` or a `number` is always present: empty or 0 if nothing was written.
 */
export type Keys =
  | 'string'
  | 'integer'
  | 'boolean'
  | 'text'
  | 'number'
  | { readonly [key: string]: Keys }
  | readonly [Keys];

/** Whether the keys are those of a list's items. */
export const isList = (keys: Keys): keys is readonly [Keys] => Array.isArray(keys);

/** A key of an object: its type, and how it is read. */
export interface Field {
  readonly name: string;
  readonly kind: 'string' | 'int' | 'bool' | 'struct' | 'list';
  /** Keys of a struct, or of the structs in a list. A list without `keys` is a list of strings. */
  readonly of?: StructShape;
  /** The value of an absent key. */
  readonly zero?: '' | 0;
  /** The minor version of the spec that added the key, where it matters. */
  readonly since?: number;
}

/** The keys of an object. */
export type StructShape = ReadonlyMap<string, Field>;

const field = (kind: Field['kind'], name: string, of?: StructShape): Field =>
  of === undefined ? { name, kind } : { name, kind, of };

/** A text that is always present: empty if nothing was written. */
export const string = (name: string): Field => ({ ...field('string', name), zero: '' });
/** A number that is always present: 0 if nothing was written. */
const int = (name: string): Field => ({ ...field('int', name), zero: 0 });

/** A field that holds a string or nothing. */
export const optionalString = (name: string): Field => field('string', name);

/** A field that holds a whole number or nothing. */
export const optionalInt = (name: string): Field => field('int', name);

/** A field that holds a boolean or nothing. */
export const optionalBool = (name: string): Field => field('bool', name);

/** A field that holds an object. */
export const inner = (name: string, of: StructShape): Field => field('struct', name, of);
/** A list of objects, or of strings. */
export const list = (name: string, of?: StructShape): Field => field('list', name, of);

/** The shape of an object. `false` stands for a field that this version does not have. */
export const struct = (fields: readonly (Field | false)[]): StructShape =>
  new Map(fields.flatMap((entry) => (entry === false ? [] : [[entry.name, entry]])));

function fieldOf(name: string, keys: Keys, path: string, since: Readonly<Record<string, number>>): Field {
  const minor = since[path];
  const version = minor === undefined ? {} : { since: minor };
  if (keys === 'text') return { ...string(name), ...version };
  if (keys === 'number') return { ...int(name), ...version };
  if (keys === 'string') return { ...optionalString(name), ...version };
  if (keys === 'integer') return { ...optionalInt(name), ...version };
  if (keys === 'boolean') return { ...optionalBool(name), ...version };
  if (!isList(keys)) return { ...inner(name, shapeOf(keys, since, `${path}.`)), ...version };
  const of = typeof keys[0] === 'string' ? undefined : shapeOf(keys[0], since, `${path}.`);
  return { ...list(name, of), ...version };
}

/**
 * The shape of an object with these keys.
 * @param since versions of keys, by their paths below `prefix`
 */
export function shapeOf(keys: Keys, since: Readonly<Record<string, number>>, prefix = ''): StructShape {
  return struct(Object.entries(keys).map(([name, below]) => fieldOf(name, below, prefix + name, since)));
}
