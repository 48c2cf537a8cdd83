import { type Box, BoxError, folderOf, mustRun, nameOf } from '../io/box.ts';
import { type Accounts, digestsOf } from './actual.ts';
import { type NodeStep, pathOf } from './plan.ts';
import { type Contents, isKept, type NodeWish, type Owner } from './wishes.ts';

/** The release's defaults of /etc (docs/design.md). A removed file of /etc becomes its default again. */
export const VENDOR = '/usr/share/draisine';

/** Contents that were fetched or unpacked, by path. The files are in a folder of the apply. */
export type Fetched = ReadonlyMap<string, string>;

/** Fetches and unpacks contents before anything changes, because the config may break the network. */
export function fetchAll(box: Box, steps: readonly NodeStep[], folder: string): Fetched {
  const fetched = new Map<string, string>();
  for (const step of steps) {
    if (step.do !== 'write' || step.node.type !== 'file') continue;
    const { contents, path } = step.node;
    if ('bytes' in contents && !contents.gzip) continue;
    const file = `${folder}/${fetched.size}`;
    fetchOne(box, path, contents, file);
    fetched.set(path, file);
  }
  return fetched;
}

function fetchOne(box: Box, path: string, contents: Contents, file: string): void {
  const packed = contents.gzip ? `${file}.gz` : file;
  if ('bytes' in contents) box.writeFile(packed, contents.bytes, { mode: 0o600, durable: false });
  else
    mustRun(box, `the contents of ${path} cannot be fetched`, [
      ...['curl', '--fail', '--silent', '--show-error', '--location', '--proto', '=http,https,tftp'],
      ...['--max-time', '300', '--output', packed, '--', contents.url],
    ]);
  if (!('bytes' in contents) && contents.sha512 !== undefined) {
    const found = mustRun(box, 'sha512sum', ['sha512sum', packed]).slice(0, 128);
    if (found !== contents.sha512)
      throw new BoxError(`what ${contents.url} gives is not what the config pins`, { where: path });
  }
  if (!contents.gzip) return;
  const unpacked = box.run(['gzip', '-dc', packed], { stdoutFile: file });
  if (unpacked.code !== 0) throw new BoxError('its contents are not gzip', { where: path });
}

function numberOf(
  look: (owner: Owner) => number | undefined,
  owner: Owner,
  what: string,
  path: string,
): number {
  const number = look(owner);
  if (number === undefined) throw new BoxError(`there is no ${what} ${owner}`, { where: path });
  return number;
}

/** The temporary path of a new node. */
export const makingOf = (path: string): string => `${folderOf(path)}/.${nameOf(path)}.draisine-new`;

/** Removes a node of another kind from the path; a folder only if it is empty. */
function makeRoom(box: Box, { path, type }: NodeWish): void {
  const there = box.lstat(path);
  if (there === undefined || (there.type === 'directory') === (type === 'directory')) return;
  if (there.type === 'directory' && box.list(path).length > 0)
    throw new BoxError(`a folder with something in it is where the config has a ${type}`, {
      where: path,
      hint: 'move it away by hand',
    });
  box.remove(path);
}

/**
 * Gives a path its owner and its mode. It calls chown and chmod only if they differ, because each program takes time.
 * The owner comes first, because chown(2) clears the setuid bit.
 */
function own(box: Box, path: string, uid: number, gid: number, mode: number): void {
  const is = box.lstat(path);
  const given = is?.uid === uid && is.gid === gid;
  if (!given) mustRun(box, `${path} cannot be set`, ['chown', `${uid}:${gid}`, path]);
  if (!given || is.mode !== mode)
    mustRun(box, `${path} cannot be set`, ['chmod', mode.toString(8).padStart(4, '0'), path]);
}

/** Writes one path atomically: a temporary node gets its owner and mode, then the name. */
function writeNode(box: Box, node: NodeWish, accounts: Accounts, fetched: Fetched): void {
  const { path } = node;
  const uid = numberOf(accounts.uid, node.user, 'user', path);
  const gid = numberOf(accounts.gid, node.group, 'group', path);
  const making = makingOf(path);
  box.makeFolder(folderOf(path));
  if (node.type === 'directory') {
    makeRoom(box, node);
    box.makeFolder(path, node.mode);
    own(box, path, uid, gid, node.mode);
    return;
  }
  const there = box.lstat(path);
  if (node.type === 'file' && isKept(node.contents) && there?.type === 'file') {
    own(box, path, uid, gid, node.anyMode ? there.mode : node.mode);
    return;
  }
  box.remove(making);
  if (node.type === 'link') {
    if (node.hard) mustRun(box, `${path} cannot be linked`, ['ln', node.target, making]);
    else box.symlink(node.target, making);
    const is = box.lstat(making);
    if (!node.hard && (is?.uid !== uid || is.gid !== gid))
      mustRun(box, `${path} cannot be set`, ['chown', '-h', `${uid}:${gid}`, making]);
  } else {
    const from = fetched.get(path);
    if (from !== undefined) mustRun(box, `${path} cannot be written`, ['cp', '-T', '--', from, making]);
    else if ('bytes' in node.contents)
      box.writeFile(making, node.contents.bytes, { mode: node.mode & 0o755, durable: false });
    own(box, making, uid, gid, node.mode);
  }
  makeRoom(box, node);
  box.rename(making, path);
}

/** Removes a path. A default of the release comes back as a copy: a whiteout of the overlay would hide it for ever. */
function removeNode(box: Box, path: string): void {
  const vendor = path.startsWith('/etc/') ? box.lstat(`${VENDOR}${path}`) : undefined;
  if (vendor !== undefined && vendor.type !== 'directory') {
    mustRun(box, `${path} cannot be set back`, ['cp', '-a', '-T', '--', `${VENDOR}${path}`, makingOf(path)]);
    box.rename(makingOf(path), path);
    return;
  }
  if (box.lstat(path)?.type === 'directory' && box.list(path).length > 0) return;
  box.remove(path);
}

/**
 * Carries out the steps of a plan in order. Returns the digests of the written files, by path. Nothing is flushed to the
 * disk: until the journal says `unconfirmed`, a power cut restores every path from the backup (`flush`).
 */
export function changeNodes(
  box: Box,
  steps: readonly NodeStep[],
  accounts: Accounts,
  fetched: Fetched,
): Map<string, string> {
  for (const step of steps) {
    if (step.do === 'remove') removeNode(box, pathOf(step));
    else writeNode(box, step.node, accounts, fetched);
  }
  return digestsOf(
    box,
    steps.flatMap((step) => (step.do === 'write' && step.node.type === 'file' ? [step.node.path] : [])),
  );
}

/**
 * Flushes the file systems with these paths, and always the root file system: systemctl does not flush the links that it
 * makes, and the files of /etc lie there too.
 */
export function flush(box: Box, paths: readonly string[]): void {
  const folders = new Set(['/', ...paths.map(folderOf).filter((folder) => !/^\/etc(\/|$)/.test(folder))]);
  const there = [...folders].filter((folder) => box.stat(folder) !== undefined);
  mustRun(box, 'what was written cannot be flushed', ['sync', '--file-system', '--', ...there]);
}
