import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generator } from './order.ts';
import { Sample } from './sample.ts';

/** Chooses states of kinds with these numbers of states, one kind after the other. */
function chosenOf(room: number, counts: Readonly<Record<string, number>>): number[] {
  const sample = new Sample(room, generator(1));
  let state = 0;
  for (const [kind, count] of Object.entries(counts))
    for (let each = 0; each < count; each += 1) sample.add(kind, state++);
  return sample.chosen();
}

test('a kind with one state has its turn beside a kind with many', () => {
  const chosen = chosenOf(3, { before: 10_000, between: 1, after: 10_000 });
  assert.equal(chosen.length, 3);
  assert.ok(chosen[0]! < 10_000 && chosen[1] === 10_000 && chosen[2]! > 10_000, chosen.join());
});

test('next are the boundaries of kinds, then others; no state is chosen twice', () => {
  const chosen = chosenOf(8, { before: 1000, after: 1000 });
  assert.equal(chosen.length, 8);
  for (const boundary of [0, 999, 1000, 1999]) assert.ok(chosen.includes(boundary), `${boundary}`);
  assert.deepEqual(chosenOf(8, { only: 3 }), [0, 1, 2]);
});

test('if there are too many kinds, the chosen kinds are spread from the beginning to the end', () => {
  const kinds = Object.fromEntries(Array.from({ length: 100 }, (_, kind) => [`kind ${kind}`, 1]));
  assert.deepEqual(chosenOf(4, kinds), [0, 25, 50, 75]);
  assert.deepEqual(chosenOf(0, kinds), []);
});
