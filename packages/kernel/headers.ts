import { readPackage } from '../../build/debian/package.ts';
import { recipe, type Target } from '../../build/graph/target.ts';
import { writeFolder } from '../../build/tree/folder.ts';

const HEADERS = /^usr\/src\/linux-headers-[^/]+\//;

/** The headers in a kernel's `Package` (usr/src/linux-headers-RELEASE) as a folder, for building modules. */
export const kernelHeaders = recipe<{ kernel: Target }>({
  from: import.meta.url,
  kind: 'dir',
  async run({ inputs, out, blob, signal }) {
    const { entries } = await readPackage(inputs.kernel.path);
    const below = entries.flatMap((entry) =>
      HEADERS.test(entry.path)
        ? [
            {
              ...entry,
              path: entry.path.replace(HEADERS, ''),
              ...(entry.type === 'hardlink' ? { target: entry.target.replace(HEADERS, '') } : {}),
            },
          ]
        : [],
    );
    await writeFolder({ entries: below }, out, blob, signal);
  },
});
