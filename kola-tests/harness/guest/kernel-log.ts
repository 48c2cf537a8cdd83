/* Finds faults in the kernel's log. */

/** Messages that are always faults. */
const FAULTS = [
  '\\bBUG: ',
  'kernel BUG at ',
  '\\bWARNING: CPU: ',
  '\\bOops: ',
  'general protection fault',
  'segfault at ',
  '\\btraps: ',
  '\\bUBSAN: ',
  'Out of memory: Killed process',
  'Memory cgroup out of memory: Killed process',
  'device-mapper: verity: .*corrupted',
  'EXT4-fs error',
  'Buffer I/O error',
  'I/O error, dev ',
  // OpenZFS (spl-err.c, debug.h): `PANIC at` comes from a thread that stops for ever, `PANIC: ` is the reason.
  '\\bPANIC at ',
  '\\bPANIC: ',
  '\\bVERIFY\\w*\\(.*\\) failed',
];

/**
 * Messages about a stuck processor. On real hardware they are faults. An emulated processor looks stuck to its guest if
 * the host does not run it for a while.
 */
const STARVED = [
  'soft lockup',
  'rcu: INFO: .*stall',
  'rcu_\\w+ detected',
  'blocked for more than \\d+ seconds',
];

const ON_ANY = new RegExp(FAULTS.join('|'));
const STUCK = new RegExp(STARVED.join('|'));

/** Whether a line of the kernel's log is a fault. */
export function isKernelFault(text: string, emulated: boolean): boolean {
  return STUCK.test(text) ? !emulated : ON_ANY.test(text);
}

/**
 * Prints the lines of this boot that may be faults, each after the word `kernel`. Its one pattern is coarser than those
 * above, because under emulation each process costs time.
 */
export const KERNEL_SCRIPT = `
set -o errexit -o pipefail
dmesg --notime | { grep -E 'BUG|UBSAN|WARNING: CPU|Oops|general protection|segfault|traps: |Killed process|blocked for more|verity|EXT4-fs error|I/O error|PANIC|VERIFY|rcu|lockup' || [[ $? = 1 ]]; } |
  while read -r line; do echo "kernel $line"; done
`;
