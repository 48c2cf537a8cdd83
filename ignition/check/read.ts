import { modeOf, octalText } from '../base/mode.ts';
import type { SourceMap, SourceNode } from '../base/node.ts';
import type { Step } from '../base/step.ts';
import type { Json, JsonObject } from '../json/value.ts';
import type { Field, StructShape } from '../spec/shape.ts';
import { unusedHint } from './unused.ts';

/** Reads a text whose keys are known. */

/** The origin in the text of each value of the result, by its path (`storage.files.0`). */
export type Origins = Map<string, number>;

/** Receives the findings of a reading, each at an offset of the text and a path of the config. */
export interface Notes {
  readonly origins: Origins;
  error(at: number, path: readonly Step[], message: string): void;
  warning(at: number, path: readonly Step[], message: string): void;
}

/** How a text writes keys and scalars. */
export interface Style {
  /** The spelling of a key of the spec in the text. */
  readonly spell: (name: string) => string;
  /** The spec's name of a key in the text, if it differs. */
  readonly fold?: (key: string) => string;
  readonly integer: (text: string) => number | undefined;
  readonly boolean: (text: string) => boolean | undefined;
  readonly isNull: (text: string) => boolean;
  /** Whether a scalar without quotes may be a text. */
  readonly plainText: boolean;
  readonly names: Readonly<Record<Field['kind'], string>>;
  /** The problem of a key that is not known. */
  readonly unused: (key: string, field: Field | undefined, shape: StructShape) => string | undefined;
  /** The reason why a known key is left out. */
  readonly tooNew?: (field: Field) => string | undefined;
  /** The problem of a value that can be read. */
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

/**
 * `"0644"` and `"true"` are texts. A hint advises to remove the quotes, unless the digits without quotes mean
 * another mode.
 */
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

/** Reads a map into JSON with the key names of the spec. Unknown keys are warnings, as in Ignition. */
export function readStruct(shape: StructShape, map: SourceMap, style: Style, notes: Notes): JsonObject {
  return readMap(shape, map, [], { style, notes });
}

/** The place in the text of the deepest value along a path of the result. */
export function originOf(origins: Origins, path: readonly Step[]): number {
  for (let length = path.length; length > 0; length--) {
    const at = origins.get(path.slice(0, length).join('.'));
    if (at !== undefined) return at;
  }
  return 0;
}

/**
 * Reads JSON as Go does: key names match in any letter case.
 * @param unused as in `Style`
 */
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

/** Ignition's warning for an unknown key, with the probable reason. */
export function unusedKey(key: string, field: Field | undefined, shape: StructShape): string | undefined {
  if (field?.name === key) return undefined;
  return `Unused key ${key}; ${unusedHint(key, [...shape.keys()])}`;
}
