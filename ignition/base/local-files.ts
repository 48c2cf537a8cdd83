import { lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { errorCode } from '../../sdk/lib/errors.ts';
import { byteOrder } from '../../sdk/lib/files.ts';

/**
 * Local files that a config embeds. All of them, link targets included, must lie in the folder of the config.
 */

/** The reason why a local file cannot be embedded. The message is `what; hint`. */
export class LocalFault extends Error {
  constructor(
    readonly what: string,
    readonly hint: string,
  ) {
    super(`${what}; ${hint}`);
  }
}

/** The largest local file that a config may embed, in bytes. Larger files are fetched by URL. */
const MAX_LOCAL = 32 * 1024 * 1024;

const WHYS: Readonly<Record<string, readonly [string, string]>> = {
  ENOENT: [
    'does not exist',
    'write it from the folder of the config, or name another one: --files-dir FOLDER',
  ],
  EACCES: ['is not readable', 'chmod u+r it'],
  ENOTDIR: ['lies below a file', 'write it from the folder of the config'],
  ELOOP: ['is a link that leads to itself', 'name the file'],
};

function readable<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined) throw error;
    const [why, hint] = WHYS[code] ?? [`cannot be read (${code})`, 'name another file'];
    throw new LocalFault(`local file ${path} ${why}`, hint);
  }
}

const isInside = (folder: string, path: string): boolean => {
  const below = relative(folder, path);
  return !/^\.\.(\/|$)/.test(below) && !isAbsolute(below);
};

/**
 * Absolute path of a file that a config names, with links resolved.
 * @throws LocalFault if the file is missing or outside the folder
 */
function localPath(folder: string, name: string): string {
  const path = resolve(folder, name);
  if (!isInside(resolve(folder), path))
    throw new LocalFault(
      `local file ${name} lies outside the config's folder`,
      'copy it there, or name a folder above both: --files-dir FOLDER',
    );
  const real = readable(name, () => realpathSync(path));
  if (!isInside(realpathSync(folder), real)) {
    throw new LocalFault(
      `local file ${name} is a link to outside the config's folder`,
      'put the file in the place of the link',
    );
  }
  return real;
}

/**
 * The bytes of a local file.
 * @throws LocalFault
 */
export function readLocal(folder: string, name: string): Buffer {
  const path = localPath(folder, name);
  const stat = lstatSync(path);
  if (!stat.isFile())
    throw new LocalFault(
      `local file ${name} is not a regular file`,
      'name a file, or take a folder over by storage.trees',
    );
  if (stat.size > MAX_LOCAL)
    throw new LocalFault(
      `local file ${name} has ${stat.size} bytes, the limit is ${MAX_LOCAL}`,
      'let it be fetched by URL (source)',
    );
  return readable(name, () => readFileSync(path));
}

/** A file, link or folder below a local folder that a config embeds. */
export type TreeNode =
  | { readonly path: string; readonly kind: 'file'; readonly contents: Buffer; readonly executable: boolean }
  | { readonly path: string; readonly kind: 'link'; readonly target: string }
  | { readonly path: string; readonly kind: 'folder' };

/** Files, links and folders below a folder, in byte order of their paths relative to it. @throws LocalFault */
export function readTree(folder: string, name: string): TreeNode[] {
  const root = localPath(folder, name);
  if (!lstatSync(root).isDirectory())
    throw new LocalFault(`${name} is not a folder`, 'name a folder, or write a file under storage.files');
  const nodes: TreeNode[] = [];
  const visit = (below: string): void => {
    for (const child of readdirSync(join(root, below)).sort(byteOrder)) {
      const path = below === '' ? child : `${below}/${child}`;
      const full = join(root, path);
      const stat = lstatSync(full);
      if (stat.isDirectory()) {
        nodes.push({ path, kind: 'folder' });
        visit(path);
      } else if (stat.isSymbolicLink()) nodes.push({ path, kind: 'link', target: readlinkSync(full) });
      else if (stat.isFile()) {
        const contents = readLocal(root, path);
        nodes.push({ path, kind: 'file', contents, executable: (stat.mode & 0o111) !== 0 });
      } else throw new LocalFault(`${name}/${path} is neither a file, a folder nor a link`, 'remove it');
    }
  };
  visit('');
  return nodes;
}
