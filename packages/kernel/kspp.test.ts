import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkHardening, deviations, RECOMMENDED } from './kspp.ts';

const asRecommended = (changes: Record<string, string> = {}): string =>
  Object.entries({ ...RECOMMENDED, ...changes })
    .map(([option, value]) =>
      value === 'n' ? `# CONFIG_${option} is not set\n` : `CONFIG_${option}=${value}\n`,
    )
    .join('');

test('the recommended configuration has no deviation; an option that is turned off is named', () => {
  assert.deepEqual(checkHardening(asRecommended(), []), []);
  assert.throws(() => checkHardening(asRecommended({ FORTIFY_SOURCE: 'n', DEVMEM: 'y' }), []), {
    message: /FORTIFY_SOURCE is n, recommended is y\n {2}DEVMEM is y, recommended is n/,
    exitCode: 2,
  });
});

test('a reason for a setting that is as recommended is an error', () => {
  const known = [{ options: 'WERROR KFENCE', reason: 'r', cost: 'c' }];
  assert.deepEqual([...checkHardening(asRecommended({ WERROR: 'n', KFENCE: 'n' }), known)].sort(), [
    'KFENCE',
    'WERROR',
  ]);
  assert.throws(() => checkHardening(asRecommended({ WERROR: 'n' }), known), /KFENCE is as recommended/);
});

test('a new mitigation of an update that is off is an error', () => {
  const mitigations = '# CONFIG_MITIGATION_NEXT is not set\nCONFIG_MITIGATION_LAST=y\n';
  assert.throws(
    () => checkHardening(asRecommended() + mitigations, []),
    /says\n {2}MITIGATION_NEXT is n, recommended is y$/,
  );
});

test('each deviation has a reason and a cost', () => {
  for (const { options, reason, cost } of deviations) {
    assert.ok(reason.length > 15, options);
    assert.ok(cost !== '', options);
  }
});
