import { type Box, mustRun } from '../io/box.ts';
import type { AccountStep } from './plan.ts';
import type { UserWish } from './wishes.ts';

/** Files that an account can change: saved before, put back by a revert. */
export const ACCOUNT_FILES = ['passwd', 'shadow', 'group', 'gshadow', 'subuid', 'subgid'].map(
  (name) => `/etc/${name}`,
);

const word = (flag: string, value: string | number | undefined): string[] =>
  value === undefined ? [] : [flag, String(value)];

/** Words that useradd(8) and usermod(8) have in common, as Ignition gives them (internal/exec/util/passwd.go). */
function common(user: UserWish): string[] {
  return [
    ...word('--uid', user.uid),
    ...word('--comment', user.comment),
    ...word('--gid', user.primaryGroup),
    ...(user.groups.length > 0 ? ['--groups', user.groups.join(',')] : []),
    ...word('--shell', user.shell),
    ...word('--password', user.passwordHash),
  ];
}

function argvOf(step: AccountStep): string[] {
  switch (step.do) {
    case 'group-add':
      return ['groupadd', ...word('--gid', step.gid), ...(step.system ? ['--system'] : []), step.name];
    case 'group-remove':
      return ['groupdel', step.name];
    case 'user-add':
      return [
        'useradd',
        ...(step.user.home === undefined ? [] : ['--home-dir', step.user.home]),
        ...(step.user.system ? ['--system'] : ['--create-home']),
        ...common(step.user),
        step.user.name,
      ];
    case 'user-change':
      return ['usermod', ...word('--home', step.user.home), ...common(step.user), step.user.name];
    case 'user-remove':
      // The home stays: it is data.
      return ['userdel', step.name];
  }
}

/** Makes, changes and removes accounts. A change of keys alone is no change of the account. */
export function changeAccounts(box: Box, steps: readonly AccountStep[]): void {
  for (const step of steps) {
    const argv = argvOf(step);
    if (argv[0] === 'usermod' && argv.length === 2) continue;
    mustRun(box, `account ${argv[argv.length - 1]}`, argv);
  }
}
