import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import type { ConfigGroup } from './config/group.ts';
import { n100Config } from './config/index.ts';
import { checkSurvived, fragmentText, parseDeclared, settings } from './kconfig.ts';

const group = (name: string, options: Omit<ConfigGroup, 'name' | 'reason'>): ConfigGroup => ({
  name,
  reason: 'test',
  ...options,
});

function fault(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof Failure);
    assert.equal(error.exitCode, 2);
    assert.equal(error.where, 'packages/kernel/config');
    return error.message;
  }
  return assert.fail('no error');
}

test('a fragment is sorted, whatever the order of groups, and quotes strings but not numbers', () => {
  const a = group('a', { builtin: 'SMP\n  EXT4_FS', off: 'IO_URING' });
  const b = group('b', {
    modules: 'XFS_FS',
    values: { NR_CPUS: 16, LSM: 'landlock,yama', MASK: '0x10', EMPTY: '' },
  });
  const text = fragmentText([a, b]);
  assert.equal(text, fragmentText([b, a]));
  assert.equal(
    text,
    `CONFIG_EMPTY=""
CONFIG_EXT4_FS=y
# CONFIG_IO_URING is not set
CONFIG_LSM="landlock,yama"
CONFIG_MASK=0x10
CONFIG_NR_CPUS=16
CONFIG_SMP=y
CONFIG_XFS_FS=m
`,
  );
});

test('an option in two groups is an error that names both, even if the values are equal; so is a wrong name', () => {
  const message = fault(() =>
    settings([
      group('disks', { builtin: 'ATA SCSI', modules: 'SCSI' }),
      group('more disks', { builtin: 'ATA', off: 'CONFIG_x-y' }),
    ]),
  );
  assert.match(message, /SCSI: y in the group disks, m in the group disks/);
  assert.match(message, /ATA: twice, in the groups disks and more disks/);
  assert.match(message, /CONFIG_x-y: no name of an option/);
});

test('the error names options that Kconfig dropped, changed or does not know, with their dependencies', () => {
  const groups = [
    group('g', { builtin: 'GOOD DROPPED NOSUCH', modules: 'CHANGED', off: 'FORCED', values: { N: 3 } }),
  ];
  const declared = parseDeclared(
    'GOOD\t\nDROPPED\t\nDROPPED\tdepends on PCI && 64BIT\nDROPPED\tstands in if NET\nCHANGED\t\nFORCED\t\nN\t\n',
  );
  const config =
    'CONFIG_GOOD=y\n# CONFIG_DROPPED is not set\nCONFIG_CHANGED=y\nCONFIG_FORCED=y\nCONFIG_N=4\n';
  assert.deepEqual(
    fault(() => checkSurvived(groups, config, declared))
      .split('\n')
      .slice(1),
    [
      '  DROPPED=y (group g): came out as n; it depends on PCI && 64BIT, stands in if NET',
      '  NOSUCH=y (group g): this kernel has no such option',
      '  CHANGED=m (group g): came out as y',
      '  FORCED=n (group g): came out as y',
      '  N=3 (group g): came out as 4',
    ],
  );
  checkSurvived([group('g', { builtin: 'GOOD', off: 'ABSENT' })], config, declared);
});

test('every group of n100 has a reason, and no option is in two groups', () => {
  assert.ok(settings(n100Config).size > 500);
  for (const { name, reason } of n100Config) assert.ok(reason.length > 10, name);
});
