import { readFile } from 'node:fs/promises';
import type { JSONSchema } from 'json-schema-to-typescript';
import { writeAtomic } from '../../../sdk/lib/files.ts';
import { typesOf } from '../../../sdk/schemas.ts';

/** The formats that have a schema here, `NAME.schema.json`. */
export const formats = ['envelope', 'root', 'release', 'channel', 'report'] as const;
export type FormatName = (typeof formats)[number];

const TYPES = new URL('types.ts', import.meta.url);

export async function readSchema(name: FormatName): Promise<JSONSchema> {
  return JSON.parse(await readFile(new URL(`${name}.schema.json`, import.meta.url), 'utf8')) as JSONSchema;
}

/** types.ts, out of the schemas. */
export async function generateTypes(): Promise<string> {
  const parts: string[] = [];
  for (const name of formats) {
    // The compiler writes into what it is given: each time a fresh one.
    parts.push(await typesOf(await readSchema(name), name, true));
  }
  return `// Generated from the schemas beside it: npx tsx build/release/format/generate.ts. Do not edit.\n\n${parts.join('\n')}`;
}

if (process.argv[1] === import.meta.filename) await writeAtomic(TYPES.pathname, await generateTypes());
