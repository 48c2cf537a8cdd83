import type { Sabotage } from '../harness/run/sabotage.ts';

/** Faults that the test of random edits must notice. */
const sabotages: readonly Sabotage[] = [
  {
    name: 'day2.users-stay',
    what: 'userdel removes no user, but exits with 0',
    tests: ['day2.random-edits'],
    because: /user (ada|bob): .*expected nothing/,
    guest: 'mount --bind /usr/bin/true "$(readlink -f "$(command -v userdel)")"',
  },
];

export default sabotages;
