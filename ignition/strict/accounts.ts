import type { JsonObject } from '../json/value.ts';
import { member, structs, textOf } from './contents.ts';
import type { Finding } from './finding.ts';
import { accountsOf } from './paths.ts';

/** Accounts in groups that are neither in the image nor in the config: useradd(8) fails, and with it the boot. */
export function checkGroups(config: JsonObject, groupFile: string): Finding[] {
  const users = structs(member(config.passwd, 'users'));
  const groups = new Set([
    ...groupFile.split('\n').map((line) => line.split(':')[0] ?? ''),
    ...[...structs(member(config.passwd, 'groups')), ...users].map(({ name }) => textOf(name)),
  ]);
  return users.flatMap((user, index) => {
    const named = (Array.isArray(user.groups) ? user.groups : []).map((group, number) => ({
      group: textOf(group),
      path: ['passwd', 'users', index, 'groups', number],
    }));
    const primary = { group: textOf(user.primaryGroup), path: ['passwd', 'users', index, 'primaryGroup'] };
    return [primary, ...named].flatMap(({ group, path }): Finding[] =>
      group === '' || groups.has(group) || /^[0-9]+$/.test(group)
        ? []
        : [
            {
              kind: 'error',
              path,
              message: `no group ${group}: neither the image nor this config has it, which stops the boot; add it to passwd.groups`,
            },
          ],
    );
  });
}

/** A hash of crypt(5), an empty one, or one that nothing matches. */
const HASH = /^(\$\S+\$.+|_[./0-9A-Za-z]{19}|[./0-9A-Za-z]{13}|[!*x].*|)$/;

/** Passwords written out, and homes that useradd(8) refuses. */
export function checkAccounts(config: JsonObject): Finding[] {
  const groups = structs(member(config.passwd, 'groups')).map((group, index) => ({
    holder: group,
    at: ['passwd', 'groups', index],
  }));
  const users = accountsOf(config);
  const holders = [...users.map(({ user, at }) => ({ holder: user, at })), ...groups];
  const plain = holders.flatMap(({ holder, at }): Finding[] => {
    if (HASH.test(textOf(holder.passwordHash))) return [];
    const message =
      'this is no hash of a password: nobody can log in with it, and if it is the password itself, everybody can read it; make one with: openssl passwd -6';
    return [{ path: [...at, 'passwordHash'], message }];
  });
  const relative = users.flatMap(({ home, at }): Finding[] => {
    if (home.startsWith('/')) return [];
    const message = `the home ${home} is not absolute, which useradd refuses, and that stops the boot; write /home/${home}`;
    return [{ kind: 'error', path: [...at, 'homeDir'], message }];
  });
  return [...plain, ...relative];
}
