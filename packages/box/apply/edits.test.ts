import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { apply, confirm, prepare } from './engine.ts';
import { isEmpty } from './plan.ts';
import { editsOf, FAKE, machinesOf, REAL, REAL_RELEASE } from './testing/edits.ts';
import { type Config, provision } from './testing/world.ts';
import { healthy } from './testing.ts';

/*
 * Random machines and random edits: after an apply, a machine equals a machine that was provisioned with the new
 * config. A failed run prints its seed and path; DRAISINE_SEED=… runs it again.
 */

const seed = Number(process.env.DRAISINE_SEED ?? '20261129');
const RUNS = 400;

const options = (config: Config) => ({
  ...{ config: JSON.stringify(config), confirmSeconds: 120, keepTheirs: [], takeMine: [] },
});

test(`${RUNS} edits of machines: what an apply leaves is what the first boot makes; twice it is nothing`, () => {
  let changed = 0;
  fc.assert(
    fc.property(machinesOf(FAKE), machinesOf(FAKE), (before, after) => {
      const world = provision(before);
      const { box } = world;
      const { id, result, troubles } = apply(box, healthy, options(after));
      assert.deepEqual(troubles, []);
      if (result !== 'nothing to do') {
        confirm(box, id);
        changed++;
      }
      assert.deepEqual(world.state(after), provision(after).state(after));
      const { plan } = prepare(box, options(after));
      assert.ok(isEmpty(plan), JSON.stringify(plan));
      assert.deepEqual(plan.drift, []);
      const ran = box.ran.length;
      assert.equal(apply(box, healthy, options(after)).result, 'nothing to do');
      assert.deepEqual(
        box.ran
          .slice(ran)
          .filter(([program]) => ['systemctl', 'chown', 'useradd', 'usermod'].includes(program ?? '')),
        [],
      );
    }),
    { numRuns: RUNS, seed, includeErrorInReport: true },
  );
  assert.ok(changed > 0.9 * RUNS, `${changed} of ${RUNS} edits changed something`);
});

for (const [what, material, release] of [
  ['one machine', FAKE, undefined],
  ['a machine of a real release', REAL, REAL_RELEASE],
] as const)
  test(`${RUNS} edits of ${what}, one after the other: it is as one made with the last config`, () => {
    const [first, ...edits] = editsOf(material, { seed, count: RUNS });
    assert.ok(first);
    const world = provision(first, release);
    for (const [number, after] of edits.entries()) {
      const { id, result, troubles } = apply(world.box, healthy, options(after));
      assert.deepEqual(troubles, [], `edit ${number}`);
      if (result !== 'nothing to do') confirm(world.box, id);
      assert.deepEqual(world.state(after), provision(after, release).state(after), `edit ${number}`);
      assert.ok(isEmpty(prepare(world.box, options(after)).plan), `edit ${number}`);
    }
  });
