import { isUtf8 } from 'node:buffer';
import { octalText } from '../base/mode.ts';
import { type Entry, type LineColumn, pathText } from '../base/report.ts';
import type { Step } from '../base/step.ts';
import { innerConfigs } from '../check/inner-configs.ts';
import { translateDown } from '../check/newer.ts';
import { type Notes, originOf, readStruct } from '../check/read.ts';
import { encodingHint } from '../check/syntax-hint.ts';
import { shadowedUnits } from '../check/traps.ts';
import { validate } from '../check/validate.ts';
import { isObject, type JsonObject } from '../json/value.ts';
import { VERSION } from '../spec/v3.ts';
import { addMountUnits, type Context, embedResources, listOf, type Mounted } from './desugar.ts';
import type { Dialect } from './dialect.ts';
import { butaneShape, butaneStyle, snakeCase } from './fields.ts';
import { readHeader } from './header.ts';
import { embedLocalTexts } from './local-texts.ts';
import { addQuadlets } from './quadlets.ts';
import { addTrees } from './trees.ts';
import { MAX_YAML_BYTES, type ParsedYaml, parseYaml } from './yaml.ts';

/** The result of compiling a Butane config. */
export interface ButaneResult {
  /** The config in spec 3.3; absent when an entry is an error. */
  readonly config?: JsonObject;
  /** Findings, with their places in the YAML. */
  readonly entries: readonly Entry[];
  /** The origin in the YAML of a value of the config. */
  readonly origin?: (path: readonly Step[]) => Origin;
}

/** The origin of a value: its place in a text, and its path in the spelling of that text. */
export interface Origin extends LineColumn {
  readonly path: readonly Step[];
}

/** The findings of a text, and the origins of its values. */
interface Reading {
  readonly entries: Entry[];
  readonly notes: Notes;
  readonly context: Context;
  origin(path: readonly Step[]): Origin;
  failed(): boolean;
}

const spelt = (path: readonly Step[]): Step[] =>
  path.map((step) => (typeof step === 'string' ? snakeCase(step) : step));

function startReading(place: ParsedYaml['place'], folder: string): Reading {
  const entries: Entry[] = [];
  const aliases = new Map<string, readonly Step[]>();
  const origins: Notes['origins'] = new Map();
  const add = (kind: Entry['kind'], at: LineColumn, path: readonly Step[], message: string): void => {
    entries.push({ kind, path: pathText(path), line: at.line, column: at.column, message });
  };
  const origin = (path: readonly Step[]): Origin => {
    for (let length = path.length; length > 0; length--) {
      const source = aliases.get(path.slice(0, length).join('.'));
      if (source === undefined) continue;
      // Values of a text from a local file have no places of their own.
      return { ...place(originOf(origins, source)), path: spelt(source) };
    }
    return { ...place(originOf(origins, path)), path: spelt(path) };
  };
  /** The last step of the path of an unknown key is spelled as in the text. */
  const noted = (path: readonly Step[]): Step[] =>
    origins.has(path.join('.')) ? spelt(path) : [...spelt(path.slice(0, -1)), ...path.slice(-1)];
  return {
    entries,
    notes: {
      origins,
      error: (at, path, message) => add('error', place(at), noted(path), message),
      warning: (at, path, message) => add('warning', place(at), noted(path), message),
    },
    context: {
      folder,
      error: (path, message) => {
        const at = origin(path);
        // A decimal mode has a warning already, and one finding is enough.
        const warned = entries.findIndex((each) => path.at(-1) === 'mode' && each.path === pathText(at.path));
        if (warned >= 0) entries.splice(warned, 1);
        add('error', at, at.path, message);
      },
      alias: (path, source) => {
        aliases.set(path.join('.'), source);
      },
    },
    origin,
    failed: () => entries.some(({ kind }) => kind === 'error'),
  };
}

function refuseVariantLimits({ variant, spec }: Dialect, config: JsonObject, context: Context): void {
  const device = config.bootDevice;
  if (isObject(device) && (isObject(device.luks) || isObject(device.mirror))) {
    context.error(
      ['bootDevice'],
      "boot_device rearranges Fedora CoreOS's own partitions; describe disks, raid and luks instead",
    );
  }
  const { grub } = config;
  if (isObject(grub) && listOf(grub.users).length > 0) {
    context.error(
      ['grub', 'users'],
      'grub.users protects the menu of GRUB, and the image boots by systemd-boot: the password would not be asked for; remove it, and set a password in the firmware',
    );
  }
  if (variant !== 'flatcar' || spec > 4 || !isObject(config.storage)) return;
  for (const [index, luks] of listOf(config.storage.luks).entries()) {
    if (luks.clevis === undefined) continue;
    const message = 'clevis is not supported in this variant; use variant fcos';
    context.error(['storage', 'luks', index, 'clevis'], message);
  }
}

const namesOf = (config: JsonObject): string[] =>
  listOf(isObject(config.systemd) ? config.systemd.units : undefined).map(({ name }) => String(name));

/**
 * The origins of the units of the result. Units of file systems come first; their origins are known already.
 */
function unitOrigins(
  read: JsonObject,
  { config, owners }: Mounted,
): (path: readonly Step[]) => readonly Step[] {
  const before = new Map(namesOf(read).map((name, index) => [name, index]));
  const now = namesOf(config);
  return (path) => {
    const [section, list, index, ...below] = path;
    if (section !== 'systemd' || list !== 'units' || index === undefined) return path;
    const name = now[Number(index)] ?? '';
    const origin = before.get(name);
    return origin === undefined ? (owners.get(name) ?? path) : [section, list, origin, ...below];
  };
}

interface Desugared {
  readonly config: JsonObject;
  readonly origin: (path: readonly Step[]) => Origin;
}

function desugar(read: JsonObject, dialect: Dialect, { context, origin }: Reading): Desugared {
  refuseVariantLimits(dialect, read, context);
  const { variant: _, version: __, bootDevice: ___, grub: ____, ...body } = read;
  const plain =
    dialect.spec > 3 ? translateDown(body, context.error, { key: snakeCase, mode: octalText }) : body;
  const embedded = embedResources(embedLocalTexts(plain, context), context);
  const mounted = addMountUnits(addQuadlets(addTrees(embedded, context), context), context);
  const { ignition, ...sections } = mounted.config;
  const readPath = unitOrigins(read, mounted);
  return {
    config: { ignition: { version: VERSION, ...(isObject(ignition) ? ignition : {}) }, ...sections },
    origin: (path) => origin(readPath(path)),
  };
}

/** A step of a path that Ignition printed. */
const stepOf = (text: string): Step => (/^\d+$/.test(text) ? Number(text) : text);

/** Ignition's verdict on the result and on the configs in it, at the origins in the YAML. */
async function addVerdict({ config, origin }: Desugared, entries: Entry[]): Promise<void> {
  const { entries: said } = await validate(Buffer.from(JSON.stringify(config)), octalText);
  const verdict = said.map(({ kind, path, message }) => ({
    kind,
    path: path.split('.').slice(1).map(stepOf),
    message,
  }));
  const own = shadowedUnits(config).map((found) => ({ kind: 'error' as const, ...found }));
  for (const { kind, path, message } of [...verdict, ...own, ...(await innerConfigs(config))]) {
    const { path: source, line, column } = origin(path);
    const at = pathText(source);
    // A decimal mode has a warning at its own place already.
    const known = message.startsWith('setuid/') && entries.some((entry) => entry.path === at);
    if (!known) entries.push({ kind, path: at, line, column, message });
  }
}

/** The place of the first byte that is not UTF-8. */
function firstWrong(bytes: Buffer): LineColumn {
  const lines = bytes.toString('utf8').split('\n');
  const line = lines.findIndex((each) => each.includes('\ufffd'));
  return { line: Math.max(line, 0) + 1, column: Math.max(lines[line]?.indexOf('\ufffd') ?? 0, 0) + 1 };
}

/**
 * Compiles Butane YAML (variants flatcar 1.0 – 1.2, fcos 1.0 – 1.7) to spec 3.3.
 * @param folder the folder of local files
 */
export async function compileButane(bytes: Buffer, folder: string): Promise<ButaneResult> {
  const fatal = (message: string, at = { line: 1, column: 1 }): ButaneResult => ({
    entries: [{ kind: 'error', path: '$', ...at, message }],
  });
  if (bytes.length > MAX_YAML_BYTES)
    return fatal(`YAML of ${bytes.length} bytes; the limit is ${MAX_YAML_BYTES}`);
  if (!isUtf8(bytes))
    return fatal(`not UTF-8; ${encodingHint(bytes) ?? 'save it as UTF-8'}`, firstWrong(bytes));
  const text = bytes.toString('utf8');
  const parsed = parseYaml(text);
  const reading = startReading(parsed.place, folder);
  for (const { at, message } of parsed.faults) reading.notes.error(at, [], message);
  if (reading.failed() || parsed.value === undefined) return { entries: reading.entries };
  if (parsed.value.kind !== 'map')
    return fatal('not a Butane config: write variant: fcos and version: 1.4.0 at the top');
  const header = readHeader(parsed.value, text);
  if ('message' in header) return fatal(header.message, parsed.place(header.at));
  const style = butaneStyle(header.dialect);
  const read = readStruct(butaneShape, parsed.value, style, reading.notes);
  const desugared = desugar(read, header.dialect, reading);
  if (!reading.failed()) await addVerdict(desugared, reading.entries);
  if (reading.failed()) return { entries: reading.entries };
  return { config: desugared.config, entries: reading.entries, origin: desugared.origin };
}
