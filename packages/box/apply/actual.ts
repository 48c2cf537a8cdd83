import { type Box, mustRun, removeTree } from '../io/box.ts';
import { sha256 } from '../io/sha256.ts';
import { type Contents, isKept, type NodeWish, type Owner } from './wishes.ts';

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

/** SHA-256 of files, by path. sha256sum makes them, because QuickJS would take a microsecond for each byte. */
export function digestsOf(box: Box, files: readonly string[]): Map<string, string> {
  return new Map(
    chunks(files).flatMap((some) =>
      // With -z, sha256sum escapes no names.
      mustRun(box, 'files cannot be read', ['sha256sum', '-z', '--', ...some])
        .split('\0')
        .filter((line) => line !== '')
        .map((line) => [line.slice(66), line.slice(0, 64)] as const),
    ),
  );
}

/** Looks at all paths: at owners and modes, and at the digests of files. */
export function lookAt(box: Box, paths: readonly string[]): Map<string, Actual> {
  const found = new Map(paths.map((path) => [path, actualOf(box, path)]));
  const files = [...found].flatMap(([path, { type }]) => (type === 'file' ? [path] : []));
  for (const [path, digest] of digestsOf(box, files)) {
    const one = found.get(path);
    if (one?.type === 'file') found.set(path, { ...one, digest });
  }
  return found;
}

function actualOf(box: Box, path: string): Actual {
  const info = box.lstat(path);
  if (info === undefined) return { type: 'none' };
  const { type, mode, uid, gid } = info;
  if (type === 'symlink') return { type: 'link', target: box.readLink(path), uid, gid };
  return { type: type === 'file' || type === 'directory' ? type : 'other', mode, uid, gid };
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

/** Makes the digests of all contents in configs with one sha256sum(1), so that `digestOf` finds them later. */
export function digestAll(box: Box, nodes: Iterable<NodeWish>): void {
  const contents = [...nodes].flatMap((node) => (node.type === 'file' ? [node.contents] : []));
  const unknown = contents.flatMap((one) =>
    'bytes' in one && !one.gzip && !digests.has(one.bytes) ? [one.bytes] : [],
  );
  // Each call has its own folder, because a plan may be made during an apply.
  const folder = `/run/draisine/digests.${box.readLink('/proc/self')}`;
  const files = new Map([...new Set(unknown)].map((bytes, index) => [`${folder}/${index}`, bytes]));
  if (files.size === 0) return;
  removeTree(box, folder);
  box.makeFolder(folder, 0o700);
  try {
    for (const [path, bytes] of files) box.writeFile(path, bytes, { mode: 0o600, durable: false });
    for (const [path, digest] of digestsOf(box, [...files.keys()])) digests.set(files.get(path)!, digest);
  } finally {
    removeTree(box, folder);
  }
}

/** The SHA-256 that a file must have; undefined if only a fetch or an unpacking shows it. */
export function digestOf(contents: Contents): string | undefined {
  return 'bytes' in contents && !contents.gzip && !isKept(contents) ? digestOnce(contents.bytes) : undefined;
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
  if (actual.mode !== wish.mode && !('anyMode' in wish)) return false;
  if (wish.type === 'directory' || isKept(wish.contents)) return true;
  return digest === undefined || actual.digest === digest;
}
