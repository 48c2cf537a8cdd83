import { isUtf8 } from 'node:buffer';
import type { LineColumn } from '../json/lines.ts';
import { isObject, type Json, type JsonObject } from '../json/value.ts';
import { type Entry, pathText } from '../report.ts';
import type { Step } from '../step.ts';
import { validate } from '../validate.ts';
import { addMountUnits, addTrees, type Context, embedResources } from './desugar.ts';
import { butaneShape, type Dialect } from './fields.ts';
import { translateDown } from './newer.ts';
import { type Notes, type Origins, readStruct } from './read.ts';
import { MAX_YAML_BYTES, type ParsedYaml, parseYaml, type Yaml } from './yaml.ts';

export interface ButaneResult {
  /** The config in spec 3.3; absent when an entry is an error. */
  readonly config?: JsonObject;
  /** Findings, with their places in the YAML. */
  readonly entries: readonly Entry[];
  /** Where a value of the config comes from in the YAML. */
  readonly place?: (path: readonly Step[]) => LineColumn;
}

/** What is read of each variant. */
const DIALECTS: Readonly<Record<string, Dialect>> = {
  'flatcar 1.0.0': { after33: false, bootDevice: false },
  'flatcar 1.1.0': { after33: true, bootDevice: false },
  'fcos 1.0.0': { after33: false, bootDevice: false },
  'fcos 1.1.0': { after33: false, bootDevice: false },
  'fcos 1.2.0': { after33: false, bootDevice: false },
  'fcos 1.3.0': { after33: false, bootDevice: true },
  'fcos 1.4.0': { after33: false, bootDevice: true },
  'fcos 1.5.0': { after33: true, bootDevice: true },
};

interface Header {
  readonly text: string;
  /** Where it is said; of what is not there, where the map begins. */
  readonly at: number;
}

function headerOf(map: Extract<Yaml, { kind: 'map' }>, name: string): Header {
  const value = map.members.find(({ key }) => key === name)?.value;
  return { text: value?.kind === 'scalar' ? value.text : '', at: value?.at ?? map.at };
}

/** The place of the deepest value of the YAML along a path of the result. */
function originOf(origins: Origins, path: readonly Step[]): number {
  for (let length = path.length; length > 0; length--) {
    const at = origins.get(path.slice(0, length).join('.'));
    if (at !== undefined) return at;
  }
  return 0;
}

interface Reading {
  readonly entries: Entry[];
  readonly notes: Notes;
  readonly add: (kind: Entry['kind'], at: number, path: readonly Step[], message: string) => void;
  failed(): boolean;
}

function startReading(place: ParsedYaml['place']): Reading {
  const entries: Entry[] = [];
  const add = (kind: Entry['kind'], at: number, path: readonly Step[], message: string): void => {
    entries.push({ kind, path: pathText(path), ...place(at), message });
  };
  const notes: Notes = {
    origins: new Map(),
    error: (at, path, message) => add('error', at, path, message),
    warning: (at, path, message) => add('warning', at, path, message),
  };
  return { entries, notes, add, failed: () => entries.some(({ kind }) => kind === 'error') };
}

function refuseVariantLimits(variant: string, config: JsonObject, context: Context): void {
  const device = config.bootDevice;
  if (isObject(device) && (isObject(device.luks) || isObject(device.mirror))) {
    context.error(
      ['bootDevice'],
      "boot_device rearranges Fedora CoreOS's own partitions; describe disks, raid and luks instead",
    );
  }
  if (variant !== 'flatcar' || !isObject(config.storage) || !Array.isArray(config.storage.luks)) return;
  for (const [index, luks] of config.storage.luks.entries()) {
    if (isObject(luks) && luks.clevis !== undefined) {
      context.error(
        ['storage', 'luks', index, 'clevis'],
        'clevis is not supported in this variant; use variant fcos',
      );
    }
  }
}

const unitsOf = (config: JsonObject): readonly Json[] =>
  isObject(config.systemd) && Array.isArray(config.systemd.units) ? config.systemd.units : [];

const nameOf = (unit: Json | undefined): string => (isObject(unit) ? String(unit.name) : '');

/** Where units of the result stand in what was read: mount units come first, and are said of their filesystems. */
function unitOrigins(read: JsonObject, config: JsonObject): (path: readonly Step[]) => readonly Step[] {
  const indices = new Map(unitsOf(read).map((unit, index) => [nameOf(unit), index]));
  return (path) => {
    const [section, list, index, ...below] = path;
    if (section !== 'systemd' || list !== 'units' || index === undefined) return path;
    const origin = indices.get(nameOf(unitsOf(config)[Number(index)]));
    return origin === undefined ? ['storage', 'filesystems'] : [section, list, origin, ...below];
  };
}

interface Desugared {
  readonly config: JsonObject;
  readonly readPath: (path: readonly Step[]) => readonly Step[];
}

function desugar(
  map: Extract<Yaml, { kind: 'map' }>,
  variant: string,
  dialect: Dialect,
  folder: string,
  reading: Reading,
): Desugared {
  const { notes, add } = reading;
  const context: Context = {
    folder,
    error: (path, message) => add('error', originOf(notes.origins, path), path, message),
  };
  const read = readStruct(butaneShape(dialect), map, [], notes);
  refuseVariantLimits(variant, read, context);
  const {
    variant: _,
    version: __,
    bootDevice: ___,
    ...body
  } = dialect.after33 ? translateDown(read, context) : read;
  const embedded = embedResources(body, context);
  const config = addMountUnits(addTrees(embedded, context), context);
  const { ignition, ...sections } = config;
  return {
    config: { ignition: { version: '3.3.0', ...(isObject(ignition) ? ignition : {}) }, ...sections },
    readPath: unitOrigins(read, config),
  };
}

/** Ignition's verdict of the result, at the places of the YAML it came from. */
function addVerdict({ config, readPath }: Desugared, reading: Reading): void {
  for (const { kind, path, message } of validate(Buffer.from(JSON.stringify(config))).entries) {
    const steps = path.split('.').slice(1);
    reading.add(kind, originOf(reading.notes.origins, readPath(steps)), steps, message);
  }
}

/**
 * Compiles Butane YAML (variants flatcar 1.0 – 1.1, fcos 1.0 – 1.5) to spec 3.3.
 * @param folder what local files are relative to; they must lie in it
 */
export function compileButane(bytes: Buffer, folder: string): ButaneResult {
  const fatal = (message: string, at = { line: 1, column: 1 }): ButaneResult => ({
    entries: [{ kind: 'error', path: '$', ...at, message }],
  });
  if (bytes.length > MAX_YAML_BYTES)
    return fatal(`YAML of ${bytes.length} bytes; the limit is ${MAX_YAML_BYTES}`);
  if (!isUtf8(bytes)) return fatal('not UTF-8; save it as UTF-8');
  const parsed = parseYaml(bytes.toString('utf8'));
  const reading = startReading(parsed.place);
  for (const { at, message } of parsed.faults) reading.add('error', at, [], message);
  if (reading.failed() || parsed.value === undefined) return { entries: reading.entries };
  if (parsed.value.kind !== 'map')
    return fatal('not a Butane config: expected a map with variant and version');
  const variant = headerOf(parsed.value, 'variant');
  const version = headerOf(parsed.value, 'version');
  const dialect = DIALECTS[`${variant.text} ${version.text}`];
  if (dialect === undefined) {
    const known = Object.keys(DIALECTS);
    const wrong = known.some((name) => name.startsWith(`${variant.text} `)) ? version : variant;
    return fatal(
      `unknown variant "${variant.text}" version "${version.text}"; known: ${known.join(', ')}`,
      parsed.place(wrong.at),
    );
  }
  const desugared = desugar(parsed.value, variant.text, dialect, folder, reading);
  if (!reading.failed()) addVerdict(desugared, reading);
  if (reading.failed()) return { entries: reading.entries };
  const { config, readPath } = desugared;
  const place = (path: readonly Step[]): LineColumn =>
    parsed.place(originOf(reading.notes.origins, readPath(path)));
  return { config, entries: reading.entries, place };
}
