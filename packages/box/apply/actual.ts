import { type Box, mustRun } from '../io/box.ts';
import { sha256 } from '../io/sha256.ts';
import type { Contents, NodeWish, Owner } from './wishes.ts';

/** The node at a path. */
export type Actual =
  | { readonly type: 'none' }
  | {
      readonly type: 'file' | 'directory' | 'other';
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
      /** SHA-256 of the contents of a file. */
      readonly digest?: string;
    }
  | { readonly type: 'link'; readonly target: string; readonly uid: number; readonly gid: number };

/** Number of paths on one command line. */
const AT_ONCE = 200;

function chunks<T>(items: readonly T[]): T[][] {
  const count = Math.ceil(items.length / AT_ONCE);
  return Array.from({ length: count }, (_, index) => items.slice(index * AT_ONCE, (index + 1) * AT_ONCE));
}

/**
 * Looks at all paths with few processes: for each two hundred paths, one for owners and modes and one for
 * digests.
 */
export function lookAt(box: Box, paths: readonly string[]): Map<string, Actual> {
  const found = new Map<string, Actual>();
  const present = paths.filter((path) => {
    const info = box.lstat(path);
    if (info === undefined) found.set(path, { type: 'none' });
    return info !== undefined;
  });
  for (const some of chunks(present)) {
    const owners = mustRun(box, 'owners cannot be read', ['stat', '--format=%u %g %a', '--', ...some]);
    for (const [index, line] of owners.trim().split('\n').entries()) {
      const [uid = 0, gid = 0] = line.split(' ').map(Number);
      found.set(some[index] ?? '', actualOf(box, some[index] ?? '', uid, gid));
    }
  }
  const files = [...found].filter(([, one]) => one.type === 'file').map(([path]) => path);
  for (const some of chunks(files)) {
    // With -z, sha256sum escapes no names.
    const sums = mustRun(box, 'files cannot be read', ['sha256sum', '-z', '--', ...some]);
    for (const line of sums.split('\0').filter((one) => one !== '')) {
      const one = found.get(line.slice(66));
      if (one?.type === 'file') found.set(line.slice(66), { ...one, digest: line.slice(0, 64) });
    }
  }
  return found;
}

function actualOf(box: Box, path: string, uid: number, gid: number): Actual {
  const info = box.lstat(path);
  if (info === undefined) return { type: 'none' };
  if (info.type === 'symlink') return { type: 'link', target: box.readLink(path), uid, gid };
  const type = info.type === 'file' || info.type === 'directory' ? info.type : 'other';
  return { type, mode: info.mode, uid, gid };
}

/** Numbers of accounts by name, from the machine's /etc/passwd and /etc/group. */
export interface Accounts {
  readonly uid: (owner: Owner) => number | undefined;
  readonly gid: (owner: Owner) => number | undefined;
  readonly home: (user: string) => string | undefined;
}

/** The users and groups of the box, from /etc/passwd and its companions. */
export function readAccounts(box: Box): Accounts {
  const rows = (path: string) =>
    new Map(
      box
        .readText(path)
        .split('\n')
        .map((line) => line.split(':'))
        .filter((cells) => cells.length > 2)
        .map((cells) => [cells[0] ?? '', cells]),
    );
  const users = rows('/etc/passwd');
  const groups = rows('/etc/group');
  const numberIn = (table: Map<string, string[]>) => (owner: Owner) => {
    if (typeof owner === 'number') return owner;
    const cell = table.get(owner)?.[2];
    return cell === undefined ? undefined : Number(cell);
  };
  return { uid: numberIn(users), gid: numberIn(groups), home: (user) => users.get(user)?.[5] };
}

const digests = new WeakMap<Uint8Array, string>();

function digestOnce(bytes: Uint8Array): string {
  const digest = digests.get(bytes) ?? sha256(bytes);
  digests.set(bytes, digest);
  return digest;
}

/** The SHA-256 that a file must have; undefined if only a fetch or an unpacking shows it. */
export function digestOf(contents: Contents): string | undefined {
  return 'bytes' in contents && !contents.gzip ? digestOnce(contents.bytes) : undefined;
}

/**
 * Whether the node at a path matches the config. `digest`: of the file's contents, if the config alone does
 * not show it.
 * A directory that exists matches, as for Ignition.
 */
export function isAsWished(
  wish: NodeWish,
  actual: Actual,
  accounts: Accounts,
  digest: string | undefined,
): boolean {
  if (wish.type === 'link') {
    // A hard link is another name of a file. Whether it is the right file is not checked.
    if (wish.hard) return actual.type === 'file';
    return actual.type === 'link' && actual.target === wish.target;
  }
  if (actual.type !== wish.type) return false;
  if (actual.uid !== accounts.uid(wish.user) || actual.gid !== accounts.gid(wish.group)) return false;
  if (actual.mode !== wish.mode) return false;
  return wish.type === 'directory' || digest === undefined || actual.digest === digest;
}
