import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Ajv, type SchemaObject } from 'ajv';
import standalone from 'ajv/dist/standalone/index.js';
import { compile, type JSONSchema } from 'json-schema-to-typescript';
import { CHECKOUT } from './lib/checkout.ts';
import { writeAtomic } from './lib/files.ts';

/** The files with a schema: `X.schema.ts` is generated from `X.schema.json`. */
export const schemas: readonly string[] = [
  'build/product/manifest',
  'build/cli/tree-document',
  'build/debian/lock',
  'build/debian/scripts',
  'kola-tests/harness/run/denylist',
];

/** The TypeScript types of a schema. `strict`: a record may lack any name. */
export async function typesOf(schema: JSONSchema, name: string, strict: boolean): Promise<string> {
  return await compile(schema, name, {
    bannerComment: '',
    additionalProperties: false,
    strictIndexSignatures: strict,
    unknownAny: true,
    style: { singleQuote: true, printWidth: 110 },
  });
}

/**
 * Generates a module with the types of a schema and `validate`, the check by ajv. It is generated beforehand, because
 * compiling the schema takes longer than a whole build with nothing to do.
 */
export async function generate(name: string): Promise<string> {
  // The schema is read twice, because the compiler of types changes its argument.
  const read = async () =>
    JSON.parse(await readFile(join(CHECKOUT, `${name}.schema.json`), 'utf8')) as object;
  const ajv = new Ajv({ code: { source: true, esm: true }, strict: true, strictRequired: false });
  const check = standalone.default(ajv, ajv.compile((await read()) as SchemaObject));
  return [
    `// Generated from the schema beside it: npx tsx sdk/schemas.ts. Do not edit.`,
    '// @ts-nocheck What ajv writes is plain JavaScript.',
    '',
    (await typesOf((await read()) as JSONSchema, name, false)).replace(/\b(\w+)\[\];/g, 'readonly $1[];'),
    check.replace(/^"use strict";/, '').replace(/export default \w+;/, ''),
    '',
  ].join('\n');
}

if (process.argv[1] === import.meta.filename) {
  for (const name of schemas) await writeAtomic(join(CHECKOUT, `${name}.schema.ts`), await generate(name));
}
