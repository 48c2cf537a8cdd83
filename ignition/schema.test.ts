import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Failure } from '../sdk/lib/errors.ts';
import type { JsonObject } from './json/value.ts';
import { fullConfig } from './oracle/base.ts';
import {
  compileValidator,
  generateDeclarations,
  generateTypes,
  parseSchema,
  readSchema,
  SCHEMA_MINORS,
} from './schema.ts';
import type { StructShape } from './spec/shape.ts';
import { configShape } from './spec/v3.ts';

/** Folder of the unpacked source package; the tests of the true schemas run only with it. */
const SOURCE = process.env.DRAISINE_IGNITION_SOURCE ?? '';
const skip = existsSync(SOURCE) ? false : 'DRAISINE_IGNITION_SOURCE names no source package';

const SMALL = {
  type: 'object',
  properties: { ignition: { $ref: '#/definitions/thing' } },
  required: ['ignition'],
  definitions: { thing: { type: 'object', properties: { version: { type: 'string' } } } },
};

describe('a schema of our own', () => {
  test('gives closed types', async () => {
    const types = await generateTypes(SMALL);
    assert.match(types, /export interface Config/);
    assert.doesNotMatch(types, /\[k: string\]/);
  });

  test('gives a validator that knows where', () => {
    assert.deepEqual(compileValidator(SMALL)({ ignition: { version: 3 } }), [
      { pointer: '/ignition/version', message: 'must be string' },
    ]);
    assert.deepEqual(compileValidator(SMALL)({ ignition: {}, other: 1 }), []);
  });

  test('is refused when it is none', async () => {
    assert.throws(() => parseSchema('{', 'x.json'), Failure);
    assert.throws(() => parseSchema('{}', 'x.json'), /not a JSON schema/);
    await assert.rejects(readSchema('/nonexistent', 3), /no schema of spec 3\.3 \(ENOENT\)/);
  });
});

/** Field names by path, lists and structs alike. */
function shapeFields(shape: StructShape, prefix = ''): string[] {
  return shape.fields.flatMap(({ name, of }) => [
    prefix + name,
    ...(of?.kind === 'struct' ? shapeFields(of, `${prefix}${name}.`) : []),
  ]);
}

function schemaFields(schema: JsonObject, root: JsonObject, prefix = ''): string[] {
  const reference = schema.$ref;
  if (typeof reference === 'string') {
    const target = reference
      .slice(2)
      .split('/')
      .reduce<JsonObject>((node, key) => node[key] as JsonObject, root);
    return schemaFields(target, root, prefix);
  }
  const parts = [...((schema.allOf ?? []) as JsonObject[]), ...((schema.anyOf ?? []) as JsonObject[])];
  const own = Object.entries((schema.properties ?? {}) as JsonObject).flatMap(([name, value]) => [
    prefix + name,
    ...schemaFields(value as JsonObject, root, `${prefix}${name}.`),
  ]);
  const items = schema.items === undefined ? [] : schemaFields(schema.items as JsonObject, root, prefix);
  return [...parts.flatMap((part) => schemaFields(part, root, prefix)), ...own, ...items];
}

describe('the schemas of the shipped Ignition', { skip }, () => {
  for (const minor of SCHEMA_MINORS) {
    test(`3.${minor} names the fields that our validator knows`, async () => {
      const schema = await readSchema(SOURCE, minor);
      const known = new Set(shapeFields(configShape(minor)));
      const named = new Set(schemaFields(schema, schema));
      assert.deepEqual(
        [...named].filter((name) => !known.has(name)),
        [],
      );
      assert.deepEqual(
        [...known].filter((name) => !named.has(name)),
        [],
      );
    });

    test(`3.${minor} accepts the full config`, async () => {
      assert.deepEqual(compileValidator(await readSchema(SOURCE, minor))(fullConfig(minor)), []);
    });
  }

  test('as types: a misspelt key of plain Ignition is a type error', { timeout: 120_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'draisine-types-'));
    try {
      const schemas = await Promise.all(
        SCHEMA_MINORS.map(async (minor) => [minor, await readSchema(SOURCE, minor)] as const),
      );
      const declarations = (await generateDeclarations(new Map(schemas))).replace(
        "'../spec.ts'",
        "'./spec.ts'",
      );
      writeFileSync(join(folder, 'generated.d.ts'), declarations);
      writeFileSync(join(folder, 'spec.ts'), readFileSync(new URL('spec.ts', import.meta.url)));
      const head = "import type { SpecConfig } from './spec.ts';\nexport const config: SpecConfig = ";
      writeFileSync(
        join(folder, 'good.ts'),
        `${head}{ ignition: { version: '3.3.0' }, storage: { files: [{ path: '/a', mode: 420 }] } };\n`,
      );
      writeFileSync(
        join(folder, 'bad.ts'),
        `${head}{ ignition: { version: '3.3.0' }, storage: { fils: [] } };\n`,
      );
      const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url));
      const flags = [
        '--noEmit',
        '--strict',
        '--skipLibCheck',
        '--allowImportingTsExtensions',
        '--module',
        'nodenext',
        '--types',
        '',
      ];
      const check = (file: string) =>
        spawnSync(process.execPath, [tsc, ...flags, file, 'generated.d.ts'], {
          cwd: folder,
          encoding: 'utf8',
        });
      assert.equal(check('good.ts').stdout, '');
      assert.match(check('bad.ts').stdout, /'fils' does not exist/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
