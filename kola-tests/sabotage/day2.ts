import type { Sabotage } from '../harness/run/sabotage.ts';

/** Faults of changes of the config, and of notifications. */
const sabotages: readonly Sabotage[] = [
  {
    name: 'day2.users-stay',
    what: 'userdel removes no user, but exits with 0',
    tests: ['day2.random-edits'],
    because: /user (ada|bob): .*expected nothing/,
    guest: 'mount --bind /usr/bin/true "$(readlink -f "$(command -v userdel)")"',
  },
  {
    name: 'day2.nothing-sent',
    what: 'curl sends nothing, but exits with 0',
    tests: ['day2.notify'],
    because: /^AssertionError.*the test message/,
    guest: 'mount --bind /usr/bin/true "$(readlink -f "$(command -v curl)")"',
  },
];

export default sabotages;
