import type { Sabotage } from '../harness/run/sabotage.ts';

/** What the test of random edits must notice. */
const sabotages: readonly Sabotage[] = [
  {
    name: 'day2.users-stay',
    what: 'userdel removes nobody, and says that it has',
    tests: ['day2.random-edits'],
    because: /user (ada|bob): .*expected nothing/,
    guest: 'mount --bind /usr/bin/true "$(readlink -f "$(command -v userdel)")"',
  },
];

export default sabotages;
