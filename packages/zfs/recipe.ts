import { writeFile } from 'node:fs/promises';
import { entriesOf } from '../../build/debian/entries.ts';
import { readTar } from '../../build/debian/tar.ts';
import { inSandbox } from '../../build/graph/in-sandbox.ts';
import { recipe, source, type Target } from '../../build/graph/target.ts';
import type { Tree } from '../../build/tree/entry.ts';
import { canonicalJson } from '../../sdk/lib/files.ts';

const asTree = recipe<{ modules: Target }>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs: { modules }, out }) {
    const entries = entriesOf(await readTar(modules.path, 'zfs'), modules.digest, 'zfs');
    const tree: Tree = { entries: entries.map((entry) => ({ ...entry, origin: 'recipe:zfs' })) };
    await writeFile(out, canonicalJson(tree));
  },
});

/**
 * spl.ko and zfs.ko for one kernel, as a `Tree` below usr/lib/modules/RELEASE/extra. `compiler`: the tool tree with gcc
 * and the source of zfs-dkms. `sandbox`: the tool tree with bwrap. `headers`: a folder with the kernel's headers; null:
 * the headers of Debian's kernel in `compiler`.
 */
export function zfsModules(
  name: string,
  { compiler, sandbox, headers }: { compiler: Target; sandbox: Target; headers: Target | null },
): Target {
  const modules = inSandbox(`compile:${name}`, {
    sandbox,
    root: compiler,
    script: source('packages/zfs/build.sh'),
    mounts: headers ? { '/headers': headers } : {},
    steps: 3,
  });
  return asTree(name, { modules });
}
