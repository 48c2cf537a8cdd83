import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { validate } from '../check/validate.ts';
import { dataOf, dataUrl } from './data-url.ts';

test('text stays readable, binary is base64', () => {
  assert.equal(dataUrl('a b\n'), 'data:,a%20b%0A');
  assert.equal(dataUrl(''), 'data:,');
  assert.match(dataUrl(new Uint8Array(64)), /^data:;base64,A+==$/);
});

test('reading a written URL gives the same data, and Ignition accepts the URL', async () => {
  const urls: string[] = [];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const url = dataUrl(bytes);
      urls.push(url);
      assert.deepEqual([...(dataOf(url) ?? [])], [...bytes]);
    }),
    { seed: 1 },
  );
  const files = urls.map((source, index) => ({ path: `/${index}`, contents: { source } }));
  const config = { ignition: { version: '3.3.0' }, storage: { files } };
  assert.deepEqual((await validate(Buffer.from(JSON.stringify(config)))).entries, []);
});

test('another URL has no data', () => assert.equal(dataOf('https://a/b,c'), undefined));
