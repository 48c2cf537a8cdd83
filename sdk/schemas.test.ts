import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { checked } from './lib/checked.ts';
import { generate, schemas } from './schemas.ts';

for (const name of schemas) {
  test(`${name}.schema.ts is what the schema says`, async () => {
    const committed = readFileSync(new URL(`../${name}.schema.ts`, import.meta.url), 'utf8');
    assert.equal(committed, await generate(name), 'stale: npx tsx sdk/schemas.ts');
  });
}

test('an error has the place, the wanted form and the found value', () => {
  const fail = (place: string, what: string) => new Error(`${place}: ${what}`);
  const cases: [object, string][] = [
    [
      { instancePath: '', keyword: 'type', message: 'must be array', params: {} },
      '$: must be array, and is {',
    ],
    [
      { instancePath: '/a/1/b~1c', keyword: 'type', message: 'must be string', params: {} },
      '$.a[1]["b/c"]: must be string, and is 3',
    ],
    [
      { instancePath: '/a/0', keyword: 'enum', params: { allowedValues: ['x', 'y'] } },
      '$.a[0]: must be one of x, y, and is null',
    ],
    [
      { instancePath: '/a', keyword: 'required', message: "must have required property 'z'", params: {} },
      "$.a: must have required property 'z'",
    ],
    [
      { instancePath: '/n', keyword: 'pattern', message: 'must match pattern "."', params: { pattern: '.' } },
      '$.n: must not be empty, and is ""',
    ],
  ];
  for (const [fault, message] of cases) {
    const validate = Object.assign(() => false, { errors: [fault as never] });
    assert.throws(
      () => checked(validate, { a: [null, { 'b/c': 3 }], n: '' }, fail),
      (error) => error instanceof Error && error.message.startsWith(message),
      message,
    );
  }
  assert.equal(
    checked(() => true, 3, fail),
    3,
  );
});
