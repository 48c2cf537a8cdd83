import { Failure } from '../../sdk/lib/errors.ts';
import { runProcess } from '../../sdk/process.ts';
import { toolCommand } from '../../sdk/tool.ts';
import { type Entry, type LineColumn, pathText } from '../base/report.ts';
import type { Step } from '../base/step.ts';
import { faultOffset, jsonTree, offsetOf, placeAt, placeIn, repeatedKeys, valueAt } from '../json/tree.ts';
import { isObject, type JsonObject } from '../json/value.ts';
import { configShape } from '../spec/v3.ts';
import { versionHint, withHint } from './hints.ts';
import { jsonStyle, type Notes, originOf, readStruct, unusedKey } from './read.ts';
import { syntaxHint } from './syntax-hint.ts';
import { typeHint } from './type-hint.ts';

/** The output of `ignition validate`. `entries` are in Ignition's order. */
export interface Verdict {
  /** True if Ignition would accept the config: no entry is an error. */
  readonly valid: boolean;
  readonly entries: readonly Entry[];
}

/** A larger config is refused without reading it, because no transport to a machine can carry it. */
export const MAX_BYTES = 64 * 1024 * 1024;
/**
 * Milliseconds for the validator. Its time grows with the square of the number of faults: ten thousand faults
 * take 6 s.
 */
const PATIENCE = 120_000;

const START: LineColumn = { line: 1, column: 1 };

const refused = (message: string, at = START, path = '$'): Verdict => ({
  valid: false,
  entries: [{ kind: 'error', path, line: at.line, column: at.column, message }],
});

/** The verdict on a config that is too large to be read. */
export function tooLarge(size: number): Verdict {
  return refused(`config of ${size} bytes; the limit is ${MAX_BYTES}: let large files be fetched by URL`);
}

let tree: Promise<string> | undefined;

/**
 * The tool tree with ignition-validate, as the lock pins it. It is fetched if it is not there.
 * Tests name another tree by DRAISINE_IGNITION_TOOLS, which is part of the key of their verdicts.
 */
function validatorTree(): Promise<string> {
  const named = process.env.DRAISINE_IGNITION_TOOLS;
  if (named) return Promise.resolve(named);
  tree ??= import('../../build/image/sdk.ts').then(({ sdkTree }) => sdkTree('ignition')).catch(unavailable);
  return tree;
}

/**
 * If several packages could not be fetched, the first reason is reported: mostly it is the reason for all.
 */
function unavailable(error: unknown): never {
  if (!(error instanceof Failure)) throw error;
  const lines = error.message.split('\n');
  const why = lines.find((line) => line.startsWith('error: '))?.slice('error: '.length) ?? lines[0];
  throw new Failure(`ignition-validate, which judges configs, cannot be fetched: ${why}`, {
    ...(error.where === undefined ? {} : { where: error.where }),
    hint: error.hint ?? 'check the network; after the first fetch the store has it',
    exitCode: error.exitCode,
    cause: error,
  });
}

/** The output of ignition-validate for a config, stdout and stderr. */
async function judge(bytes: Buffer): Promise<string> {
  const command = toolCommand(await validatorTree(), 'ignition-validate', ['-']);
  const aborts = AbortSignal.timeout(PATIENCE);
  try {
    const { code, signal, stdout, stderr } = await runProcess(command, { stdin: bytes, signal: aborts });
    if (code === 0 || code === 1) return stdout.toString() + stderr;
    throw new Failure(`ignition-validate failed (${signal ?? `exit ${code}`})\n${stderr.trim()}`);
  } catch (error) {
    if (!aborts.aborted) throw error;
    throw new Failure(`ignition-validate needs more than ${PATIENCE / 1000} s for this config`, {
      hint: 'correct a part of what is wrong in it first: its time grows with the square of the faults',
      cause: error,
    });
  }
}

interface Printed {
  readonly kind: Entry['kind'];
  readonly path: string;
  readonly at?: LineColumn;
  readonly message: string;
}

/** Go formats keys with a percent sign a second time. */
const unprinted = (text: string): string => text.replace(/%!(.?)\((?:MISSING|NOVERB)\)/g, '%$1');

function readEntry(text: string): Printed | undefined {
  const [, kind, path = '', line, column, message = ''] =
    /^(error|warning) at (\$.*?), line (\d+) col (\d+): (.*)$/s.exec(text) ??
    /^(error|warning) at (\$.*?)()(): (.*)$/s.exec(text) ??
    [];
  if (kind !== 'error' && kind !== 'warning') return undefined;
  const at = line ? { at: { line: Number(line), column: Number(column) } } : {};
  return { kind, path: unprinted(path), ...at, message: unprinted(message) };
}

/** An entry has several lines if a key has a line break. */
function readEntries(printed: string): Printed[] {
  const lines = printed.trimEnd().split('\n');
  const texts: string[] = [];
  for (const line of lines) {
    if (/^(error|warning) at /.test(line) || texts.length === 0) texts.push(line);
    else texts.push(`${texts.pop()}\n${line}`);
  }
  return texts.flatMap((text) => readEntry(text) ?? []);
}

/** The steps of a printed path, matched against the document, because a key may contain dots. */
function follow(document: unknown, path: string): { readonly steps: Step[]; readonly value: unknown } {
  const steps: Step[] = [];
  let value = document;
  for (const part of path.split('.').slice(1)) {
    const step = Array.isArray(value) ? Number(part) : part;
    steps.push(step);
    value = Array.isArray(value) ? value[Number(part)] : isObject(value) ? value[part] : undefined;
  }
  return { steps, value };
}

function versionOf(document: unknown): string {
  const ignition = isObject(document) ? document.ignition : undefined;
  return isObject(ignition) && typeof ignition.version === 'string' ? ignition.version : '';
}

const GO_TYPES: readonly (readonly [RegExp, string])[] = [
  [/^string$/, 'a string'],
  [/^int$/, 'an integer'],
  [/^bool$/, 'true or false'],
  [/^\[\]/, 'an array'],
  [/./, 'an object'],
];

const GO_VALUES: Readonly<Record<string, string>> = {
  string: 'a string',
  bool: 'a boolean',
  object: 'an object',
  array: 'an array',
  number: 'a number',
};

/**
 * The verdict on a document that could not be read as a config: the character found, and the one expected.
 */
function unreadable(bytes: Buffer, text: string, at: LineColumn, message: string): Verdict {
  const [, found = '', type = ''] =
    /^json: cannot unmarshal (.+) into Go (?:struct field \S+|value) of type (\S+)$/.exec(message) ?? [];
  // Ignition's offset is that of the next byte. It has no offset for a text that ends too early or too late.
  const late = message.includes('after top-level value');
  const last = message.startsWith('invalid character') ? text.trimEnd().length - 1 : text.length;
  const offset =
    at.line > 0 ? offsetOf(text, { ...at, column: at.column - 1 }) : late ? faultOffset(text) : last;
  if (type !== '') {
    const { path, at: start } = valueAt(text, offset);
    const wanted = GO_TYPES.find(([pattern]) => pattern.test(type))?.[1] ?? type;
    const there = GO_VALUES[found] ?? `the ${found}`;
    const hint = typeHint(wanted, text.slice(start, start + 200), path);
    return refused(`expected ${wanted}, found ${there}${hint}`, placeIn(text)(start), pathText(path));
  }
  const hint = syntaxHint(bytes, text.slice(0, offset), text.slice(offset, offset + 4000), message);
  return refused(`${message}; ${hint}`, placeIn(text)(offset));
}

/** The verdict on a config whose version is not accepted. */
function unsupported(text: string, message: string): Verdict {
  if (text.trim() === '') return refused(`${message}; the smallest is {"ignition":{"version":"3.3.0"}}`);
  const document: unknown = JSON.parse(text);
  const hint = versionHint(versionOf(document), document);
  const path = ['ignition', 'version'];
  return refused(`${message}; ${hint}`, placeAt(text, path), pathText(path));
}

/**
 * The verdict of the shipped Ignition on a config (JSON, spec 3.0 to 3.3), with a hint for each entry. The
 * pinned ignition-validate makes it.
 * A key that an object has twice is an additional warning.
 * @param writeMode formats a mode in the form of the source text
 * @throws Failure when the validator cannot be fetched or does not run
 */
export async function validate(
  bytes: Buffer,
  writeMode: (mode: number) => string = String,
): Promise<Verdict> {
  if (bytes.length > MAX_BYTES) return tooLarge(bytes.length);
  const printed = await judge(bytes);
  const text = bytes.toString();
  const whole = /^couldn't parse config: (.*)$/m.exec(printed)?.[1];
  if (whole !== undefined) return unsupported(text, whole);
  const [, line, column, message] = /^error at line (\d+) col (\d+): (.*)$/s.exec(printed.trimEnd()) ?? [];
  if (message !== undefined)
    return unreadable(bytes, text, { line: Number(line), column: Number(column) }, message);
  const found = readEntries(printed);
  const entries = [...describe(found, text, writeMode), ...repeated(text)];
  return { valid: entries.every(({ kind }) => kind === 'warning'), entries };
}

function describe(found: readonly Printed[], text: string, writeMode: (mode: number) => string): Entry[] {
  if (found.length === 0) return [];
  const document: unknown = JSON.parse(text);
  const version = versionOf(document);
  return found.map(({ kind, path, at, message }) => {
    const { steps, value } = follow(document, path);
    // If a number is too large for a double, Ignition reports no places at all.
    const { line, column } = at ?? placeAt(text, steps);
    return {
      kind,
      path,
      line,
      column,
      message: withHint({ message, path: steps, value, version, writeMode }),
    };
  });
}

/** The warning for a duplicate key of an object. */
export const repeatedMessage = (firstLine: number): string =>
  `key stands twice in this object; the later value wins, the first one is at line ${firstLine}: remove one`;

function repeated(text: string): Entry[] {
  const keys = repeatedKeys(text);
  if (keys.length === 0) return [];
  const place = placeIn(text);
  return keys.map(({ path, at, first }) => ({
    kind: 'warning',
    path: pathText(path),
    ...place(at),
    message: repeatedMessage(place(first).line),
  }));
}

/** A valid config as Ignition reads it, with the places of its values in the text. */
export interface ValidConfig {
  readonly value: JsonObject;
  place(path: readonly Step[]): LineColumn;
}

/** Reads a config that `validate` found valid. */
export function readValid(bytes: Buffer): ValidConfig {
  const text = bytes.toString();
  const root = jsonTree(text);
  if (root.kind !== 'map') throw new Error('not a valid config');
  const notes: Notes = { origins: new Map(), error: () => {}, warning: () => {} };
  const value = readStruct(configShape, root, jsonStyle(unusedKey), notes);
  const place = placeIn(text);
  return { value, place: (path) => place(originOf(notes.origins, path)) };
}
