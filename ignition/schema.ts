import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { compile, type JSONSchema } from 'json-schema-to-typescript';
import { badInput, errorCode } from '../sdk/lib/errors.ts';
import { isObject, type JsonObject } from './json/value.ts';

/**
 * The JSON schemas of the stable spec versions, as the unpacked Debian source package `ignition` has them, and what is
 * made of them: TypeScript types and ajv validators. Nothing of a schema is kept in this repository.
 */

/** Stable spec versions with a schema in the source package: the minor numbers of 3.0 – 3.3. */
export const SCHEMA_MINORS = [0, 1, 2, 3] as const;
export type SchemaMinor = (typeof SCHEMA_MINORS)[number];

/** Where a schema is in the source package. */
export function schemaFile(minor: SchemaMinor): string {
  return `config/v3_${minor}/schema/ignition.json`;
}

/** @param source folder of the unpacked source package */
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
  // The compiler writes into what it is given.
  const copy = structuredClone({ ...schema, title: name }) as JSONSchema;
  return compile(copy, name, {
    additionalProperties: false,
    bannerComment: '',
    format: false,
    strictIndexSignatures: true,
    unknownAny: true,
  });
}

/**
 * The declaration file of all versions. It registers each version's config with `SpecTypes` of spec.ts, so that code
 * that names `SpecConfig` gets the generated type once this file exists.
 */
export async function generateDeclarations(schemas: ReadonlyMap<SchemaMinor, JsonObject>): Promise<string> {
  const parts: string[] = ['// Generated from the schemas of the source package. Do not edit.\n'];
  const versions: string[] = [];
  for (const minor of [...schemas.keys()].sort()) {
    const types = await generateTypes(schemas.get(minor) ?? {}, 'Config');
    parts.push(`declare namespace v3_${minor} {\n${types.replaceAll(/^export /gm, '')}}\n`);
    versions.push(`    v3_${minor}: v3_${minor}.Config;`);
  }
  parts.push(
    `declare module '../spec.ts' {\n  interface SpecTypes {\n${versions.join('\n')}\n  }\n}\nexport {};\n`,
  );
  return parts.join('\n');
}

/** What a value breaks of a schema: JSON pointer and complaint. */
export interface SchemaFault {
  readonly pointer: string;
  readonly message: string;
}

/** A function that lists what a config breaks of the schema. Unknown keys break nothing, as in Ignition. */
export function compileValidator(schema: JsonObject): (config: unknown) => SchemaFault[] {
  // Draft 4; the schemas use nothing that later drafts read otherwise.
  const { $schema: _, ...body } = schema;
  const validate = new Ajv({ allErrors: true, strict: false }).compile(body);
  return (config) => {
    if (validate(config)) return [];
    return (validate.errors ?? []).map(({ instancePath, message }) => ({
      pointer: instancePath,
      message: message ?? 'does not fit the schema',
    }));
  };
}
