import { Failure } from '../../sdk/lib/errors.ts';
import type { Sha256 } from '../../sdk/lib/files.ts';
import type { Entry } from '../tree/entry.ts';
import type { TarMember } from './tar.ts';

/**
 * A tar name as `Entry.path`: no leading `./`, no trailing slash; the archive's root is ''.
 * Absolute names, `..`, empty components and names that are not UTF-8 are Failures.
 */
export function entryPath(name: string, where: string): string {
  const refuse = (why: string) => new Failure(`${JSON.stringify(name)}: ${why}`, { where });
  if (name.includes('\ufffd')) throw refuse('the name is not UTF-8');
  if (name.includes('\0')) throw refuse('the name has a NUL');
  if (name.startsWith('/')) throw refuse('an absolute path');
  const path = name.replace(/^\.(?:\/|$)/, '').replace(/\/$/, '');
  if (path === '') return '';
  for (const part of path.split('/')) {
    if (part === '..') throw refuse('leads out of the package with ".."');
    if (part === '' || part === '.') throw refuse('not a plain path');
  }
  return path;
}

/** Whether a symlink at `path` climbs above the root on its way to a relative `target`. */
function climbsOut(path: string, target: string): boolean {
  if (target.startsWith('/')) return false;
  let depth = path.split('/').length - 1;
  for (const part of target.split('/')) {
    if (part === '..') depth -= 1;
    else if (part !== '' && part !== '.') depth += 1;
    if (depth < 0) return true;
  }
  return false;
}

/**
 * Makes entries of the members of a package's data.tar. `blob`: the digest of that tar, which holds their content.
 * Allowed are regular files, folders, symlinks, and hard links to a regular file of the package. Each path may occur
 * once.
 */
export function entriesOf(members: readonly TarMember[], blob: Sha256, packageName: string): Entry[] {
  const where = `package ${packageName}`;
  const entries = new Map<string, Entry>();
  for (const member of members) {
    const path = entryPath(member.name, where);
    if (path === '') {
      if (member.type !== 'directory')
        throw new Failure('the root of the package is not a directory', { where });
      continue;
    }
    if (entries.has(path)) throw new Failure(`/${path} is in the package twice`, { where });
    entries.set(path, entryOf(member, path, blob, packageName, entries));
  }
  for (const path of entries.keys()) refuseOddParents(path, entries, where);
  return [...entries.values()];
}

function entryOf(
  member: TarMember,
  path: string,
  blob: Sha256,
  packageName: string,
  earlier: ReadonlyMap<string, Entry>,
): Entry {
  const where = `package ${packageName}`;
  const refuse = (why: string) => new Failure(`/${path}: ${why}`, { where });
  const { mode, uid, gid, offset, size, sha256, xattrs } = member;
  const origin = `deb:${packageName}`;
  const common = { path, mode, uid, gid, origin, ...(xattrs ? { xattrs } : {}) };
  if (![uid, gid].every((id) => Number.isSafeInteger(id) && id >= 0))
    throw refuse(`a wrong owner, ${uid}:${gid}`);
  if (member.type !== 'file' && size > 0)
    throw refuse(`a member of type ${member.type} with ${size} bytes of content`);
  switch (member.type) {
    case 'file':
      return { ...common, type: 'file', content: { blob, offset, size, sha256 } };
    case 'directory':
      return { ...common, type: 'dir' };
    case 'symlink':
      if (member.linkname === '' || /[\0\ufffd]/.test(member.linkname))
        throw refuse('a symlink without a usable target');
      if (climbsOut(path, member.linkname))
        throw refuse(`a symlink that leaves the root: ${member.linkname}`);
      return { ...common, type: 'symlink', target: member.linkname };
    case 'link': {
      const named = entryPath(member.linkname, `${where}, hard link /${path}`);
      const found = earlier.get(named);
      const file = found?.type === 'hardlink' ? earlier.get(found.target) : found;
      if (file?.type !== 'file')
        throw refuse(`a hard link to ${member.linkname}, which is not an earlier file of the package`);
      const { mode, uid, gid, xattrs } = file; // The link has the same inode as its file, so its own header does not count.
      return {
        path,
        mode,
        uid,
        gid,
        origin,
        ...(xattrs ? { xattrs } : {}),
        type: 'hardlink',
        target: file.path,
      };
    }
    default:
      throw refuse(
        `a member of type ${member.type}; only files, folders, symlinks and hard links may be in a package`,
      );
  }
}

function refuseOddParents(path: string, entries: ReadonlyMap<string, Entry>, where: string): void {
  for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
    const parent = entries.get(path.slice(0, slash));
    if (parent && parent.type !== 'dir') {
      throw new Failure(
        `/${path} lies below /${parent.path}, which is a ${parent.type} of the same package`,
        { where },
      );
    }
  }
}
