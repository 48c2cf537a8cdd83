/* Lines of the kernel's log that are faults on any machine. */

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
  // OpenZFS (spl-err.c, debug.h): the first of a thread that it stops for good, `PANIC: ` what it gives up with.
  '\\bPANIC at ',
  '\\bPANIC: ',
  '\\bVERIFY\\w*\\(.*\\) failed',
];

/**
 * Messages about a processor that did not get on: of a real one a fault; an emulated one that the host does not run for
 * a while looks stuck to its guest.
 */
const STARVED = [
  'soft lockup',
  'rcu: INFO: .*stall',
  'rcu_\\w+ detected',
  'blocked for more than \\d+ seconds',
];

const ON_ANY = new RegExp(FAULTS.join('|'));
const STUCK = new RegExp(STARVED.join('|'));

/** A line of the kernel's log that is a fault. */
export function isKernelFault(text: string, emulated: boolean): boolean {
  return STUCK.test(text) ? !emulated : ON_ANY.test(text);
}

/**
 * Prints the lines of this boot that may be faults, each after the word `kernel`. One pattern that is coarser than those
 * above: few processes, since under emulation each costs.
 */
export const KERNEL_SCRIPT = `
set -o errexit -o pipefail
dmesg --notime | { grep -E 'BUG|UBSAN|WARNING: CPU|Oops|general protection|segfault|traps: |Killed process|blocked for more|verity|EXT4-fs error|I/O error|PANIC|VERIFY|rcu|lockup' || [[ $? = 1 ]]; } |
  while read -r line; do echo "kernel $line"; done
`;
