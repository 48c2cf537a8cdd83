import { lstatSync, readdirSync, readlinkSync, type Stats, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { badInput } from '../../sdk/lib/errors.ts';
import { byteOrder, type Sha256, sha256 } from '../../sdk/lib/files.ts';
import { emptyFolder } from './empty-folder.ts';
import { type Facts, fileDigest } from './facts.ts';

/** Absolute path of a source. Relative paths start at the root of the checkout. */
export function sourcePath(source: string): string {
  return resolve(CHECKOUT, source);
}

/**
 * Digest of a source. For a file, its SHA-256. For a folder, that of a sorted listing with the path, type,
 * executable bit, and content or link target of each entry. Owner, umask, times and the order of readdir(3)
 * do not count.
 * An empty folder is an error, because a clone would not have it. `user` names target and input in errors.
 */
export function sourceDigest(facts: Facts, source: string, user: string): Sha256 {
  const path = sourcePath(source);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) throw badInput(`${user}: the source does not exist`, { where: path });
  if (stat.isFile()) return fileDigest(facts, path);
  if (!stat.isDirectory()) throw badInput(`${user}: a source must be a file or a folder`, { where: path });
  const lines: string[] = [];
  list(facts, path, '', user, lines);
  return sha256(lines.join('\n'));
}

function list(facts: Facts, folder: string, prefix: string, user: string, lines: string[]): void {
  const names = readdirSync(folder).sort(byteOrder);
  if (names.length === 0) throw emptyFolder(folder);
  for (const name of names) {
    const path = join(folder, name);
    const stat = lstatSync(path);
    const shown = JSON.stringify(prefix + name);
    lines.push(`${shown} ${describe(facts, path, stat, user)}`);
    if (stat.isDirectory()) list(facts, path, `${prefix}${name}/`, user, lines);
  }
}

function describe(facts: Facts, path: string, stat: Stats, user: string): string {
  if (stat.isFile()) return `${(stat.mode & 0o100) !== 0 ? 'executable' : 'file'} ${fileDigest(facts, path)}`;
  if (stat.isSymbolicLink()) return `symlink ${JSON.stringify(readlinkSync(path))}`;
  if (stat.isDirectory()) return 'dir';
  throw badInput(`${user}: a source may hold files, folders and symbolic links only`, { where: path });
}
