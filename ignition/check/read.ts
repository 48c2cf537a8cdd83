import { modeOf, octalText } from '../base/mode.ts';
import type { SourceMap, SourceNode } from '../base/node.ts';
import type { Step } from '../base/step.ts';
import type { Json, JsonObject } from '../json/value.ts';
import type { Field, StructShape } from '../spec/shape.ts';
import { unusedHint } from './unused.ts';

/** Reads what stands in a text by the keys that a config may have. */

/** Where each value of the result came from, by its path (`storage.files.0`). */
export type Origins = Map<string, number>;

/** Takes the findings of a reading, each at an offset of the text and a path of the config. */
export interface Notes {
  readonly origins: Origins;
  error(at: number, path: readonly Step[], message: string): void;
  warning(at: number, path: readonly Step[], message: string): void;
}

/** How a text writes keys and scalars. */
export interface Style {
  /** How the text writes a key of the spec. */
  readonly spell: (name: string) => string;
  /** The name by which a key of the text is looked up, where that is not its own. */
  readonly fold?: (key: string) => string;
  readonly integer: (text: string) => number | undefined;
  readonly boolean: (text: string) => boolean | undefined;
  readonly isNull: (text: string) => boolean;
  /** A scalar without quotes may be a text. */
  readonly plainText: boolean;
  readonly names: Readonly<Record<Field['kind'], string>>;
  /** What is wrong with a key as it is written. */
  readonly unused: (key: string, field: Field | undefined, shape: StructShape) => string | undefined;
  /** Why a key is left out although the spec knows it. */
  readonly tooNew?: (field: Field) => string | undefined;
  /** What may be wrong with a value that can be read. */
  readonly doubt?: (field: Field, value: SourceNode) => string | undefined;
}

interface Reading {
  readonly style: Style;
  readonly notes: Notes;
}

function found(value: SourceNode, { names }: Style): string {
  if (value.kind === 'map') return names.struct;
  if (value.kind === 'list') return names.list;
  return JSON.stringify(value.text.slice(0, 40));
}

function mismatch(value: SourceNode, kind: Field['kind'], path: readonly Step[], reading: Reading): void {
  const { style, notes } = reading;
  const hint = mismatchHint(value, kind, path.at(-1) === 'mode', style);
  notes.error(value.at, path, `expected ${style.names[kind]}, found ${found(value, style)}; ${hint}`);
}

/** How to write a value that is of another kind. */
function mismatchHint(value: SourceNode, kind: Field['kind'], isMode: boolean, style: Style): string {
  const isYaml = style.plainText;
  const text = value.kind === 'scalar' ? value.text.slice(0, 60) : '';
  if (kind === 'list') {
    if (value.kind === 'map') return isYaml ? 'begin each item with a dash' : 'put it in brackets: [{…}]';
    return `put it in brackets: [${value.kind === 'scalar' && value.quoted ? JSON.stringify(text) : text}]`;
  }
  if (kind === 'struct') {
    if (value.kind === 'list')
      return isYaml ? 'leave the dashes out' : 'write one object, without the brackets';
    return isYaml ? 'write its keys below it, each as KEY: VALUE' : 'write {"KEY": VALUE}';
  }
  if (kind === 'string')
    return value.kind === 'scalar' ? `put it in double quotes: "${text}"` : 'write one text';
  if (kind === 'bool')
    return /^(true|yes|on)$/i.test(text)
      ? quoteless('true', value)
      : /^(false|no|off)$/i.test(text)
        ? quoteless('false', value)
        : 'write true or false';
  const mode = isMode ? modeOf(text) : undefined;
  if (mode !== undefined) return quoteless(isYaml ? octalText(mode) : String(mode), value);
  if (isMode) return `write a mode: ${isYaml ? '0644' : '420, which is 0644'}`;
  return /^-?\d+$/.test(text) ? quoteless(text, value) : 'write a whole number';
}

const quoteless = (text: string, value: SourceNode): string =>
  `write ${text}${value.kind === 'scalar' && value.quoted ? ' without quotes' : ''}`;

const isNull = (value: SourceNode, style: Style): boolean =>
  value.kind === 'scalar' && !value.quoted && style.isNull(value.text);

function readScalar(kind: Field['kind'], value: SourceNode, style: Style): Json | undefined {
  if (value.kind !== 'scalar') return undefined;
  if (kind === 'string') return value.quoted || style.plainText ? value.text : undefined;
  if (value.quoted) return undefined;
  return kind === 'int' ? style.integer(value.text) : kind === 'bool' ? style.boolean(value.text) : undefined;
}

function readField(
  field: Field,
  value: SourceNode,
  path: readonly Step[],
  reading: Reading,
): Json | undefined {
  const { kind, of } = field;
  const { style, notes } = reading;
  if (isNull(value, style)) return undefined;
  if (kind === 'struct' && of && value.kind === 'map') return readMap(of, value, path, reading);
  if (kind === 'list' && value.kind === 'list')
    return value.items.map((item, index) => readItem(of, item, [...path, index], reading));
  const scalar = readScalar(kind, value, style);
  if (scalar === undefined) mismatch(value, kind, path, reading);
  const doubt = style.doubt?.(field, value);
  if (doubt !== undefined) notes.warning(value.at, path, doubt);
  return scalar;
}

function readItem(
  of: StructShape | undefined,
  item: SourceNode,
  path: readonly Step[],
  reading: Reading,
): Json {
  reading.notes.origins.set(path.join('.'), item.at);
  if (of !== undefined) {
    if (item.kind === 'map') return readMap(of, item, path, reading);
    if (!isNull(item, reading.style)) mismatch(item, 'struct', path, reading);
    return withZeros(of, {});
  }
  const text = readScalar('string', item, reading.style);
  if (text === undefined && !isNull(item, reading.style)) mismatch(item, 'string', path, reading);
  return text ?? '';
}

function withZeros(shape: StructShape, out: JsonObject): JsonObject {
  for (const { name, zero } of shape.values()) {
    if (zero !== undefined && out[name] === undefined) out[name] = zero;
  }
  return out;
}

function readMap(shape: StructShape, map: SourceMap, path: readonly Step[], reading: Reading): JsonObject {
  const { style, notes } = reading;
  const { spell, fold = (key: string) => key } = style;
  const fields = new Map([...shape.values()].map((field) => [fold(spell(field.name)), field]));
  const out: JsonObject = {};
  for (const { key, at, value } of map.members) {
    const field = fields.get(fold(key));
    const tooNew = field && style.tooNew?.(field);
    const unused = tooNew ?? style.unused(key, field, shape);
    if (unused !== undefined) notes.warning(at, [...path, key], unused);
    if (field === undefined || tooNew !== undefined) continue;
    const here = [...path, field.name];
    notes.origins.set(here.join('.'), value.at);
    const read = readField(field, value, here, reading);
    if (read !== undefined) out[field.name] = read;
  }
  return withZeros(shape, out);
}

/** Reads a map into JSON with the spec's key names. Unknown keys are warnings, as in Ignition. */
export function readStruct(shape: StructShape, map: SourceMap, style: Style, notes: Notes): JsonObject {
  return readMap(shape, map, [], { style, notes });
}

/** The place of the deepest value of the text along a path of the result. */
export function originOf(origins: Origins, path: readonly Step[]): number {
  for (let length = path.length; length > 0; length--) {
    const at = origins.get(path.slice(0, length).join('.'));
    if (at !== undefined) return at;
  }
  return 0;
}

/** JSON as Go reads it: names match without regard to case. @param unused as in `Style` */
export const jsonStyle = (unused: Style['unused']): Style => ({
  spell: (name) => name,
  fold: (key) => key.toLowerCase(),
  integer: (text) => (/^-?[0-9]+$/.test(text) ? Number(text) : undefined),
  boolean: (text) => (text === 'true' ? true : text === 'false' ? false : undefined),
  isNull: (text) => text === 'null',
  plainText: false,
  names: {
    string: 'a string',
    int: 'an integer',
    bool: 'true or false',
    struct: 'an object',
    list: 'an array',
  },
  unused,
});

/** What Ignition says of a key that it does not know, and why that may be. */
export function unusedKey(key: string, field: Field | undefined, shape: StructShape): string | undefined {
  if (field?.name === key) return undefined;
  return `Unused key ${key}; ${unusedHint(key, [...shape.keys()])}`;
}
