import { encodeUtf8 } from '../io/utf8.ts';
import type { Accounts } from './actual.ts';
import type { NodeWish, UserWish, Wishes } from './wishes.ts';

/**
 * The home of a user, even if the user does not exist yet (useradd(8)) or had another home in the old config.
 */
function homeOf({ name, home }: UserWish, accounts: Accounts, was: UserWish | undefined): string {
  const own = was?.home === undefined ? accounts.home(name) : undefined;
  return home ?? own ?? (name === 'root' ? '/root' : `/home/${name}`);
}

/** The file for a user's keys, and the folders above it, which must belong to the user for sshd. */
function keyNodes(user: UserWish, accounts: Accounts, was: UserWish | undefined): NodeWish[] {
  if (user.keys.length === 0) return [];
  const folder = `${homeOf(user, accounts, was)}/.ssh`;
  const group = user.primaryGroup ?? user.name;
  const owned = { user: user.name, group };
  const bytes = encodeUtf8(`${user.keys.join('\n')}\n`);
  const inner = `${folder}/authorized_keys.d`;
  return [
    { type: 'directory', path: folder, mode: 0o700, ...owned },
    { type: 'directory', path: inner, mode: 0o700, ...owned },
    { type: 'file', path: `${inner}/ignition`, mode: 0o600, ...owned, contents: { bytes, gzip: false } },
  ];
}

/** The same wishes, with the files for users' keys. `before`: the old config. */
export function withKeys(wishes: Wishes, accounts: Accounts, before?: Wishes): Wishes {
  const nodes = [...wishes.users.values()].flatMap((user) =>
    keyNodes(user, accounts, before?.users.get(user.name)),
  );
  return { ...wishes, nodes: new Map([...nodes.map((node) => [node.path, node] as const), ...wishes.nodes]) };
}
