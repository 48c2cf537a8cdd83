import { isObject, type Json, type JsonObject } from '../json/value.ts';
import type { Field, StructShape } from '../spec/shape.ts';
import { configShape } from '../spec/v3.ts';

/** The key that makes an item of a list unique (Ignition's `Key` methods), by the path of the list. */
const KEYS: Readonly<Record<string, (item: JsonObject) => string>> = {
  'storage.disks': ({ device }) => String(device),
  'storage.disks.partitions': ({ number, label }) =>
    number ? `number:${String(number)}` : label === undefined ? '' : `label:${String(label)}`,
  'storage.filesystems': ({ device }) => String(device),
  'storage.files': ({ path }) => String(path),
  'storage.directories': ({ path }) => String(path),
  'storage.links': ({ path }) => String(path),
  'storage.luks.clevis.tang': ({ url }) => String(url),
  'ignition.config.merge': ({ source = '' }) => String(source),
  'ignition.security.tls.certificateAuthorities': ({ source = '' }) => String(source),
};
const keyName = ({ name }: JsonObject): string => String(name);

/** Lists that may have equal items: items are appended (Ignition's `IgnoreDuplicates`). */
const BAGS = /(^|\.)(options|mountOptions|append)$/;
/** Lists of one object that share one set of keys (Ignition's `MergedKeys`). */
const SETS: Readonly<Record<string, string>> = {
  'storage.files': 'nodes',
  'storage.directories': 'nodes',
  'storage.links': 'nodes',
  'kernelArguments.shouldExist': 'arguments',
  'kernelArguments.shouldNotExist': 'arguments',
};

interface ListAt {
  readonly field: Field;
  readonly path: string;
}

/**
 * Merges two configs as Ignition merges a config with another one that it refers to (operator notes, "config merging").
 * Values of the child win. Items with the same key are merged in place. Items of lists that may have equal items are
 * appended. An item replaces an item of the same key in a sibling list (a file replaces a link of that path). Neither
 * input is changed.
 */
export function mergeConfigs(parent: JsonObject, child: JsonObject): JsonObject {
  return mergeStruct(configShape, '', parent, child);
}

function mergeStruct(shape: StructShape, path: string, parent: JsonObject, child: JsonObject): JsonObject {
  const merged: JsonObject = { ...parent, ...child };
  const owners = childOwners(shape, path, child);
  for (const field of shape.values()) {
    const above = parent[field.name];
    const below = child[field.name];
    const at = { field, path: pathOf(path, field) };
    if (field.kind === 'struct' && field.of) {
      if (isObject(above) && isObject(below))
        merged[field.name] = mergeStruct(field.of, at.path, above, below);
    } else if (field.kind === 'list' && (above !== undefined || below !== undefined)) {
      merged[field.name] = mergeList(at, asList(above), asList(below), owners);
    }
  }
  return merged;
}

const pathOf = (path: string, { name }: Field): string => (path === '' ? name : `${path}.${name}`);

function asList(value: Json | undefined): Json[] {
  return Array.isArray(value) ? value : [];
}

/** The set of an item of a list, and its key in that set. */
function keyOf({ field, path }: ListAt, item: Json): string {
  const set = SETS[path] ?? path;
  // A text may be a secret, which is an object until it is read.
  if (!field.of || !isObject(item)) return `${set}\0${isObject(item) ? JSON.stringify(item) : String(item)}`;
  return `${set}\0${(KEYS[path] ?? keyName)(item)}`;
}

/** For each key, the list of the child that has it. */
function childOwners(
  shape: StructShape,
  path: string,
  child: JsonObject,
): Map<string, { path: string; item: Json }> {
  const owners = new Map<string, { path: string; item: Json }>();
  for (const field of shape.values()) {
    const at = { field, path: pathOf(path, field) };
    if (field.kind !== 'list' || BAGS.test(at.path)) continue;
    for (const item of asList(child[field.name])) owners.set(keyOf(at, item), { path: at.path, item });
  }
  return owners;
}

function mergeList(
  at: ListAt,
  parent: Json[],
  child: Json[],
  owners: ReturnType<typeof childOwners>,
): Json[] {
  if (BAGS.test(at.path)) return [...parent, ...child];
  const merged: Json[] = [];
  const taken = new Set<string>();
  for (const item of parent) {
    const key = keyOf(at, item);
    taken.add(key);
    const owner = owners.get(key);
    if (owner === undefined) merged.push(item);
    else if (owner.path === at.path && !removesHeader(at, owner.item))
      merged.push(mergeItem(at, item, owner.item));
  }
  for (const item of child) if (!taken.has(keyOf(at, item))) merged.push(item);
  return merged;
}

/** A header of the child without a value removes the parent's header. */
function removesHeader({ field }: ListAt, item: Json): boolean {
  return field.name === 'httpHeaders' && isObject(item) && item.value === undefined;
}

function mergeItem({ field, path }: ListAt, parent: Json, child: Json): Json {
  if (!field.of || !isObject(parent) || !isObject(child)) return child;
  return mergeStruct(field.of, path, parent, child);
}
