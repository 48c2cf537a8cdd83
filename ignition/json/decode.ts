import { type Field, foldName, type Struct, type StructShape, type Value } from '../spec/shape.ts';
import type { Step } from '../step.ts';
import { skipSpace, skipValue } from './syntax.ts';
import { decodeString } from './text.ts';

/**
 * Where the values of a document are. A scalar is its byte offset; an object or array says where its content
 * begins (after the bracket), as Ignition's own messages do. Of duplicate keys the last one counts.
 */
export type Position = number | ObjectPosition | ListPosition;
export interface ObjectPosition {
  readonly start: number;
  readonly keys: Map<string, { readonly at: number; readonly value: Position }>;
}
export interface ListPosition {
  readonly start: number;
  readonly items: Position[];
}

/** A value that is not of the type its field wants. */
export interface Mismatch {
  readonly path: readonly Step[];
  readonly at: number;
  readonly message: string;
}

/** A key that stands twice in one object. Ignition accepts it: the later value is laid over the earlier one. */
export interface Repeated {
  readonly path: readonly Step[];
  readonly at: number;
}

export interface Decoded {
  readonly value: Struct;
  readonly position: Position;
  readonly mismatches: readonly Mismatch[];
  readonly repeated: readonly Repeated[];
}

const MAX_NOTES = 1000;
const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

/** Items beyond the end of a list that a repeated key shortened: Go lays a third list over what they held. */
const remains = new WeakMap<Value[], Value[]>();

interface State {
  readonly bytes: Buffer;
  readonly path: Step[];
  readonly mismatches: Mismatch[];
  readonly repeated: Repeated[];
  /** Offset of the next byte to read. */
  at: number;
}

const WANTED: Record<Field['kind'] | 'text', string> = {
  string: 'a string',
  text: 'a string',
  int: 'an integer',
  bool: 'true or false',
  struct: 'an object',
  list: 'an array',
};

function describe(bytes: Buffer, at: number, end: number): string {
  const first = bytes[at];
  if (first === 0x7b) return 'an object';
  if (first === 0x5b) return 'an array';
  if (first === 0x22) return 'a string';
  if (first === 0x74 || first === 0x66) return 'a boolean';
  return `the number ${bytes.toString('latin1', at, Math.min(end, at + 40))}`;
}

function mismatch(state: State, wanted: string): Position {
  const start = state.at;
  state.at = skipValue(state.bytes, start);
  if (state.mismatches.length < MAX_NOTES) {
    const found = describe(state.bytes, start, state.at);
    state.mismatches.push({
      path: [...state.path],
      at: start,
      message: `expected ${wanted}, found ${found}`,
    });
  }
  return start;
}

/** Reads the key at `state.at` and leaves `state.at` at its value. */
function readKey(state: State): string {
  const start = state.at;
  const end = skipValue(state.bytes, start);
  const key = decodeString(state.bytes, start, end);
  const colon = skipSpace(state.bytes, end);
  state.at = skipSpace(state.bytes, colon + 1);
  return key;
}

/** Leaves `state.at` after the comma, at the next member, and returns true; or after the closing bracket. */
function nextMember(state: State): boolean {
  const at = skipSpace(state.bytes, state.at);
  state.at = at + 1;
  if (state.bytes[at] !== 0x2c) return false;
  state.at = skipSpace(state.bytes, at + 1);
  return true;
}

function isEmpty(state: State, close: number): boolean {
  state.at = skipSpace(state.bytes, state.at + 1);
  if (state.bytes[state.at] !== close) return false;
  state.at++;
  return true;
}

function readStruct(state: State, shape: StructShape, target: Struct): Position {
  if (state.bytes[state.at] !== 0x7b) return mismatch(state, WANTED.struct);
  const position: ObjectPosition = { start: state.at + 1, keys: new Map() };
  if (isEmpty(state, 0x7d)) return position;
  do {
    const keyAt = state.at;
    const key = readKey(state);
    const known = shape.byName.get(key) ?? shape.folded.get(foldName(key));
    let value: Position;
    if (known === undefined) {
      value = state.at;
      state.at = skipValue(state.bytes, state.at);
    } else {
      state.path.push(known.name);
      value = readField(state, known, target);
      state.path.pop();
    }
    if (position.keys.has(key) && state.repeated.length < MAX_NOTES) {
      state.repeated.push({ path: [...state.path, key], at: keyAt });
    }
    position.keys.set(key, { at: keyAt, value });
  } while (nextMember(state));
  return position;
}

function isNull(state: State): boolean {
  return state.bytes[state.at] === 0x6e;
}

function readField(state: State, field: Field, target: Struct): Position {
  const start = state.at;
  if (isNull(state)) {
    state.at += 4;
    // Null empties what has an absent state of its own and leaves everything else as it was.
    if (field.optional || field.kind === 'list') delete target[field.name];
    return start;
  }
  switch (field.kind) {
    case 'struct': {
      const shape = field.of as StructShape;
      const old = target[field.name] as Struct | undefined;
      const value = old ?? { ...shape.zero };
      target[field.name] = value;
      return readStruct(state, shape, value);
    }
    case 'list':
      return readList(state, field, target);
    default: {
      const value = readScalar(state, field.kind);
      if (value !== undefined) target[field.name] = value;
      return start;
    }
  }
}

function readList(state: State, field: Field, target: Struct): Position {
  if (state.bytes[state.at] !== 0x5b) return mismatch(state, WANTED.list);
  const position: ListPosition = { start: state.at + 1, items: [] };
  if (isEmpty(state, 0x5d)) {
    target[field.name] = [];
    return position;
  }
  const before = target[field.name] as Value[] | undefined;
  const old = before === undefined ? [] : [...before, ...(remains.get(before) ?? [])];
  const items: Value[] = [];
  do {
    const index = items.length;
    state.path.push(index);
    position.items.push(readItem(state, field.of ?? { kind: 'text' }, items, old[index]));
    state.path.pop();
  } while (nextMember(state));
  if (old.length > items.length) remains.set(items, old.slice(items.length));
  target[field.name] = items;
  return position;
}

function readItem(state: State, of: NonNullable<Field['of']>, items: Value[], old: Value): Position {
  const start = state.at;
  if (of.kind === 'text') {
    items.push(old ?? '');
    if (isNull(state)) state.at += 4;
    else {
      const value = readScalar(state, 'string');
      if (value !== undefined) items[items.length - 1] = value;
    }
    return start;
  }
  const value = (old as Struct | undefined) ?? { ...of.zero };
  items.push(value);
  if (!isNull(state)) return readStruct(state, of, value);
  state.at += 4;
  return start;
}

function readScalar(state: State, kind: 'string' | 'int' | 'bool'): Value {
  const { bytes, at: start } = state;
  const first = bytes[start];
  if (kind === 'string') {
    if (first !== 0x22) return void mismatch(state, WANTED.string);
    state.at = skipValue(bytes, start);
    return decodeString(bytes, start, state.at);
  }
  if (kind === 'bool') {
    if (first !== 0x74 && first !== 0x66) return void mismatch(state, WANTED.bool);
    state.at = start + (first === 0x74 ? 4 : 5);
    return first === 0x74;
  }
  const end = skipValue(bytes, start);
  const literal = bytes.toString('latin1', start, Math.min(end, start + 21));
  if (!/^-?[0-9]{1,19}$/.test(literal)) return void mismatch(state, WANTED.int);
  if (literal.length <= 15) {
    state.at = end;
    return Number(literal) + 0; // no -0
  }
  const exact = BigInt(literal);
  if (exact > INT64_MAX || exact < INT64_MIN) return void mismatch(state, 'a 64-bit integer');
  state.at = end;
  const number = Number(exact);
  return Number.isSafeInteger(number) ? number : exact;
}

/**
 * Decodes a well-formed document as Go's encoding/json decodes into Ignition's structs: names match without
 * regard to case, null leaves a value as it was, and a repeated key is laid over what the first one set.
 * Every value of a wrong type is listed; Ignition itself stops at the first.
 */
export function decode(bytes: Buffer, shape: StructShape): Decoded {
  const value: Struct = { ...shape.zero };
  const state: State = { bytes, path: [], mismatches: [], repeated: [], at: skipSpace(bytes, 0) };
  const position = isNull(state) ? state.at : readStruct(state, shape, value);
  return { value, position, mismatches: state.mismatches, repeated: state.repeated };
}
