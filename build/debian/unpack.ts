import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { canonicalJson } from '../../sdk/lib/files.ts';
import { toolCommand } from '../../sdk/tool.ts';
import { recipe, type Target } from '../graph/target.ts';
import { readDeb } from './deb.ts';
import type { Decoders } from './decompress.ts';

/** The decoders of a tool tree with xz-utils. Without a tree, this process decodes xz itself. */
export function treeDecoders(tree: string | undefined): Decoders {
  return tree === undefined ? {} : { xz: toolCommand(tree, 'xz', ['-dc', '-T0']) };
}

/** Output: a `Package` as canonical JSON; the uncompressed data.tar is added to the store as one blob. */
const unpackRecipe = recipe<{ deb: Target; label: string; xz: readonly Target[] }>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, out, scratch, signal, add }) {
    const unpacked = await readDeb(inputs.deb.path, {
      label: inputs.label,
      scratch: join(scratch, 'deb'),
      decoders: treeDecoders(inputs.xz[0]?.path),
      signal,
      keep: (path) => add({ path }),
    });
    await writeFile(out, canonicalJson(unpacked));
  },
});

/**
 * Unpacks `deb` to a `Package` document. `label` names it in errors: `bash 5.2.37-2+b5`. `sdkXz`: a tool tree with
 * xz-utils; with null, this process decodes xz itself.
 */
export function unpack(name: string, inputs: { deb: Target; label: string; sdkXz: Target | null }): Target {
  return unpackRecipe(name, { deb: inputs.deb, label: inputs.label, xz: inputs.sdkXz ? [inputs.sdkXz] : [] });
}
