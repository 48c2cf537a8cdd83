import { compact, type Json } from '../json/value.ts';
import type { Text } from '../secret.ts';
import { type Fragment, matching } from './fragment.ts';

export interface UserOptions {
  readonly uid?: number;
  readonly gecos?: string;
  readonly home?: string;
  readonly shell?: string;
  readonly groups?: readonly string[];
  readonly primaryGroup?: string;
  /** A crypt(5) hash, never a password. */
  readonly passwordHash?: Text;
  readonly sshKeys?: readonly string[];
  readonly system?: boolean;
}

const NAME = /^[a-z_][a-z0-9_-]{0,31}$/;

function userName(name: string): string {
  return matching(name, NAME, 'user name', 'use lower case letters, digits, - and _ (useradd(8))');
}

/** One public key, as `authorized_keys` has it (sshd(8)). */
export function sshKey(user: string, key: string): Fragment {
  const shape = /^(?:\S+ )?(?:ssh-|ecdsa-|sk-)\S+ [A-Za-z0-9+/]+=*(?: .*)?$/;
  const checked = matching(key.trim(), shape, 'public SSH key', 'paste the line of the .pub file');
  return { passwd: { users: [{ name: userName(user), sshAuthorizedKeys: [checked] }] } };
}

/** A user (spec 3.3, passwd.users); one that exists is changed. */
export function user(name: string, options: UserOptions = {}): Fragment {
  const { home, sshKeys = [], groups, ...same } = options;
  const keys = sshKeys.map(
    (key) => sshKey(name, key) as { passwd: { users: { sshAuthorizedKeys: string[] }[] } },
  );
  const sshAuthorizedKeys = keys.flatMap(({ passwd }) =>
    passwd.users.flatMap((entry) => entry.sshAuthorizedKeys),
  );
  const entry = compact({
    name: userName(name),
    ...(same as { [key: string]: Json }),
    homeDir: home,
    groups: groups && [...groups],
    sshAuthorizedKeys,
  });
  return { passwd: { users: [entry] } };
}

/** A group (spec 3.3, passwd.groups). */
export function group(
  name: string,
  { gid, system }: { readonly gid?: number; readonly system?: boolean } = {},
): Fragment {
  return { passwd: { groups: [compact({ name: userName(name), gid, system })] } };
}
