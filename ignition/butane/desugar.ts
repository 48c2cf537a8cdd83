import { dataUrl } from '../base/data-url.ts';
import { LocalFault, readLocal } from '../base/local-files.ts';
import type { Step } from '../base/step.ts';
import { mergeConfigs } from '../check/merge.ts';
import { isObject, type Json, type JsonObject } from '../json/value.ts';
import { type MountedFilesystem, mountUnit } from '../sugar/mount-unit.ts';

/** Turns Butane's own keys into plain Ignition. */
export interface Context {
  /** Folder that local files are relative to. */
  readonly folder: string;
  /** Reports at the YAML place of a path. */
  error(path: readonly Step[], message: string): void;
  /** Records that the value at `path` of the result comes from `origin`. */
  alias(path: readonly Step[], origin: readonly Step[]): void;
}

/** The objects of a list; none for any other value. */
export const listOf = (value: Json | undefined): JsonObject[] =>
  Array.isArray(value) ? value.filter(isObject) : [];

/** Reads a local file or tree. A fault becomes an error of the report, and the result is undefined. */
export function attempt<T>(context: Context, path: readonly Step[], read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof LocalFault)) throw error;
    context.error(path, error.message);
    return undefined;
  }
}

/** Text of a local file. If it cannot be read, the text is empty and the error is reported. */
export function embedText(name: string, path: readonly Step[], context: Context): string {
  return attempt(context, path, () => readLocal(context.folder, name))?.toString('utf8') ?? '';
}

/** Replaces inline text or a local file of a resource by a data URL. */
function embed(resource: JsonObject, path: readonly Step[], context: Context): JsonObject {
  const { inline, local, ...rest } = resource;
  if (inline === undefined && local === undefined) return rest;
  if ([inline, local, rest.source].filter((source) => source !== undefined).length > 1) {
    context.error(
      [...path, local === undefined ? 'inline' : 'local'],
      'only one of inline, local, source can be set; remove the others',
    );
    return rest;
  }
  context.alias([...path, 'source'], [...path, inline === undefined ? 'local' : 'inline']);
  const content =
    inline === undefined
      ? attempt(context, [...path, 'local'], () => readLocal(context.folder, String(local)))
      : String(inline);
  return content === undefined
    ? rest
    : { ...rest, source: dataUrl(content), compression: rest.compression ?? '' };
}

/** Visits every object of a config, innermost first. */
function mapObjects(
  value: Json,
  path: readonly Step[],
  visit: (object: JsonObject, path: readonly Step[]) => JsonObject,
): Json {
  if (Array.isArray(value)) return value.map((item, index) => mapObjects(item, [...path, index], visit));
  if (!isObject(value)) return value;
  const mapped = Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, mapObjects(member, [...path, key], visit)]),
  );
  return visit(mapped, path);
}

/** Puts local files and trees into the config, as data URLs. */
export function embedResources(config: JsonObject, context: Context): JsonObject {
  const { storage, ...others } = config;
  const trees = isObject(storage) ? storage.trees : undefined;
  const plain = isObject(storage) ? { ...others, storage: { ...storage, trees: [] } } : config;
  const embedded = mapObjects(plain, [], (object, path) => embed(object, path, context)) as JsonObject;
  if (trees === undefined) return embedded;
  return { ...embedded, storage: { ...(embedded.storage as JsonObject), trees } };
}

/** Whether the key of a file system's LUKS volume comes over the network. */
function isRemote(device: string, config: JsonObject): boolean {
  const volumes = listOf(isObject(config.storage) ? config.storage.luks : undefined);
  return volumes.some(({ name, clevis }) => {
    const named =
      device === `/dev/mapper/${String(name)}` || device === `/dev/disk/by-id/dm-name-${String(name)}`;
    if (!named || !isObject(clevis)) return false;
    const own = isObject(clevis.custom) && clevis.custom.needsNetwork === true;
    return own || (Array.isArray(clevis.tang) && clevis.tang.length > 0);
  });
}

/** The units of a config after those of its file systems, with the file system of each unit. */
export interface Mounted {
  readonly config: JsonObject;
  readonly owners: ReadonlyMap<string, readonly Step[]>;
}

/** Adds a mount unit for each file system with `with_mount_unit`. */
export function addMountUnits(config: JsonObject, context: Context): Mounted {
  const owners = new Map<string, readonly Step[]>();
  if (!isObject(config.storage) || config.storage.filesystems === undefined) return { config, owners };
  const units: Json[] = [];
  const filesystems = listOf(config.storage.filesystems).map(({ withMountUnit, ...filesystem }, index) => {
    if (withMountUnit !== true) return filesystem;
    const at = ['storage', 'filesystems', index];
    const { device, format, path } = filesystem;
    if (!format) context.error(at, 'format is required if with_mount_unit is true; write format: ext4');
    if (!path && format !== 'swap') {
      context.error(
        at,
        'path is required if with_mount_unit is true and format is not swap; say where it is mounted',
      );
    } else if (format) {
      const unit = mountUnit(filesystem as unknown as MountedFilesystem, isRemote(String(device), config));
      units.push({ name: unit.name, enabled: unit.enabled, contents: unit.contents });
      owners.set(unit.name, [...at, 'withMountUnit']);
    }
    return filesystem;
  });
  const plain = { ...config, storage: { ...config.storage, filesystems } };
  return { config: units.length === 0 ? plain : mergeConfigs({ systemd: { units } }, plain), owners };
}
