import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FakeBox } from '../io/fake.ts';
import { apply, confirm } from './engine.ts';
import { readJournal } from './journal.ts';
import { revert } from './revert.ts';
import { configOf, healthy, type Parts, provisioned } from './testing.ts';

/* Bad input and failures of the machine: the apply names the fault, and the box is unchanged. */

const BEFORE: Parts = {
  files: { '/etc/a.conf': 'one\n' },
  units: { 'a.service': { contents: 'x', enabled: true } },
};
const AFTER: Parts = {
  files: { '/etc/a.conf': 'two\n', '/etc/new/b': 'b' },
  units: { 'b.service': { contents: 'y', enabled: true } },
};
const options = (parts: Parts) => ({
  ...{ config: configOf(parts), confirmSeconds: 120, keepTheirs: [], takeMine: [] },
});

const etcOf = (box: FakeBox): Record<string, string> =>
  Object.fromEntries(
    [...box.nodes]
      .filter(([path, { type }]) => path.startsWith('/etc/') && type === 'file')
      .map(([path]) => [path, box.readText(path)] as const)
      .sort(),
  );

test('two applies at once: the second is refused, and so is a revert in the middle of the first', () => {
  const box = provisioned(BEFORE);
  let inTheMiddle = 0;
  box.program('systemctl', (argv) => {
    if (argv[1] !== 'daemon-reload' || inTheMiddle > 0) return '';
    inTheMiddle += 1;
    box.put({ [`/proc/${box.readLink('/proc/self')}`]: '' });
    assert.throws(() => apply(box, healthy, options({})), /another apply is going on/);
    assert.throws(() => revert(box), /an apply is going on/);
    return '';
  });
  const { id, result } = apply(box, healthy, options(AFTER));
  assert.equal(result, 'waits for confirmation');
  assert.equal(inTheMiddle, 1);
  confirm(box, id);
  assert.equal(box.readText('/etc/a.conf'), 'two\n');
});

test('a connection that dies in the middle, and the applier with it: what the timer calls brings all back', () => {
  let cuts = 0;
  for (let cut = 1; ; cut += 1) {
    const box = provisioned(BEFORE);
    const old = etcOf(box);
    let calls = 0;
    // From now on its calls have no effect, as if it had been killed. Its lock remains.
    box.fails = () => (++calls >= cut ? 'killed' : undefined);
    try {
      apply(box, healthy, options(AFTER));
    } catch {
      // Killed.
    }
    if (calls < cut) break;
    box.fails = () => undefined;
    box.advance(120_000);
    const changing = readJournal(box) !== undefined;
    assert.equal(revert(box), changing, `killed at call ${cut}`);
    assert.deepEqual(etcOf(box), old, `killed at call ${cut}`);
    assert.equal(readJournal(box), undefined);
    cuts += 1;
  }
  assert.ok(cuts > 20, `${cuts} calls`);
});

test('a state partition that is full, from whatever moment on: it says so, and the box is as it was', () => {
  let moments = 0;
  for (let full = 1; ; full += 1) {
    const box = provisioned(BEFORE);
    const old = etcOf(box);
    let writes = 0;
    // /run is in memory.
    box.fails = (call, what) => {
      if (call !== 'write' || what.startsWith('/run/')) return undefined;
      writes += 1;
      return writes >= full ? 'ENOSPC' : undefined;
    };
    let said = '';
    try {
      said = apply(box, healthy, options(AFTER)).troubles.join();
    } catch (error) {
      said = String(error);
    }
    if (writes < full) break;
    assert.match(said, /ENOSPC/, `full at write ${full}`);
    box.fails = () => undefined;
    // Some changes could not be reverted on the full disk. The timer reverts them when there is space.
    revert(box);
    assert.deepEqual(etcOf(box), old, `full at write ${full}`);
    assert.equal(apply(box, healthy, options(AFTER)).result, 'waits for confirmation');
    moments += 1;
  }
  assert.ok(moments > 5, `${moments} moments`);
});

test('a unit that never stops is given up after its time, and all goes back', () => {
  const box = provisioned(BEFORE);
  const old = etcOf(box);
  // timeout(1), which box.run calls, ends with 124.
  box.program('systemctl', (argv) =>
    argv.includes('stop') && argv.includes('a.service') ? { code: 124 } : '',
  );
  const { result, troubles } = apply(box, healthy, options(AFTER));
  assert.equal(result, 'went back');
  assert.match(troubles.join(), /stop of a\.service did not end in 200 seconds/);
  assert.deepEqual(etcOf(box), old);
});

test('a config that is no JSON, or no Ignition config that can be read, changes nothing', () => {
  for (const config of [
    '{',
    '[]',
    '{"storage":{"files":[{"path":"relative"}]}}',
    '{"systemd":{"units":[{}]}}',
  ]) {
    const box = provisioned(BEFORE);
    const old = etcOf(box);
    assert.throws(() => apply(box, healthy, { ...options({}), config }), { name: 'BoxError' }, config);
    assert.deepEqual(etcOf(box), old);
    assert.equal(readJournal(box), undefined);
  }
});
