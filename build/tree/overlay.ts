import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { badInput } from '../../sdk/lib/errors.ts';
import { byteOrder, sha256 } from '../../sdk/lib/files.ts';
import { emptyFolder } from '../graph/empty-folder.ts';
import type { Content, Entry } from './entry.ts';

/**
 * A folder of the checkout as entries at the root of the tree. Files get mode 0644, or 0755 if their owner may execute
 * them; folders get 0755; root owns all. Symlinks are kept. Umask, owners, times and the order of the checkout do not
 * matter. `name` is the name in the origin: `n100/etc`. Contents are inline, because overlays are small. An empty folder
 * is refused, because git does not keep it.
 */
export async function readOverlay(folder: string, name: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  await walk(folder, '', `overlay:${name}`, entries);
  return entries;
}

async function walk(folder: string, prefix: string, origin: string, into: Entry[]): Promise<void> {
  const names = (await readdir(folder)).sort(byteOrder);
  if (names.length === 0) throw emptyFolder(folder);
  for (const name of names) {
    const source = join(folder, name);
    const path = `${prefix}${name}`;
    const common = { path, uid: 0, gid: 0, origin };
    const status = await lstat(source);
    if (status.isDirectory()) {
      into.push({ ...common, type: 'dir', mode: 0o755 });
      await walk(source, `${path}/`, origin, into);
    } else if (status.isSymbolicLink()) {
      into.push({ ...common, type: 'symlink', mode: 0o777, target: await readlink(source) });
    } else if (status.isFile()) {
      const mode = status.mode & 0o100 ? 0o755 : 0o644;
      into.push({ ...common, type: 'file', mode, content: inlineContent(await readFile(source)) });
    } else {
      throw badInput('neither a file, a folder nor a symlink', {
        where: source,
        hint: 'remove it from the overlay',
      });
    }
  }
}

/** Content that is stored in the tree document itself. */
export function inlineContent(data: Uint8Array | string): Content {
  const bytes = Buffer.from(data);
  const text = bytes.toString('utf8');
  const encoding = Buffer.from(text, 'utf8').equals(bytes) ? 'utf8' : 'base64';
  const inline = encoding === 'utf8' ? text : bytes.toString('base64');
  return { inline, encoding, size: bytes.length, sha256: sha256(bytes) };
}
