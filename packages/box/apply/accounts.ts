import { type Box, foldersAbove, mustRun } from '../io/box.ts';
import { readAccounts } from './actual.ts';
import type { AccountStep } from './plan.ts';
import type { UserWish } from './wishes.ts';

/** Files that a change of an account can touch. They are saved before it, and restored by a revert. */
export const ACCOUNT_FILES = ['passwd', 'shadow', 'group', 'gshadow', 'subuid', 'subgid'].map(
  (name) => `/etc/${name}`,
);

const word = (flag: string, value: string | number | undefined): string[] =>
  value === undefined ? [] : [flag, String(value)];

/**
 * Values for fields that a config does not set: the defaults of useradd(8), and for root the values of the release
 * (build/image/accounts.ts).
 */
const defaultsOf = (name: string) =>
  name === 'root'
    ? { comment: 'root', home: '/root', shell: '/bin/bash', passwordHash: '!*' }
    : { comment: '', home: `/home/${name}`, shell: '/bin/sh', passwordHash: '*' };

/** The wish with the default for each field that the config no longer sets, as on a machine where it was never set. */
function withDefaults(user: UserWish, was: UserWish | undefined): UserWish {
  if (was === undefined) return user;
  const { comment, home, shell, passwordHash } = defaultsOf(user.name);
  const back = <T>(now: T | undefined, before: T | undefined, otherwise: T): T | undefined =>
    now ?? (before === undefined ? undefined : otherwise);
  return {
    ...user,
    comment: back(user.comment, was.comment, comment),
    home: back(user.home, was.home, home),
    shell: back(user.shell, was.shell, shell),
    passwordHash: back(user.passwordHash, was.passwordHash, passwordHash),
    primaryGroup: back(user.primaryGroup, was.primaryGroup, user.name),
  };
}

/** Options that useradd(8) and usermod(8) share, as Ignition passes them (internal/exec/util/passwd.go). */
function common(user: UserWish): string[] {
  return [
    ...word('--uid', user.uid),
    ...word('--comment', user.comment),
    ...word('--gid', user.primaryGroup),
    ...word('--shell', user.shell),
    ...word('--password', user.passwordHash),
  ];
}

const listed = (groups: readonly string[], even: boolean): string[] =>
  groups.length > 0 || even ? ['--groups', groups.join(',')] : [];

function argvOf(step: AccountStep): string[] {
  switch (step.do) {
    case 'group-add':
      return ['groupadd', ...word('--gid', step.gid), ...(step.system ? ['--system'] : []), step.name];
    case 'group-remove':
      return ['groupdel', step.name];
    case 'user-add': {
      const { user } = step;
      return [
        'useradd',
        ...word('--home-dir', user.home),
        user.createHome ? '--create-home' : '--no-create-home',
        ...(user.userGroup ? [] : ['--no-user-group']),
        ...(user.system ? ['--system'] : []),
        // No password is valid. The account itself is not locked, so keys work.
        ...common({ ...user, passwordHash: user.passwordHash ?? '*' }),
        ...listed(user.groups, false),
        user.name,
      ];
    }
    case 'user-change': {
      const user = withDefaults(step.user, step.was);
      const left = step.was !== undefined && step.was.groups.length > 0;
      return [
        'usermod',
        ...word('--home', user.home),
        ...common(user),
        ...listed(user.groups, left),
        user.name,
      ];
    }
    case 'user-remove':
      // The home is not removed, because it is data.
      return ['userdel', step.name];
  }
}

/** Makes a home, because usermod(8) does not. An existing home is not changed. */
function makeHome(box: Box, step: AccountStep): void {
  if (step.do !== 'user-change' || !step.user.createHome) return;
  const { home, name } = withDefaults(step.user, step.was);
  if (home === undefined || box.lstat(home) !== undefined) return;
  mustRun(box, `the home of ${name}`, ['install', '-d', '-m', '0700', '-o', name, home]);
}

const SKEL = '/etc/skel';

/**
 * The paths that come with a new home: the folder, missing folders above it, and the files that useradd(8) copies from
 * /etc/skel. If the home exists already, there are none.
 */
export function newHomePaths(box: Box, steps: readonly AccountStep[]): string[] {
  const copied = box.lstat(SKEL) === undefined ? [] : box.list(SKEL);
  return steps.flatMap((step) => {
    if ((step.do !== 'user-add' && step.do !== 'user-change') || !step.user.createHome) return [];
    const home = step.user.home ?? defaultsOf(step.user.name).home;
    return box.lstat(home) === undefined
      ? [...foldersAbove(home), home, ...copied.map((name) => `${home}/${name}`)]
      : [];
  });
}

/** Whether somebody has done a step already: a person by hand, or userdel(8), which removes the group of a user. */
function isDone(box: Box, step: AccountStep): boolean {
  const accounts = readAccounts(box);
  if (step.do === 'group-add') return accounts.gid(step.name) !== undefined;
  if (step.do === 'group-remove') return accounts.gid(step.name) === undefined;
  return step.do === 'user-remove' && accounts.uid(step.name) === undefined;
}

/** Makes, changes and removes accounts. An account with new keys only is not changed here. */
export function changeAccounts(box: Box, steps: readonly AccountStep[]): void {
  for (const step of steps) {
    const argv = argvOf(step);
    if ((argv[0] === 'usermod' && argv.length === 2) || isDone(box, step)) continue;
    mustRun(box, `account ${argv[argv.length - 1]}`, argv);
    makeHome(box, step);
  }
}
