import type { Step } from '../base/step.ts';
import type { Json, JsonObject } from '../json/value.ts';
import { type ConfigFile, member, type PlacedText, structs, textOf } from './contents.ts';

/** The folder of the units that a config writes. */
export const CONFIG_FOLDER = '/etc/systemd/system/';

/** The parts of a unit that a config has: its file, its drop-ins, its state. */
export interface ConfigUnit {
  readonly name: string;
  /** The path of the entry that names it. */
  readonly at: readonly Step[];
  readonly file?: PlacedText;
  readonly dropins: readonly PlacedText[];
  readonly enabled?: boolean;
  readonly masked: boolean;
}

const contents = (value: Json | undefined): string | undefined =>
  value === undefined ? undefined : textOf(value);

function fromSection(unit: JsonObject, index: number): ConfigUnit {
  const at = ['systemd', 'units', index];
  const name = textOf(unit.name);
  const text = contents(unit.contents);
  const dropins = structs(unit.dropins).flatMap((dropin, number): PlacedText[] => {
    const body = contents(dropin.contents);
    if (body === undefined) return [];
    const path = `${CONFIG_FOLDER}${name}.d/${textOf(dropin.name)}`;
    return [{ path, at: [...at, 'dropins', number, 'contents'], text: body }];
  });
  return {
    name,
    at: [...at, 'name'],
    ...(text === undefined
      ? {}
      : { file: { path: `${CONFIG_FOLDER}${name}`, at: [...at, 'contents'], text } }),
    dropins,
    ...(typeof unit.enabled === 'boolean' ? { enabled: unit.enabled } : {}),
    masked: unit.mask === true,
  };
}

/** Units that the config writes as files. */
function fromFile(file: ConfigFile): ConfigUnit[] {
  if (!file.path.startsWith(CONFIG_FOLDER) || file.remote) return [];
  const [name = '', dropin, ...deeper] = file.path.slice(CONFIG_FOLDER.length).split('/');
  const common = { at: file.at, masked: false };
  if (dropin === undefined) return isUnitName(name) ? [{ ...common, name, file, dropins: [] }] : [];
  const of = name.replace(/\.d$/, '');
  if (deeper.length > 0 || of === name || !isUnitName(of) || !dropin.endsWith('.conf')) return [];
  return [{ ...common, name: of, dropins: [file] }];
}

/** The units of a config: those of its section `systemd`, and those that it writes as files. */
export function readUnits(config: JsonObject, files: readonly ConfigFile[]): ConfigUnit[] {
  const units = structs(member(config.systemd, 'units')).map(fromSection);
  return [...units, ...files.flatMap(fromFile)];
}

/** Unit names (systemd(1)). `service.d` and the like hold drop-ins of many units. */
export const isUnitName = (name: string): boolean =>
  /^[A-Za-z0-9:_.\\-][A-Za-z0-9:_.\\@-]*\.(service|socket|target|mount|automount|swap|timer|path|slice|scope|device)$/.test(
    name,
  ) && name.length <= 255;

/** `a@b.service` → `a@.service`; undefined for a unit that is not an instance. */
export function templateOf(name: string): string | undefined {
  const found = /^([^@]+@)[^@]+(\.[a-z]+)$/.exec(name) ?? /^([^@]+@).+(\.[a-z]+)$/.exec(name);
  return found ? `${found[1]}${found[2]}` : undefined;
}

/** The values of a setting in a unit file, in order, with continuation lines joined and without comments. */
export function settings(text: string, name: string): string[] {
  return text
    .replace(/\\\r?\n/g, ' ')
    .split(/\r?\n/)
    .flatMap((line) => {
      const equals = line.indexOf('=');
      return equals > 0 && line.slice(0, equals).trim() === name ? [line.slice(equals + 1).trim()] : [];
    });
}

/** 1-based line of the first line that contains `word`; 0 if there is none. */
export function lineWith(text: string, word: string): number {
  return text.split('\n').findIndex((line) => line.includes(word)) + 1;
}
