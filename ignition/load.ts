import { readFileSync, statSync } from 'node:fs';
import { dirname, extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { badInput, errorCode, Failure } from '../sdk/lib/errors.ts';
import { type Entry, NOWHERE, pathText } from './base/report.ts';
import type { Step } from './base/step.ts';
import type { Origin } from './butane/compile.ts';
import { innerConfigs } from './check/inner-configs.ts';
import { shadowedUnits, type Trap, trapsOf } from './check/traps.ts';
import { MAX_BYTES, readValid, tooLarge, type Verdict, validate } from './check/validate.ts';
import { isObject, type JsonObject } from './json/value.ts';
import { takeAsModules } from './module-hook.ts';

/** A config as its author wrote it. */
export type Kind = 'json' | 'butane' | 'typescript';

/**
 * The form of a config, by the suffix of its file.
 * @throws badInput for an unknown suffix
 */
function kindOf(file: string): Kind {
  const suffix = extname(file).toLowerCase();
  if (suffix === '.ts' || suffix === '.mts') return 'typescript';
  return /^\.(bu|butane|ya?ml)$/.test(suffix) ? 'butane' : 'json';
}

/** Matches a text with Butane's two keys at its top, whatever the name of its file is. */
const isButane = (bytes: Buffer): boolean => /^(variant|version):/m.test(bytes.toString('utf8', 0, 65536));

/** Standard input has no name. The form shows in the first lines. */
function kindOfInput(file: string, bytes: Buffer | number): Kind {
  const kind = kindOf(file);
  return file === '-' && typeof bytes !== 'number' && isButane(bytes) ? 'butane' : kind;
}

/** The bytes of a config file; only its size if it is larger than a config may be. `-` is standard input. */
export function readConfig(file: string): Buffer | number {
  try {
    if (file === '-') return readFileSync(0);
    const stat = statSync(file);
    if (stat.isDirectory())
      throw badInput('a folder, not a config', { where: file, hint: 'name a file in it' });
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

/** A config that was read, with its entries. */
export interface Loaded {
  /** Absent when an entry is an error. */
  readonly config?: JsonObject;
  readonly entries: readonly Entry[];
  /** Whether the config has secrets. The result must then be readable by its owner only. */
  readonly secret: boolean;
  /** The place in the file of a value of the config; absent if the file is a program. */
  readonly origin?: (path: readonly Step[]) => Origin;
}

/** Options for compiling a config. */
export interface CompileOptions {
  /** Folder of Butane's local files, if it is not the config's. */
  readonly filesDir?: string;
}

const asEntry = (
  kind: Entry['kind'],
  { path, message }: Trap,
  origin: (path: readonly Step[]) => Origin,
): Entry => {
  const { path: written, line, column } = origin(path);
  return { kind, path: pathText(written), line, column, message };
};

const asWritten = (path: readonly Step[]): Origin => ({ path, ...NOWHERE });

async function loadJson(bytes: Buffer): Promise<Checked> {
  const verdict = await validate(bytes);
  if (!verdict.valid) return verdict;
  let made: Readable | undefined;
  const read = (): Readable => {
    if (made === undefined) {
      const { value, place } = readValid(bytes);
      made = { value, origin: (path) => ({ path, ...place(path) }) };
    }
    return made;
  };
  const config = JSON.parse(bytes.toString()) as JsonObject;
  const found = [...trapsOf(config, String), ...shadowedUnits(config)];
  const own = found.map((trap) => asEntry('warning', trap, read().origin));
  return { ...verdict, entries: [...verdict.entries, ...own], read };
}

/** The default export of a TypeScript machine config: a config, a promise of one, or a function that returns one. */
async function importConfig(file: string): Promise<unknown> {
  takeAsModules();
  const { default: exported } = (await import(pathToFileURL(resolve(file)).href)) as { default?: unknown };
  return typeof exported === 'function' ? await (exported as () => unknown)() : await exported;
}

/** Errors of JavaScript about a value of another type than the code expects, such as a text in place of a list. */
const WRONG_TYPE = / is not (a function|iterable)|argument must be|^Cannot (read|convert|use)/;
const TYPES_HINT =
  'a value may have the wrong type, e.g. a text in place of a list: an editor shows where, or npx tsc --noEmit';

/**
 * The machine that a program exports, as JSON. An error that the program throws, or a wrong export, is a
 * fault of the config.
 */
async function runConfig(file: string): Promise<{ text: string; secret: boolean }> {
  let exported: unknown;
  try {
    exported = await importConfig(file);
    if (isObject(exported) && isObject(exported.ignition)) {
      const { resolveSecrets } = await import('./base/secret.ts');
      const { value, count } = resolveSecrets(exported, dirname(resolve(file)));
      return { text: JSON.stringify(value), secret: count > 0 };
    }
  } catch (error) {
    if (error instanceof Failure) throw located(error, file);
    const { what, where } = faultOf(error, file);
    const hint = WRONG_TYPE.test(what) ? { hint: TYPES_HINT } : {};
    throw badInput(`config does not load: ${what}`, { where, cause: error, ...hint });
  }
  throw badInput('config exports no machine', {
    where: file,
    hint: 'write: export default machine({ … })',
  });
}

/** What is wrong with a program that does not run, and where. A syntax error may be in a file that it imports. */
function faultOf(error: unknown, file: string): { what: string; where: string } {
  const said = error instanceof Error ? error.message : String(error);
  // esbuild counts columns from 0. tsx gives it the name X.ts for X.mts.
  const [, path = '', line, column, syntax] = /^(.+):(\d+):(\d+): ERROR: (.*)$/m.exec(said) ?? [];
  if (syntax === undefined) return { what: said, where: placeIn(file, error) };
  const name = path === resolve(file).replace(/\.mts$/, '.ts') ? file : path;
  return { what: syntax, where: `${name}:${line}:${Number(column) + 1}` };
}

/** A failure of a config with the place in its file: `serve` reads many configs. */
function located(failure: Failure, file: string): Failure {
  const { message, hint, exitCode } = failure;
  const place = placeIn(file, failure);
  const where = failure.where === undefined ? place : `${place}: ${failure.where}`;
  return new Failure(message, { where, exitCode, cause: failure, ...(hint === undefined ? {} : { hint }) });
}

/** `FILE:LINE:COLUMN` of an error in the config. If the error comes from elsewhere, the file. */
function placeIn(file: string, error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const found = stack.split(pathToFileURL(resolve(file)).href)[1] ?? stack.split(resolve(file))[1] ?? '';
  return `${file}${/^(?::\d+){1,2}/.exec(found)?.[0] ?? ''}`;
}

async function loadTypescript(file: string): Promise<Loaded> {
  readConfig(file);
  const { text, secret } = await runConfig(file);
  const write = (mode: number): string => `0o${mode.toString(8)}`;
  const { valid, entries } = await validate(Buffer.from(text), write);
  const said = entries.map((entry) => ({ ...entry, ...NOWHERE }));
  if (!valid) return { entries: said, secret };
  const config = JSON.parse(text) as JsonObject;
  const own = [
    ...trapsOf(config, write).map((trap) => asEntry('warning', trap, asWritten)),
    ...shadowedUnits(config).map((trap) => asEntry('error', trap, asWritten)),
    ...(await innerConfigs(config)).map((found) => asEntry(found.kind, found, asWritten)),
  ];
  const all = [...said, ...own];
  return { ...(hasError(all) ? {} : { config }), entries: all, secret };
}

const hasError = (entries: readonly Entry[]): boolean => entries.some(({ kind }) => kind === 'error');

async function loadButane(
  file: string,
  bytes: Buffer | number,
  { filesDir }: CompileOptions,
): Promise<Loaded> {
  if (typeof bytes === 'number') return { entries: tooLarge(bytes).entries, secret: false };
  const { compileButane } = await import('./butane/compile.ts');
  const folder = filesDir ?? (file === '-' ? process.cwd() : dirname(resolve(file)));
  const compiled = await compileButane(bytes, folder);
  const { config, entries, origin = asWritten } = compiled;
  const own = config ? trapsOf(config, undefined).map((trap) => asEntry('warning', trap, origin)) : [];
  return { ...compiled, entries: [...entries, ...own], secret: false };
}

function nothingToCompile(file: string, bytes: Buffer | number): never {
  const old =
    typeof bytes !== 'number' && /"version"\s*:\s*"(2\.|3\.[4-6]\.0)/.test(bytes.toString('utf8', 0, 4096));
  throw badInput('nothing to compile: not TypeScript and not Butane', {
    where: file === '-' ? 'standard input' : file,
    hint: old
      ? `Ignition does not take this version; translate it: draisine ignition translate ${file}`
      : `JSON is what Ignition takes; check it with: draisine ignition validate ${file}`,
  });
}

/**
 * Compiles TypeScript or Butane to plain Ignition. Butane is recognized by its keys if the file's name says
 * something else.
 */
export async function compileConfig(file: string, options: CompileOptions = {}): Promise<Loaded> {
  if (kindOf(file) === 'typescript') return await loadTypescript(file);
  const bytes = readConfig(file);
  const isYaml = kindOf(file) === 'butane' || (typeof bytes !== 'number' && isButane(bytes));
  return isYaml ? await loadButane(file, bytes, options) : nothingToCompile(file, bytes);
}

/** A machine config in Ignition's form; absent when an entry is an error. */
export interface ConfigText {
  readonly text?: string;
  readonly entries: readonly Entry[];
  readonly secret: boolean;
}

/** Reads, compiles (TypeScript, Butane) and validates a machine config. */
export async function configText(file: string): Promise<ConfigText> {
  if (kindOf(file) !== 'json') return asText(await compileConfig(file));
  const bytes = readConfig(file);
  if (typeof bytes === 'number') return { entries: tooLarge(bytes).entries, secret: false };
  if (kindOfInput(file, bytes) === 'butane') return asText(await loadButane(file, bytes, {}));
  const { valid, entries } = await loadJson(bytes);
  return { entries, secret: false, ...(valid ? { text: bytes.toString() } : {}) };
}

function asText({ config, entries, secret }: Loaded): ConfigText {
  return { entries, secret, ...(config === undefined ? {} : { text: JSON.stringify(config) }) };
}

/** A valid config as Ignition reads it, with the origins of its values. */
export interface Readable {
  readonly value: JsonObject;
  origin(path: readonly Step[]): Origin;
}

/** A verdict, and the config if it is valid. */
export interface Checked extends Verdict {
  readonly read?: () => Readable;
}

/** Ignition's verdict on a config in any form, with our warnings. */
export async function validateFile(file: string, options: CompileOptions = {}): Promise<Checked> {
  if (kindOf(file) !== 'json') return checkedOf(await compileConfig(file, options));
  const bytes = readConfig(file);
  if (kindOfInput(file, bytes) === 'butane') return checkedOf(await loadButane(file, bytes, options));
  return typeof bytes === 'number' ? tooLarge(bytes) : await loadJson(bytes);
}

function checkedOf({ config, entries, origin = asWritten }: Loaded): Checked {
  if (config === undefined) return { valid: false, entries };
  const read = (): Readable => ({ value: readValid(Buffer.from(JSON.stringify(config))).value, origin });
  return { valid: true, entries, read };
}
