import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../../sdk/lib/errors.ts';
import { softly } from './soft.ts';

const box = { journal: async () => 'first line\nlast line' };

test('every check runs; all failures are reported together, with the journal', async () => {
  const ran: string[] = [];
  const checks = {
    good: async () => ran.push('good'),
    bad: async () => {
      ran.push('bad');
      throw new Failure('no luck', { hint: 'try again' });
    },
    'also bad': async () => assert.equal(1, 2),
    'good after all': async () => ran.push('later'),
  };
  await assert.rejects(softly(box, checks), (error) => {
    assert.ok(error instanceof Failure);
    assert.match(error.message, /^2 of 4 checks failed\nbad:\n.*no luck/);
    for (const part of ['hint: try again', 'also bad:', '1 !== 2', 'last line'])
      assert.ok(error.message.includes(part), part);
    return true;
  });
  assert.deepEqual(ran, ['good', 'bad', 'later']);
  await softly(box, { good: async () => {} });
});

test('a machine without a journal does not hide the failures', async () => {
  const gone = { journal: async () => Promise.reject(new Failure('the machine is off')) };
  await assert.rejects(
    softly(gone, { bad: () => Promise.reject(new Failure('no luck')) }),
    /no luck[\s\S]*no journal/,
  );
});
