import type { JsonObject } from '../json/value.ts';
import { isPasswordHash } from '../sugar/user.ts';
import { member, structs, textOf } from './contents.ts';
import type { Finding } from './finding.ts';
import { accountsOf } from './paths.ts';

/** Accounts in groups that neither the image nor the config has: useradd(8) fails, and so does the boot. */
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

/** Names that every version of useradd(8) refuses. */
const BAD_NAME = /^$|^[-+~]|[\s:,/]/;
/** A key of authorized_keys(5): options, its type, the key in Base64, which begins with the type again. */
const KEY =
  /^(\S.*\s)?(ssh-(ed25519|rsa|dss)|ecdsa-sha2-nistp\d+|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)(-cert-v01@openssh\.com)?\s+AAAA[A-Za-z0-9+/]*={0,2}(\s.*)?$/;

/** Lines of `sshAuthorizedKeys` that are not valid public keys. */
function badKeys(config: JsonObject): Finding[] {
  return accountsOf(config).flatMap(({ user, at }) =>
    (Array.isArray(user.sshAuthorizedKeys) ? user.sshAuthorizedKeys : []).flatMap((key, index): Finding[] => {
      const text = textOf(key).trim();
      if (text === '' || text.startsWith('#') || KEY.test(text)) return [];
      const path = [...at, 'sshAuthorizedKeys', index];
      if (/PRIVATE KEY/.test(text))
        return [
          {
            path,
            message:
              'this is a private key, which every reader of the config has then; write the public one, of the file that ends with .pub, and make a new pair',
          },
        ];
      const what = /\$\{|\{\{|<%/.test(text)
        ? 'a placeholder of a template was left in; fill the template in first'
        : 'write the line of a file that ends with .pub: TYPE AAAA… COMMENT';
      return [{ path, message: `not a public key of SSH, so nobody can log in with it; ${what}` }];
    }),
  );
}

/** Numbers and names with which useradd(8) fails, and with it the boot. `passwdFile`: of the image. */
export function checkUsers(config: JsonObject, passwdFile: string): Finding[] {
  const shipped = passwdFile.split('\n').map((line) => line.split(':'));
  const names = new Set(shipped.map(([name = '']) => name));
  const owners = new Map(shipped.map(([name = '', , uid = '']) => [uid, name]));
  return accountsOf(config).flatMap(({ name, at, user }): Finding[] => {
    const findings: Finding[] = [];
    const stops = (key: string, message: string): void =>
      void findings.push({ kind: 'error', path: [...at, key], message });
    if (BAD_NAME.test(name))
      stops(
        'name',
        `useradd refuses the name ${JSON.stringify(name)}, which stops the boot; write small letters, digits, - and _`,
      );
    const uid = user.uid === undefined ? '' : String(user.uid);
    const owner = owners.get(uid);
    if (uid.startsWith('-'))
      stops(
        'uid',
        `${uid} is not the number of a user, which stops the boot; leave it out, or write one from 1000`,
      );
    else if (uid !== '' && owner !== undefined && owner !== name)
      stops(
        'uid',
        `${owner} has the number ${uid}, which stops the boot; leave it out, or write another one from 1000`,
      );
    if (uid !== '' && !owners.has(uid)) owners.set(uid, name);
    for (const key of ['gecos', 'homeDir', 'shell'])
      if (/[:\n]/.test(textOf(user[key])))
        stops(key, 'useradd refuses a colon and a line break here, which stops the boot; leave them out');
    const shell = textOf(user.shell);
    if (shell !== '' && !shell.startsWith('/') && !names.has(name))
      stops(
        'shell',
        `the shell ${shell} is not absolute, which useradd refuses, and that stops the boot; write /bin/${shell}`,
      );
    return findings;
  });
}

/** Passwords in plain text, and homes that useradd(8) refuses. */
export function checkAccounts(config: JsonObject): Finding[] {
  const groups = structs(member(config.passwd, 'groups')).map((group, index) => ({
    holder: group,
    at: ['passwd', 'groups', index],
  }));
  const users = accountsOf(config);
  const holders = [...users.map(({ user, at }) => ({ holder: user, at })), ...groups];
  const plain = holders.flatMap(({ holder, at }): Finding[] => {
    if (isPasswordHash(textOf(holder.passwordHash))) return [];
    const message =
      'not the hash of a password: nobody can log in with it, and a password in plain text can be read by everybody; make a hash with: openssl passwd -6';
    return [{ path: [...at, 'passwordHash'], message }];
  });
  const relative = users.flatMap(({ home, at }): Finding[] => {
    if (home.startsWith('/')) return [];
    const message = `the home ${home} is not absolute, so useradd refuses it, which stops the boot; write /home/${home}`;
    return [{ kind: 'error', path: [...at, 'homeDir'], message }];
  });
  return [...plain, ...badKeys(config), ...relative];
}
