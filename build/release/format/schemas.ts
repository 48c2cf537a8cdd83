import { readFile } from 'node:fs/promises';
import type { JSONSchema } from 'json-schema-to-typescript';

/** The formats that have a schema here, `NAME.schema.json`. */
export const formats = ['envelope', 'root', 'release', 'channel', 'report'] as const;
/** One of them. */
export type FormatName = (typeof formats)[number];

/** The schema of a format, read for each caller: who compiles one may change it. */
export async function readSchema(name: FormatName): Promise<JSONSchema> {
  return JSON.parse(await readFile(new URL(`${name}.schema.json`, import.meta.url), 'utf8')) as JSONSchema;
}
