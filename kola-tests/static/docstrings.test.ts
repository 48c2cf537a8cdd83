import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkDocstrings, undocumented } from './docstrings.ts';

const MODULE = `/** Said. */
export function one(): void {}

export const two = 2;

/**
 * Said in two lines,
 * and more.
 */
export interface Three {}
/** Said. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a table
export async function four(): Promise<void> {}

// A comment of ours is no docstring.
export type Five = string;
export { six } from './six.ts';
const seven = 7;
`;

test('exports without a docstring are found; re-exports and private names do not count', () => {
  assert.deepEqual(undocumented(MODULE), { count: 5, names: ['two', 'Five'] });
});

test('a room below the limit is an error that lists its missing docstrings; other rooms are not listed', () => {
  const said = '/** Said. */\nexport const a = 1;\n'.repeat(19);
  const unsaid = '\nexport const b = 1;\n';
  assert.match(checkDocstrings([{ path: 'sdk/a.ts', text: said + unsaid }]), /sdk 95\.0 %/);
  const short = [
    { path: 'sdk/a.ts', text: said },
    { path: 'build/x/b.ts', text: said + unsaid + unsaid },
  ];
  assert.throws(() => checkDocstrings(short), {
    exitCode: 2,
    message: /^too few .* \(build 90\.5 %\):\n {2}build\/x\/b\.ts: b\n {2}build\/x\/b\.ts: b$/,
  });
});
