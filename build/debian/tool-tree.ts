import { join } from 'node:path';
import type { Sha256 } from '../../sdk/lib/files.ts';
import { recipe, type Target } from '../graph/target.ts';
import type { Entry, Tree } from '../tree/entry.ts';
import { writeFolder } from '../tree/folder.ts';
import { mergeLayers } from '../tree/merge.ts';
import { MERGED_USR } from '../tree/paths.ts';
import { readDeb } from './deb.ts';
import type { Decoders } from './decompress.ts';
import type { Package } from './package.ts';
import { treeDecoders } from './unpack.ts';

export interface ToolTreeOptions {
  readonly debs: readonly { readonly path: string; readonly label: string }[];
  /** The folder to make. */
  readonly out: string;
  /** An existing private folder on the same file system. */
  readonly scratch: string;
  readonly jobs: number;
  readonly decoders?: Decoders;
  readonly signal?: AbortSignal;
  readonly progress?: (done: number, total: number, note?: string) => void;
}

/**
 * Unpacks packages into one folder with merged /usr. No maintainer script runs. A path of two packages is an error. A
 * folder of several packages gets the mode of the first one.
 */
export async function unpackToolTree(options: ToolTreeOptions): Promise<void> {
  const { debs, scratch, out, jobs, decoders, signal, progress } = options;
  const packages: Package[] = [];
  const tars = new Map<Sha256, string>();
  let next = 0;
  let done = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < debs.length; index = next++) {
      signal?.throwIfAborted();
      const { path, label } = debs[index]!;
      // The data.tar is not stored, so its name takes the place of a digest.
      const keep = async (dataTar: string) => {
        const name = `data-${index}`;
        tars.set(name, dataTar);
        return name;
      };
      const folder = join(scratch, String(index));
      packages[index] = await readDeb(path, {
        label,
        scratch: folder,
        keep,
        ...(decoders ? { decoders } : {}),
        ...(signal ? { signal } : {}),
      });
      progress?.(++done, debs.length + 1, packages[index]?.name);
    }
  };
  const stopAtFirst = async () => {
    try {
      await worker();
    } catch (error) {
      next = debs.length;
      throw error;
    }
  };
  const ended = await Promise.allSettled(
    Array.from({ length: Math.min(Math.max(jobs, 1), debs.length) }, stopAtFirst),
  );
  for (const result of ended) if (result.status === 'rejected') throw result.reason; // Wait for all packages, so that none writes to `scratch` after the return.
  const tree = withAliases(mergeLayers([{ packages, folders: 'first' }]));
  await writeFolder(tree, out, (blob) => tars.get(blob)!, signal);
}

/** Adds the symlinks /bin, /lib, … into usr, even if no package has them. */
function withAliases(tree: Tree): Tree {
  const present = new Set(tree.entries.map(({ path }) => path));
  const aliases = MERGED_USR.filter((name) => !present.has(name)).map(
    (path): Entry => ({
      path,
      type: 'symlink',
      target: `usr/${path}`,
      mode: 0o777,
      uid: 0,
      gid: 0,
      origin: 'merged-usr',
    }),
  );
  return { entries: [...tree.entries, ...aliases] };
}

const toolTreeRecipe = recipe<{ debs: readonly Target[]; labels: readonly string[]; xz: readonly Target[] }>({
  from: import.meta.url,
  kind: 'dir',
  parallel: true,
  async run({ inputs, out, scratch, jobs, signal, progress }) {
    await unpackToolTree({
      debs: inputs.debs.map(({ path }, index) => ({ path, label: inputs.labels[index] ?? path })),
      out,
      scratch,
      jobs,
      decoders: treeDecoders(inputs.xz[0]?.path),
      signal,
      progress,
    });
  },
});

/**
 * A folder with the tools of some packages (see sdk/tool.ts for how to run them). The order of `debs` matters only for
 * the modes of shared folders. `sdkXz`: a tool tree with xz-utils; with null, this process decodes xz itself.
 */
export function toolTree(
  name: string,
  inputs: { debs: readonly { readonly target: Target; readonly label: string }[]; sdkXz: Target | null },
): Target {
  return toolTreeRecipe(name, {
    debs: inputs.debs.map(({ target }) => target),
    labels: inputs.debs.map(({ label }) => label),
    xz: inputs.sdkXz ? [inputs.sdkXz] : [],
  });
}
