import { readFile, writeFile } from 'node:fs/promises';
import { canonicalJson } from '../../sdk/lib/files.ts';
import { readPackage } from '../debian/package.ts';
import { recipe, type Target } from '../graph/target.ts';
import type { Entry, Tree } from '../tree/entry.ts';
import { writeFolder } from '../tree/folder.ts';

const BUILTIN = /^(?:usr\/)?(lib\/modules\/[^/]+\/modules\.builtin)$/;

/**
 * Of a kernel package only the list of what is compiled in. In the place of an image's modules it makes a tree for
 * looking at: modules of recipes, minutes of compiling, are not waited for. Output: `Tree`.
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

/** The files of a tree as a folder, for tools that look at them. */
export const treeFolder = recipe<{ tree: Target }>({
  from: import.meta.url,
  kind: 'dir',
  async run({ inputs, out, blob, signal }) {
    const tree = JSON.parse(await readFile(inputs.tree.path, 'utf8')) as Tree;
    await writeFolder(tree, out, blob, signal);
  },
});
