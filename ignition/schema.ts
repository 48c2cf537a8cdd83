import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compile, type JSONSchema } from 'json-schema-to-typescript';
import { badInput, errorCode } from '../sdk/lib/errors.ts';
import { isObject, type JsonObject } from './json/value.ts';
import { isList, type Keys } from './spec/shape.ts';

/**
 * The JSON schemas of the stable spec versions in the unpacked Debian source package `ignition`, and the
 * module that is made of them: the type of a config, and its keys by section.
 */

/** Stable spec versions with a schema in the source package: the minor numbers of 3.0 – 3.3. */
export const SCHEMA_MINORS = [0, 1, 2, 3] as const;

/** The minor version of a spec 3 that has a schema. */
export type SchemaMinor = (typeof SCHEMA_MINORS)[number];

/** The path of a schema in the source package. */
function schemaFile(minor: SchemaMinor): string {
  return `config/v3_${minor}/schema/ignition.json`;
}

/**
 * Reads the schema of a version.
 * @param source folder of the unpacked source package
 */
export async function readSchema(source: string, minor: SchemaMinor): Promise<JsonObject> {
  const path = join(source, schemaFile(minor));
  const hint = 'give the folder of the unpacked source package ignition 2.14';
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw badInput(`no schema of spec 3.${minor} (${errorCode(cause) ?? 'unreadable'})`, {
      where: path,
      hint,
      cause,
    });
  }
  return parseSchema(text, path);
}

/**
 * Reads a schema of the source package.
 * @throws Failure for any other text
 */
export function parseSchema(text: string, where: string): JsonObject {
  let schema: unknown;
  try {
    schema = JSON.parse(text);
  } catch (cause) {
    throw badInput('schema is not JSON', { where, cause });
  }
  if (!isObject(schema) || !isObject(schema.properties) || !isObject(schema.definitions)) {
    throw badInput('not a JSON schema with properties and definitions', { where });
  }
  return schema;
}

/** Types of a config as TypeScript source that exports the interface `name`. Objects are closed: a misspelt key is an error. */
export function generateTypes(schema: JsonObject, name = 'Config'): Promise<string> {
  // The compiler changes its input.
  const copy = structuredClone({ ...schema, title: name }) as JSONSchema;
  return compile(copy, name, {
    additionalProperties: false,
    bannerComment: '',
    format: false,
    strictIndexSignatures: true,
    unknownAny: true,
  });
}

function resolve(schema: JsonObject, root: JsonObject): JsonObject {
  const reference = schema.$ref;
  if (typeof reference !== 'string') return schema;
  const steps = reference.slice('#/'.length).split('/');
  return resolve(
    steps.reduce((node, key) => node[key] as JsonObject, root),
    root,
  );
}

/** All properties of an object's schema, also those of the schemas that it consists of. */
function propertiesOf(given: JsonObject, root: JsonObject): JsonObject {
  const schema = resolve(given, root);
  const parts = [...((schema.allOf ?? []) as JsonObject[]), ...((schema.anyOf ?? []) as JsonObject[])];
  const own = (schema.properties ?? {}) as JsonObject;
  return Object.assign({}, ...parts.map((part) => propertiesOf(part, root)), own) as JsonObject;
}

function keysOf(given: JsonObject, root: JsonObject): Keys {
  const schema = resolve(given, root);
  const [type] = [schema.type].flat();
  if (type === 'array') return [keysOf(schema.items as JsonObject, root)];
  if (type === 'string' || type === 'integer' || type === 'boolean') return type;
  const members = Object.entries(propertiesOf(schema, root)).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([name, value]) => [name, keysOf(value as JsonObject, root)]));
}

/** Paths of all keys, without indices: `storage.files.path`. */
function pathsOf(keys: Keys, path = ''): string[] {
  if (typeof keys === 'string') return [];
  if (isList(keys)) return pathsOf(keys[0], path);
  return Object.entries(keys).flatMap(([name, below]) => {
    const here = path === '' ? name : `${path}.${name}`;
    return [here, ...pathsOf(below, here)];
  });
}

/** The version that added each key after 3.0. Keys below an added key are left out. */
function sinceOf(versions: readonly Keys[]): { [path: string]: number } {
  const since: { [path: string]: number } = {};
  const known = new Set(versions[0] === undefined ? [] : pathsOf(versions[0]));
  for (const [minor, keys] of versions.entries()) {
    for (const path of pathsOf(keys).filter((each) => !known.has(each))) {
      known.add(path);
      if (!Object.keys(since).some((above) => path.startsWith(`${above}.`))) since[path] = minor;
    }
  }
  return since;
}

/**
 * The module ignition/spec/generated.ts: the type `Config` of the newest version, its keys, and the version
 * of each key.
 */
export async function generateSpec(schemas: readonly JsonObject[]): Promise<string> {
  const newest = schemas.at(-1);
  if (newest === undefined) throw new Error('no schema');
  const versions = schemas.map((schema) => keysOf(schema, schema));
  const sections = Object.entries(versions.at(-1) ?? {}).map(
    ([name, keys]) => `  ${name}: ${JSON.stringify(keys)},\n`,
  );
  return [
    '// Generated from the schemas of the source package ignition by `draisine ignition types`. Do not edit.\n',
    "import type { Keys } from './shape.ts';\n",
    (await generateTypes(newest)).trimEnd(),
    '\n/** Keys of a config, by section. */',
    `export const KEYS: Keys = {\n${sections.join('')}};`,
    '\n/** The minor version of spec 3 that brought a key; a key that is not here is as old as the object that holds it. */',
    `export const SINCE: Readonly<Record<string, number>> = ${JSON.stringify(sinceOf(versions), null, 2)};\n`,
  ].join('\n');
}
