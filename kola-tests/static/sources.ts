import { readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { byteOrder } from '../../sdk/lib/files.ts';

/** Folders of a checkout that hold nothing of ours. */
const NOT_OURS = new Set(['.git', 'node_modules', 'out']);

/** The paths of our files below a folder, relative to it, sorted. Links are left out. */
export async function sourceFiles(root: string): Promise<string[]> {
  const found: string[] = [];
  const visit = async (folder: string): Promise<void> => {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory() && !NOT_OURS.has(entry.name)) await visit(path);
      else if (entry.isFile()) found.push(path);
    }
  };
  await visit(root);
  return found.map((path) => relative(root, path).replaceAll(sep, '/')).sort(byteOrder);
}
