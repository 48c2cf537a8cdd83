import { readFileSync, statSync } from 'node:fs';
import { dirname, extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { badInput, errorCode, Failure } from '../sdk/lib/errors.ts';
import type { LineColumn } from './json/lines.ts';
import { isObject, type JsonObject } from './json/value.ts';
import { type Entry, pathText } from './report.ts';
import type { Struct } from './spec/shape.ts';
import type { Step } from './step.ts';
import { UNNUMBERED, unnumberedPartitions } from './unnumbered.ts';
import { MAX_BYTES, type Readable, readValid, tooLarge, type Verdict, validate } from './validate.ts';

/** A config as its author wrote it. */
export type Kind = 'json' | 'butane' | 'typescript';

export function kindOf(file: string): Kind {
  const suffix = extname(file).toLowerCase();
  if (suffix === '.ts' || suffix === '.mts') return 'typescript';
  return suffix === '.bu' || suffix === '.yaml' || suffix === '.yml' ? 'butane' : 'json';
}

/** Bytes of a config file, or its size when it is larger than any config may be. `-` is standard input. */
export function readConfig(file: string): Buffer | number {
  try {
    if (file === '-') return readFileSync(0);
    const stat = statSync(file);
    if (stat.isDirectory()) throw badInput('a folder, not a config', { where: file });
    if (stat.isFile() && stat.size > MAX_BYTES) return stat.size;
    return readFileSync(file);
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined) throw error;
    const what = code === 'ENOENT' ? 'no such config' : `cannot read the config (${code})`;
    throw badInput(what, {
      where: file === '-' ? 'standard input' : file,
      hint: 'name a .json, .ign, .bu or .ts file',
    });
  }
}

export interface Loaded {
  /** Absent when an entry is an error. */
  readonly config?: JsonObject;
  readonly entries: readonly Entry[];
  /** The config holds secrets: the result is for its owner's eyes. */
  readonly secret: boolean;
  /** Where a value of the config comes from in the file; absent when that is a program. */
  readonly place?: (path: readonly Step[]) => LineColumn;
}

const NOWHERE: LineColumn = { line: 0, column: 0 };

/** Warnings beyond Ignition's own of a config that it takes. */
function traps(config: JsonObject | Struct, places: Readable['places']): Entry[] {
  const paths = unnumberedPartitions(config);
  if (paths.length === 0) return [];
  const where = places(paths);
  return paths.map((path, index) => ({
    kind: 'warning',
    path: pathText(path),
    ...(where[index] ?? NOWHERE),
    message: UNNUMBERED,
  }));
}

const nowhere: Readable['places'] = (paths) => paths.map(() => NOWHERE);

function loadJson(bytes: Buffer): Checked {
  const verdict = validate(bytes);
  if (!verdict.valid) return verdict;
  const readable = readValid(bytes);
  const own = traps(readable.value, readable.places);
  return { ...verdict, entries: [...verdict.entries, ...own], read: () => readable };
}

/** The default export of a TypeScript machine config: a config, a promise of one, or a function that returns one. */
async function importConfig(file: string): Promise<unknown> {
  const module = (await import(pathToFileURL(resolve(file)).href)) as { default?: unknown };
  let exported = module.default;
  // A file outside of an ES module package arrives wrapped once more.
  if (isObject(exported) && 'default' in exported) exported = exported.default;
  return typeof exported === 'function' ? await (exported as () => unknown)() : await exported;
}

/** The machine that a program exports, as JSON. Whatever the program throws, or exports, is a fault of the config. */
async function runConfig(file: string): Promise<{ text: string; secret: boolean }> {
  let exported: unknown;
  try {
    exported = await importConfig(file);
    if (isObject(exported) && isObject(exported.ignition)) {
      const { resolveSecrets } = await import('./secret.ts');
      const { value, count } = resolveSecrets(exported, dirname(resolve(file)));
      return { text: JSON.stringify(value), secret: count > 0 };
    }
  } catch (error) {
    if (error instanceof Failure) throw error.where === undefined ? located(error, file) : error;
    throw badInput(`config does not load: ${error instanceof Error ? error.message : String(error)}`, {
      where: placeIn(file, error),
      cause: error,
    });
  }
  throw badInput('config exports no machine', {
    where: file,
    hint: 'write: export default machine({ … })',
  });
}

function located(failure: Failure, file: string): Failure {
  const { message, hint, exitCode } = failure;
  const where = placeIn(file, failure);
  return new Failure(message, { where, exitCode, cause: failure, ...(hint === undefined ? {} : { hint }) });
}

/** `FILE:LINE:COLUMN` where the error came from, when that is in the config; else the file. */
function placeIn(file: string, error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const found = stack.split(pathToFileURL(resolve(file)).href)[1] ?? stack.split(resolve(file))[1] ?? '';
  return `${file}${/^(?::\d+){1,2}/.exec(found)?.[0] ?? ''}`;
}

async function loadTypescript(file: string): Promise<Loaded> {
  readConfig(file);
  const { text, secret } = await runConfig(file);
  const bytes = Buffer.from(text);
  const { valid, entries } = validate(bytes);
  const places = entries.map((entry) => ({ ...entry, ...NOWHERE }));
  if (!valid) return { entries: places, secret };
  const config = JSON.parse(text) as JsonObject;
  return { config, entries: [...places, ...traps(config, nowhere)], secret };
}

async function loadButane(file: string): Promise<Loaded> {
  const bytes = readConfig(file);
  if (typeof bytes === 'number') return { entries: tooLarge(bytes).entries, secret: false };
  const { compileButane } = await import('./butane/compile.ts');
  const compiled = compileButane(bytes, dirname(resolve(file)));
  const { config, entries, place = () => NOWHERE } = compiled;
  const own = config ? traps(config, (paths) => paths.map(place)) : [];
  return { ...compiled, entries: [...entries, ...own], secret: false };
}

/** Compiles TypeScript or Butane to plain Ignition. */
export async function compileConfig(file: string): Promise<Loaded> {
  switch (kindOf(file)) {
    case 'typescript':
      return loadTypescript(file);
    case 'butane':
      return loadButane(file);
    default:
      throw badInput('nothing to compile: not a .ts, .bu or .yaml file', {
        where: file,
        hint: 'JSON is what Ignition takes; check it with: draisine ignition validate',
      });
  }
}

/** A machine config as Ignition takes it; none when an entry is an error. */
export interface ConfigText {
  readonly text?: string;
  readonly entries: readonly Entry[];
  readonly secret: boolean;
}

/** Reads, compiles (TypeScript, Butane) and validates a machine config. */
export async function configText(file: string): Promise<ConfigText> {
  if (kindOf(file) !== 'json') {
    const { config, entries, secret } = await compileConfig(file);
    return { entries, secret, ...(config === undefined ? {} : { text: JSON.stringify(config) }) };
  }
  const bytes = readConfig(file);
  if (typeof bytes === 'number') return { entries: tooLarge(bytes).entries, secret: false };
  const { valid, entries } = loadJson(bytes);
  return { entries, secret: false, ...(valid ? { text: bytes.toString() } : {}) };
}

/** A verdict, and the config it is about when that is valid. */
export interface Checked extends Verdict {
  readonly read?: () => Readable;
}

/** Ignition's verdict of a config in any of its forms, and what it would stumble over when provisioned again. */
export async function validateFile(file: string): Promise<Checked> {
  if (kindOf(file) !== 'json') {
    const { config, entries, place = () => NOWHERE } = await compileConfig(file);
    if (config === undefined) return { valid: false, entries };
    const read = (): Readable => ({
      value: readValid(Buffer.from(JSON.stringify(config))).value,
      places: (paths) => paths.map(place),
    });
    return { valid: true, entries, read };
  }
  const bytes = readConfig(file);
  if (typeof bytes === 'number') return tooLarge(bytes);
  return loadJson(bytes);
}
