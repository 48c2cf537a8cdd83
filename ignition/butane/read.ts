import type { Json, JsonObject } from '../json/value.ts';
import type { Field, StructShape } from '../spec/shape.ts';
import type { Step } from '../step.ts';
import { snakeCase } from './fields.ts';
import { isNullText, parseBoolean, parseInteger, type Yaml } from './yaml.ts';

/** Where each value of the result came from, by its path (`storage.files.0`). */
export type Origins = Map<string, number>;

export interface Notes {
  readonly origins: Origins;
  error(at: number, path: readonly Step[], message: string): void;
  warning(at: number, path: readonly Step[], message: string): void;
}

const WANTED = {
  string: 'a string',
  int: 'an integer',
  bool: 'true or false',
  struct: 'a map',
  list: 'a list',
} as const;

function found(value: Yaml): string {
  return value.kind === 'scalar'
    ? JSON.stringify(value.text.slice(0, 40))
    : value.kind === 'map'
      ? 'a map'
      : 'a list';
}

function isNull(value: Yaml): boolean {
  return value.kind === 'scalar' && !value.quoted && isNullText(value.text);
}

function readScalar(kind: 'string' | 'int' | 'bool', value: Yaml): Json | undefined {
  if (value.kind !== 'scalar') return undefined;
  if (kind === 'string') return value.text;
  if (value.quoted) return undefined;
  return kind === 'int' ? parseInteger(value.text) : parseBoolean(value.text);
}

/** `mode: 644` was meant in octal when it makes sense so, and no sense as it stands. */
function looksLikeOctal(value: Yaml): boolean {
  return value.kind === 'scalar' && !value.quoted && /^[4-7][0-7]{2}$/.test(value.text);
}

function readField(field: Field, value: Yaml, path: readonly Step[], notes: Notes): Json | undefined {
  if (isNull(value)) return undefined;
  if (field.kind === 'struct' && value.kind === 'map')
    return readStruct(field.of as StructShape, value, path, notes);
  if (field.kind === 'list' && value.kind === 'list') {
    return value.items.map((item, index) => readItem(field, item, [...path, index], notes));
  }
  const scalar = field.kind === 'struct' || field.kind === 'list' ? undefined : readScalar(field.kind, value);
  if (scalar === undefined)
    notes.error(value.at, path, `expected ${WANTED[field.kind]}, found ${found(value)}`);
  if (field.name === 'mode' && looksLikeOctal(value)) {
    notes.warning(value.at, path, 'this mode is decimal; write a leading zero for octal');
  }
  return scalar;
}

function readItem(field: Field, item: Yaml, path: readonly Step[], notes: Notes): Json {
  notes.origins.set(path.join('.'), item.at);
  if (field.of?.kind === 'struct') {
    if (item.kind === 'map') return readStruct(field.of, item, path, notes);
    if (isNull(item)) return {};
    notes.error(item.at, path, `expected a map, found ${found(item)}`);
    return {};
  }
  if (item.kind === 'scalar') return item.text;
  notes.error(item.at, path, `expected a string, found ${found(item)}`);
  return '';
}

/** Reads a map into JSON with the spec's key names. Unknown keys are warnings, as in Ignition. */
export function readStruct(
  shape: StructShape,
  map: Extract<Yaml, { kind: 'map' }>,
  path: readonly Step[],
  notes: Notes,
): JsonObject {
  const fields = new Map(shape.fields.map((field) => [snakeCase(field.name), field]));
  const out: JsonObject = {};
  for (const { key, at, value } of map.members) {
    const field = fields.get(key);
    const here = [...path, field?.name ?? key];
    if (field === undefined) {
      const camel = shape.byName.has(key) ? `; Butane writes it ${snakeCase(key)}` : '';
      notes.warning(at, here, `Unused key ${key}${camel}`);
      continue;
    }
    notes.origins.set(here.join('.'), value.at);
    const read = readField(field, value, here, notes);
    if (read !== undefined) out[field.name] = read;
  }
  return out;
}
