import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Verdict } from './check.ts';
import { wrongFor } from './flow.ts';

const [OLD, NEW] = ['a'.repeat(64), 'b'.repeat(64)];

/** The verdict on a disk that boots a release, and has these other partitions with this content. */
function boots(root: string, others: string, content = others): Verdict {
  return { boots: 'release', root, file: `${root[0]}.efi`, kind: '', state: undefined, others, content };
}

/** The faults of states, one after the other. */
function faults(flow: Parameters<typeof wrongFor>[0], ...verdicts: Verdict[]): (string | undefined)[] {
  return verdicts.map(wrongFor(flow, [OLD, NEW]));
}

test('only the old and the new release are right: not another release, half a release, or none', () => {
  const nothing = { boots: 'nothing', why: 'no boot loader' } as const;
  const broken = { boots: 'broken', why: 'x.efi is not whole' } as const;
  const verdicts = [boots(OLD, ''), boots(NEW, ''), boots('c', ''), broken, nothing];
  assert.deepEqual(faults({ mayBeEmpty: false }, ...verdicts), [
    undefined,
    undefined,
    'c.efi is none of the releases',
    'x.efi is not whole',
    'nothing boots: no boot loader',
  ]);
  assert.deepEqual(faults({ mayBeEmpty: true }, nothing), [undefined]);
});

test('the state partition must not move or vanish, but a running system may write to it', () => {
  const found = faults(
    { mayBeEmpty: false },
    ...[boots(OLD, 'state', 'files'), boots(OLD, 'state', 'other files'), boots(NEW, '')],
  );
  assert.deepEqual(found, [undefined, undefined, 'partitions are lost or moved: ']);
});

test('--keep-state writes to no partition but ESP and slot', () => {
  const found = faults(
    { mayBeEmpty: false, others: 'untouched' },
    ...[boots(OLD, 'state', 'files'), boots(NEW, 'state', 'files'), boots(NEW, 'state', 'other files')],
  );
  assert.deepEqual(found, [undefined, undefined, 'a partition that must not be touched is written']);
});

test('an installation that erases the disk does not touch other partitions while the old release boots', () => {
  const found = faults(
    { mayBeEmpty: true, others: 'erased' },
    ...[boots(OLD, 'state', 'files'), boots(NEW, 'fresh'), boots(OLD, 'state', 'half')],
  );
  assert.deepEqual(found, [undefined, undefined, 'a partition that must not be touched is written']);
});
