import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { askPerson } from './ask.ts';

test('an answer, the end of the input, and an abort', async () => {
  const asked = (act: (input: PassThrough) => void, signal?: AbortSignal) => {
    const input = new PassThrough();
    setTimeout(() => act(input), 10);
    return askPerson('? ', { input, output: new PassThrough(), ...(signal ? { signal } : {}) });
  };
  assert.equal(await asked((input) => input.write(' yes \n')), 'yes');
  assert.equal(await asked((input) => input.end()), '');
  const stop = new AbortController();
  await assert.rejects(
    asked(() => stop.abort(), stop.signal),
    { name: 'AbortError' },
  );
});
