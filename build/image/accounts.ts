import { badInput } from '../../sdk/lib/errors.ts';
import { byteOrder } from '../../sdk/lib/files.ts';
import type { Tree } from '../tree/entry.ts';
import { type Generated, generatedFile } from './generated.ts';

/** A line of group(5). */
export interface Group {
  readonly name: string;
  readonly gid: number;
}

/** A line of passwd(5). */
export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly comment: string;
  readonly home: string;
  readonly shell: string;
}

/** All accounts of an image, with their numbers. */
export interface Accounts {
  readonly users: readonly User[];
  readonly groups: readonly Group[];
  /** Accounts that a package's sysusers.d names and the image does not have. */
  readonly unused: readonly string[];
}

/**
 * The range from which podman takes user ids for `--userns=auto`. podman-run(1) says the name. The numbers are above
 * those that useradd gives to users. They are pinned, because files in volumes carry them.
 */
const SUBORDINATE = 'containers:2147483647:2147483648\n';

/** passwd(5), group(5), shadow(5) and gshadow(5). Every password is locked: keys only. */
export function accountFiles({ users, groups }: Accounts): Generated[] {
  const lines = (rows: readonly string[]) => rows.map((row) => `${row}\n`).join('');
  return [
    generatedFile(
      'etc/passwd',
      lines(users.map((u) => `${u.name}:x:${u.uid}:${u.gid}:${u.comment}:${u.home}:${u.shell}`)),
      'accounts',
    ),
    generatedFile('etc/group', lines(groups.map((g) => `${g.name}:x:${g.gid}:`)), 'accounts'),
    generatedFile('etc/shadow', lines(users.map((u) => `${u.name}:!*:::::::`)), 'accounts', {
      mode: 0o640,
      gid: gidOf(groups, 'shadow'),
    }),
    generatedFile('etc/gshadow', lines(groups.map((g) => `${g.name}:!*::`)), 'accounts', {
      mode: 0o640,
      gid: gidOf(groups, 'shadow'),
    }),
    generatedFile('etc/subuid', SUBORDINATE, 'accounts'),
    generatedFile('etc/subgid', SUBORDINATE, 'accounts'),
  ];
}

/**
 * The same accounts in sysusers.d(5). A machine with users of its own has its own lists, which hide those of the release.
 * systemd-sysusers adds the accounts of a new release there.
 */
export function sysusersFile({ users, groups }: Accounts): Generated {
  // The group's name, not its number: a machine may have given the number to another group.
  const groupOf = (gid: number) => groups.find((group) => group.gid === gid)?.name ?? gid;
  const rows = [
    ...groups.map(({ name, gid }) => `g ${name} ${gid}`),
    ...users.map((u) => `u ${u.name} ${u.uid}:${groupOf(u.gid)} "${u.comment}" ${u.home} ${u.shell}`),
  ];
  return generatedFile('usr/lib/sysusers.d/draisine.conf', `${rows.join('\n')}\n`, 'accounts');
}

/** Names of the users and groups of a sysusers.d(5) file. */
export function declaredIn(text: string): string[] {
  return text.split('\n').flatMap((line) => {
    const [kind = '', name] = line.trim().split(/\s+/);
    return name !== undefined && /^[ug]!?$/.test(kind) ? [name] : [];
  });
}

/**
 * Every user and group that a package declares (sysusers.d(5)) must be pinned or listed as unused. Otherwise its number
 * would depend on the order of the packages.
 */
export function checkAccounts(tree: Tree, accounts: Accounts, read: (path: string) => string): void {
  const known = new Set(
    [...accounts.users, ...accounts.groups].map(({ name }) => name).concat(accounts.unused),
  );
  const unknown = new Map<string, string>();
  for (const { path, type } of tree.entries) {
    if (type !== 'file' || !/^usr\/lib\/sysusers\.d\/[^/]+\.conf$/.test(path)) continue;
    for (const name of declaredIn(read(path))) {
      if (!known.has(name)) unknown.set(name, `/${path}`);
    }
  }
  if (unknown.size === 0) return;
  const names = [...unknown].sort(([a], [b]) => byteOrder(a, b)).map(([name, path]) => `${name} (${path})`);
  throw badInput(`accounts without a pinned number: ${names.join(', ')}`, {
    where: 'packages/system/users.ts',
    hint: 'give each a number there, or list it as unused',
  });
}

function gidOf(groups: readonly Group[], name: string): number {
  const group = groups.find((each) => each.name === name);
  if (!group) throw badInput(`no group ${name}`, { where: 'packages/system/users.ts' });
  return group.gid;
}
