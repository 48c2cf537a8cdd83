import { readFile, writeFile } from 'node:fs/promises';
import { canonicalJson } from '../../sdk/lib/files.ts';
import { readPackage } from '../debian/package.ts';
import { recipe, type Target } from '../graph/target.ts';
import type { Entry, Tree } from '../tree/entry.ts';
import { writeFolder } from '../tree/folder.ts';

const BUILTIN = /^(?:usr\/)?(lib\/modules\/[^/]+\/modules\.builtin)$/;

/**
 * The list of built-in modules of a kernel package. A tree for checks has this list instead of the image's modules, so
 * that nobody waits minutes for modules to be compiled. Output: `Tree`.
 */
export const builtinList = recipe<{ kernel: Target }>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, out }) {
    const { entries } = await readPackage(inputs.kernel.path);
    const lists = entries.flatMap((entry): Entry[] => {
      const path = BUILTIN.exec(entry.path)?.[1];
      return path === undefined ? [] : [{ ...entry, path: `usr/${path}` }];
    });
    await writeFile(out, canonicalJson({ entries: lists } satisfies Tree));
  },
});

/** The files of a tree as a folder, for tools that read them. */
export const treeFolder = recipe<{ tree: Target }>({
  from: import.meta.url,
  kind: 'dir',
  async run({ inputs, out, blob, signal }) {
    const tree = JSON.parse(await readFile(inputs.tree.path, 'utf8')) as Tree;
    await writeFolder(tree, out, blob, signal);
  },
});
