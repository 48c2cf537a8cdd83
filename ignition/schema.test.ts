import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Failure } from '../sdk/lib/errors.ts';
import { GENERATED, specModule } from './generate.ts';
import { generateSpec, generateTypes, parseSchema, readSchema } from './schema.ts';

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

  test('gives its keys, and since when each is one', async () => {
    const { thing } = SMALL.definitions;
    const later = {
      type: 'array',
      items: { type: 'object', properties: { a: { type: ['integer', 'null'] } } },
    };
    const more = { ...thing, properties: { ...thing.properties, more: later } };
    const module = await generateSpec([SMALL, { ...SMALL, definitions: { thing: more } }]);
    assert.match(module, /ignition: \{"more":\[\{"a":"integer"\}\],"version":"string"\},/);
    assert.match(module, /= \{\n {2}"ignition\.more": 1\n\};/);
  });

  test('is refused if it is not a schema', async () => {
    assert.throws(() => parseSchema('{', 'x.json'), Failure);
    assert.throws(() => parseSchema('{}', 'x.json'), /not a JSON schema/);
    await assert.rejects(readSchema('/nonexistent', 3), /no schema of spec 3\.3 \(ENOENT\)/);
  });
});

describe('the schemas of the shipped Ignition', { skip }, () => {
  test('give the module that is committed', async () => {
    assert.equal(await specModule(SOURCE), readFileSync(GENERATED, 'utf8'));
  });
});

test('a misspelt key of plain Ignition is a type error', { timeout: 120_000 }, async () => {
  const folder = mkdtempSync(fileURLToPath(new URL('.types-', import.meta.url)));
  try {
    const head = "import type { SpecConfig } from '../spec.ts';\nexport const config: SpecConfig = ";
    const place = (name: string, text: string): void => writeFileSync(join(folder, name), head + text);
    const ignition = "ignition: { version: '3.3.0' }";
    place('good.ts', `{ ${ignition}, storage: { files: [{ path: '/a', mode: 420 }] } };\n`);
    place('bad.ts', `{ ${ignition}, storage: { fils: [] } };\n`);
    const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url));
    const flags = ['--noEmit', '--strict', '--skipLibCheck', '--allowImportingTsExtensions'];
    const check = (file: string): string =>
      spawnSync(
        process.execPath,
        [tsc, '--ignoreConfig', ...flags, '--module', 'nodenext', '--types', '', file],
        {
          cwd: folder,
          encoding: 'utf8',
        },
      ).stdout;
    assert.equal(check('good.ts'), '');
    assert.match(check('bad.ts'), /'fils' does not exist/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
