import { BoxError } from './box.ts';

/** A value of a JSON document, and its place for errors: `roles.root.keys[2]`. */
export interface Field {
  readonly value: unknown;
  readonly at: string;
}

/** Parses a JSON document. `what` it is and `where` it came from appear in errors. */
export function parseDocument(text: string, what: string, where: string): Field {
  try {
    return { value: JSON.parse(text) as unknown, at: '' };
  } catch (error) {
    const start = text.trimStart().slice(0, 40).replaceAll(/\s+/g, ' ');
    const found =
      text.trim() === ''
        ? 'it is empty'
        : start.startsWith('<')
          ? 'it looks like a web page'
          : error instanceof Error
            ? error.message
            : String(error);
    throw new BoxError(`${what} is not JSON: ${found}`, { where });
  }
}

/**
 * Parses a JSON document and reads it.
 * @throws BoxError that begins with `what`
 */
export function readDocument<T>(text: string, what: string, where: string, read: (root: Field) => T): T {
  const root = parseDocument(text, what, where);
  try {
    return read(root);
  } catch (error) {
    if (!(error instanceof BoxError)) throw error;
    throw new BoxError(`${what}: ${error.message}`, { where });
  }
}

function fault({ at }: Field, must: string): BoxError {
  return new BoxError(`${at === '' ? 'the document' : at} must be ${must}`);
}

/** The field as an object. All readers here throw an error with the place of a wrong value. */
export function object(field: Field): Readonly<Record<string, unknown>> {
  const { value } = field;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw fault(field, 'an object');
  return value as Record<string, unknown>;
}

/** A member of an object. A missing member has the value undefined. */
export function member(field: Field, name: string): Field {
  const value = Object.hasOwn(object(field), name) ? object(field)[name] : undefined;
  return { value, at: field.at === '' ? name : `${field.at}.${name}` };
}

/** Readers of the members of `T`, by name. tsc asks for a missing one. */
export type Readers<T> = { readonly [Name in keyof T]-?: (field: Field) => T[Name] };

/** Reads the members of an object, each with its reader. A member whose reader returns undefined is left out. */
export function members<T>(field: Field, readers: Readers<T>): T {
  const names = Object.keys(readers) as (keyof T & string)[];
  const read = names.map((name) => [name, readers[name](member(field, name))] as const);
  return Object.fromEntries(read.filter(([, value]) => value !== undefined)) as T;
}

/** The reader of a member that may be missing. */
export const maybe =
  <T>(read: (field: Field) => T) =>
  (field: Field): T | undefined =>
    optional(field, read);

/** Reads the field; undefined if it is missing. */
export function optional<T>(field: Field, read: (field: Field) => T): T | undefined {
  return field.value === undefined ? undefined : read(field);
}

/** The field as a string that matches. `must` completes “it must be …”. */
export function string(field: Field, pattern?: RegExp, must = 'of another form'): string {
  if (typeof field.value !== 'string') throw fault(field, 'a string');
  if (pattern && !pattern.test(field.value))
    throw fault(field, `${must}, not ${JSON.stringify(field.value.slice(0, 60))}`);
  return field.value;
}

/** The field as one of some strings. */
export function choice<T extends string>(field: Field, values: readonly T[]): T {
  const found = values.find((value) => value === field.value);
  if (found === undefined) throw fault(field, `one of ${values.join(', ')}`);
  return found;
}

/** The field as a number within bounds, both included. */
export function number(field: Field, least: number, most: number): number {
  if (typeof field.value !== 'number' || !(field.value >= least && field.value <= most))
    throw fault(field, `a number from ${least} to ${most}`);
  return field.value;
}

/** The field as a whole number within bounds, both included. */
export function integer(field: Field, least: number, most = Number.MAX_SAFE_INTEGER): number {
  if (!Number.isSafeInteger(field.value)) throw fault(field, 'a whole number');
  return number(field, least, most);
}

/** The field as a list of at most `most` items. */
export function list<T>(field: Field, read: (field: Field) => T, most = 1000): T[] {
  const { value, at } = field;
  if (!Array.isArray(value) || value.length > most) throw fault(field, `a list of at most ${most}`);
  return value.map((each: unknown, index) => read({ value: each, at: `${at}[${index}]` }));
}

/** The field as a map of any names. */
export function map<T>(field: Field, read: (field: Field, key: string) => T): Record<string, T> {
  const names = Object.keys(object(field));
  return Object.fromEntries(names.map((name) => [name, read(member(field, name), name)]));
}

/** Milliseconds since 1970 of a time in UTC, `2026-11-29T12:00:00Z`. */
export function time(field: Field): number {
  const text = string(field, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'a time such as 2026-11-29T12:00:00Z');
  const parsed = Date.parse(text);
  if (Number.isNaN(parsed)) throw fault(field, 'a time that exists');
  return parsed;
}

/** A time (milliseconds since 1970) as ISO 8601 in UTC, whole seconds. */
export const isoTime = (milliseconds: number): string =>
  `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
