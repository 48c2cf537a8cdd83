import { isObject, type Json, type JsonObject } from './json/value.ts';
import type { Field, StructShape } from './spec/shape.ts';
import { configShape } from './spec/v3.ts';

/**
 * Merges two configs as Ignition merges a config with the one it refers to (operator notes, "config merging"):
 * what the child says wins; items with the same key are merged in place; items of lists that may repeat are
 * appended; an item takes the place of one with its key in a sibling list (a file replaces a link of that path).
 * Neither input is changed.
 */
export function mergeConfigs(parent: JsonObject, child: JsonObject, minor = 3): JsonObject {
  return mergeStruct(configShape(minor), parent, child);
}

function mergeStruct(shape: StructShape, parent: JsonObject, child: JsonObject): JsonObject {
  const merged: JsonObject = { ...parent, ...child };
  const owners = childOwners(shape, child);
  for (const field of shape.fields) {
    const above = parent[field.name];
    const below = child[field.name];
    if (field.kind === 'struct') {
      if (isObject(above) && isObject(below))
        merged[field.name] = mergeStruct(field.of as StructShape, above, below);
    } else if (field.kind === 'list' && (above !== undefined || below !== undefined)) {
      merged[field.name] = mergeList(field, asList(above), asList(below), owners);
    }
  }
  return merged;
}

function asList(value: Json | undefined): Json[] {
  return Array.isArray(value) ? value : [];
}

function keyOf(field: Field, item: Json): string {
  if (field.of?.kind !== 'struct' || field.of.key === undefined) return String(item);
  return field.of.key({ ...field.of.zero, ...(item as JsonObject) } as never);
}

/** Which list of the child holds each key, by handle and key. */
function childOwners(shape: StructShape, child: JsonObject): Map<string, { field: Field; item: Json }> {
  const owners = new Map<string, { field: Field; item: Json }>();
  for (const field of shape.fields) {
    if (field.kind !== 'list' || field.repeats) continue;
    for (const item of asList(child[field.name]))
      owners.set(`${field.handle}\0${keyOf(field, item)}`, { field, item });
  }
  return owners;
}

function mergeList(
  field: Field,
  parent: Json[],
  child: Json[],
  owners: ReturnType<typeof childOwners>,
): Json[] {
  if (field.repeats) return [...parent, ...child];
  const merged: Json[] = [];
  const taken = new Set<string>();
  for (const item of parent) {
    const key = keyOf(field, item);
    taken.add(key);
    const owner = owners.get(`${field.handle}\0${key}`);
    if (owner === undefined) merged.push(item);
    else if (owner.field === field && !removesHeader(field, owner.item))
      merged.push(mergeItem(field, item, owner.item));
  }
  for (const item of child) if (!taken.has(keyOf(field, item))) merged.push(item);
  return merged;
}

/** A header without a value removes the parent's. */
function removesHeader(field: Field, item: Json): boolean {
  return field.name === 'httpHeaders' && isObject(item) && item.value === undefined;
}

function mergeItem(field: Field, parent: Json, child: Json): Json {
  if (field.of?.kind !== 'struct' || !isObject(parent) || !isObject(child)) return child;
  return mergeStruct(field.of, parent, child);
}
