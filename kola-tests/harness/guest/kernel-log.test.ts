import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { isKernelFault, KERNEL_SCRIPT } from './kernel-log.ts';

const FAULTS = [
  'BUG: unable to handle page fault for address: 0000000000000010',
  'WARNING: CPU: 1 PID: 77 at mm/slub.c:100 foo+0x1/0x2',
  'Oops: 0000 [#1] PREEMPT SMP PTI',
  'app[123]: segfault at 0 ip 0000 sp 0000 error 4 in app[1000+2000]',
  'traps: app[12] trap invalid opcode ip:1 sp:2 error:0 in app[1000+2000]',
  'traps: app[12] general protection fault ip:1 sp:2 error:0 in app[1000+2000]',
  'UBSAN: array-index-out-of-bounds in drivers/x.c:1:2',
  'device-mapper: verity: 254:2: data block 77 is corrupted',
  'EXT4-fs error (device vda5): ext4_lookup:1815: inode #2',
  'VERIFY3(0 == error) failed (0 == 5)',
  'VERIFY(rc == 0) failed',
  'PANIC at dmu.c:1234:dmu_write()',
  'Out of memory: Killed process 77 (x)',
];
const STARVED = [
  'watchdog: BUG: soft lockup - CPU#1 stuck for 23s! [kworker/1:1:33]',
  'rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:',
  'rcu: INFO: rcu_preempt self-detected stall on CPU',
  'INFO: task x:77 blocked for more than 122 seconds.',
];
const FINE = [
  'device-mapper: verity: sha256 using implementation "sha256-generic"',
  'rcu: Hierarchical RCU implementation.',
  'rcu: INFO: something else',
];

test('faults are distinguished from usual messages; a starved emulated processor is not a fault', () => {
  for (const emulated of [false, true]) {
    assert.deepEqual(
      [...FAULTS, ...STARVED, ...FINE].filter((line) => isKernelFault(line, emulated)),
      emulated ? FAULTS : [...FAULTS, ...STARVED],
    );
  }
});

/** Runs the script with this shell code in place of dmesg. */
function script(dmesg: string): { status: number | null; stdout: string } {
  const { status, stdout } = spawnSync('bash', ['-c', `dmesg() { ${dmesg}; }\n${KERNEL_SCRIPT}`], {
    encoding: 'utf8',
  });
  return { status, stdout };
}

test('the script prints every fault; a failing dmesg is an error, not an empty log', () => {
  const lines = [...FAULTS, ...STARVED];
  const said = [...FINE, ...lines].map((line) => `'${line}'`).join(' ');
  const { status, stdout } = script(`printf '%s\\n' ${said}`);
  assert.equal(status, 0);
  assert.deepEqual(
    lines.filter((line) => !stdout.includes(`kernel ${line}\n`)),
    [],
  );
  assert.deepEqual(script('echo all is well'), { status: 0, stdout: '' });
  assert.notEqual(script('echo dmesg: not permitted >&2; return 1').status, 0);
});
